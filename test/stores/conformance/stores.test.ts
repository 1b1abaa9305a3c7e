import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { STORES } from "../../support/stores.ts";

it.each(STORES.map(({ name }) => name))("the suite runs on %s, in a file of its own", (name) => {
  expect(existsSync(new URL(`./${name}.test.ts`, import.meta.url))).toBe(true);
});
