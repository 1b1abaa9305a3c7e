import { describe } from "vitest";
import { describeWith } from "../../support/needs.ts";
import { STORES } from "../../support/stores.ts";
import { movingSuite } from "./moving.ts";

for (const kind of STORES) {
  describeWith(kind.needs, kind.name, () => describe("moving", () => movingSuite(kind)));
}
