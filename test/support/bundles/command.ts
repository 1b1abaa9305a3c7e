import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The command `tally` as the sources are it, and as people of a checkout run it. */
export const TALLY_OF_SOURCES = fileURLToPath(new URL("../../../bin/tally.mjs", import.meta.url));

/** The same of bundles, which start in less of the processor's time: what tests run that start many. */
export const TALLY: string = process.env.TALLY_TEST_COMMAND ?? (await made());

/** A run of Vitest has made them before its tests. */
async function made(): Promise<string> {
  const { bundled } = await import("./made.ts"); // With it comes Vite.
  return join(await bundled(), "bin/tally.mjs");
}

/** Where a program of the tests is, by its source from the root of the repository: in the bundles if it is one of theirs. */
export function programOf(source: string): string {
  const folder = dirname(dirname(TALLY));
  const bundle = join(folder, "dist", source.replace(/\.ts$/, ".js"));
  return existsSync(bundle) ? bundle : join(folder, source); // Who watches the sources has no bundles.
}
