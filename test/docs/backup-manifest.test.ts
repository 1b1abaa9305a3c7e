/** The manifest in docs/backup.md is one of this Tally's: the page's own test passes over numbers. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FORMAT, parseManifest } from "../../src/stores/sqlite/backup/manifest.ts";
import { HISTORY_SCHEMA_VERSION } from "../../src/stores/sqlite/history/schema.ts";
import { SCHEMA_VERSION } from "../../src/stores/sqlite/schema/schema.ts";

it("docs/backup.md shows a manifest of this version's schema", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/backup.md"), "utf8");
  const shown = page.slice(page.indexOf("\n{\n") + 1, page.indexOf("\n}\n") + 2);
  expect(parseManifest(shown, "docs/backup.md")).toMatchObject({
    format: FORMAT,
    schema: SCHEMA_VERSION,
    historySchema: HISTORY_SCHEMA_VERSION,
  });
});
