/** Makes the bundles before the tests of a run. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { TestProject } from "vitest/node";
import { bundled, bundleOf, ROOT, THREADS } from "./made.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The bundle of each module that runs in a thread of its own, both as URLs. */
    readonly threads: Readonly<Record<string, string>>;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  if (project.config.watch) {
    // Who watches the sources changes them.
    process.env.TALLY_TEST_COMMAND = join(ROOT, "bin/tally.mjs");
    project.provide("threads", {});
    return;
  }
  const folder = await bundled();
  process.env.TALLY_TEST_COMMAND = join(folder, "bin/tally.mjs");
  const url = (path: string) => pathToFileURL(path).href;
  project.provide(
    "threads",
    Object.fromEntries(THREADS.map((source) => [url(join(ROOT, source)), url(bundleOf(folder, source))])),
  );
}
