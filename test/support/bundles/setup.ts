/** Makes the bundles before the tests of a run. */
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { bundled, lentBundles, processBundles, ROOT } from "./made.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The bundle of each module whose threads are lent, by the module, both as URLs. */
    readonly threads: Readonly<Record<string, string>>;
    /** The same of each module that is run as a process. */
    readonly processes: Readonly<Record<string, string>>;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  if (project.config.watch) {
    // Who watches the sources changes them.
    process.env.TALLY_TEST_COMMAND = join(ROOT, "bin/tally.mjs");
    project.provide("threads", {});
    project.provide("processes", {});
    return;
  }
  const folder = await bundled();
  process.env.TALLY_TEST_COMMAND = join(folder, "bin/tally.mjs");
  project.provide("threads", lentBundles(folder));
  project.provide("processes", processBundles(folder));
}
