/** Has stores of a test's process start their threads from the bundles. */
import { syncBuiltinESMExports } from "node:module";
import workerThreads, { type WorkerOptions } from "node:worker_threads";
import { inject } from "vitest";

const bundles = inject("threads");
const { Worker } = workerThreads;

if (Worker.name !== "BundledWorker") {
  workerThreads.Worker = class BundledWorker extends Worker {
    constructor(module: string | URL, options?: WorkerOptions) {
      const bundle = bundles[`${module}`];
      super(bundle === undefined ? module : new URL(bundle), options);
    }
  };
  syncBuiltinESMExports();
}
