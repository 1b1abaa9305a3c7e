/**
 * Has stores of a test's process start their threads from the bundles, on threads that are lent to one after another, and so
 * their processes: those load nothing of what was compiled before, for they are given no environment.
 */
import childProcess, { type ChildProcess } from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import workerThreads, { type WorkerOptions } from "node:worker_threads";
import { inject } from "vitest";
import { LentThread } from "./lending.ts";

const bundles = inject("threads");
const processes = inject("processes");
const { Worker } = workerThreads;
const { fork } = childProcess as { fork: (module: string | URL, ...more: never[]) => ChildProcess };

if (Worker.name !== "BundledWorker") {
  const start = (url: URL, options: WorkerOptions) => new Worker(url, options);
  workerThreads.Worker = class BundledWorker {
    constructor(module: string | URL, options: WorkerOptions = {}) {
      // What is given a port with its data is of one store that is archived, with threads of its own.
      const bundle = options.transferList?.length ? undefined : bundles[`${module}`];
      // biome-ignore lint/correctness/noConstructorReturn: What it is depends on what it runs.
      return bundle === undefined ? new Worker(module, options) : new LentThread(start, bundle, options);
    }
  } as unknown as typeof Worker;
  childProcess.fork = ((module, ...more) => {
    const bundle = processes[`${module}`];
    return fork(bundle === undefined ? module : new URL(bundle), ...more);
  }) as typeof fork as typeof childProcess.fork;
  syncBuiltinESMExports();
}
