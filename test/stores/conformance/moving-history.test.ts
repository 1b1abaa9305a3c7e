import { describe } from "vitest";
import { describeWith } from "../../support/needs.ts";
import { STORES } from "../../support/stores.ts";
import { movingHistorySuite } from "./moving-history.ts";

for (const kind of STORES) {
  describeWith(kind.needs, kind.name, () => describe("moving history", () => movingHistorySuite(kind)));
}
