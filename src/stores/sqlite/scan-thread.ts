import type { Sum } from "../../core/selection.ts";
import type { Counters } from "../../service/store-pages.ts";
import type { PolicyProgress } from "../../service/store-policies.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { ProgressRequest, ScanData, Stoppable, SumRequest, TopRequest } from "./read/scan-worker.ts";
import { Thread } from "./thread.ts";

/** Asks the thread that looks at every counter, and starts it when it is first needed. */
export class ScanThread {
  readonly #data: ScanData;
  readonly #metrics: Metrics;
  #thread: Promise<Thread> | undefined;

  constructor(path: string, metrics: Metrics) {
    this.#data = { path, closing: newFlag() };
    this.#metrics = metrics;
  }

  /** @param signal  stops it; see Store.top */
  sum(request: SumRequest, signal: AbortSignal | undefined): Promise<Sum> {
    return this.#ask("sum", request, signal);
  }

  /** @param signal  stops it; see Store.top */
  top(request: TopRequest, signal: AbortSignal | undefined): Promise<Counters> {
    return this.#ask("top", request, signal);
  }

  /** @param signal  stops it; see PolicyReads.progress */
  policyProgress(request: ProgressRequest, signal: AbortSignal | undefined): Promise<PolicyProgress> {
    return this.#ask("policyProgress", request, signal);
  }

  /** Stops what is in flight. */
  async close(): Promise<void> {
    Atomics.store(this.#data.closing, 0, 1);
    const thread = await this.#thread?.catch(() => undefined);
    await thread?.close(undefined);
  }

  async #ask<Request extends object, Result>(
    kind: string,
    request: Request,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    this.#thread ??= this.#start();
    const thread = await this.#thread;
    const stopped = newFlag(); // A message would be read after the scan.
    const stop = () => void Atomics.store(stopped, 0, 1);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    try {
      return await thread.ask<Result>(kind, { ...request, stopped } satisfies Stoppable<Request>);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** It holds nothing that a new one would not find again, so one that failed is replaced at the next request. */
  async #start(): Promise<Thread> {
    try {
      const { thread } = await Thread.start("read/scan-worker", this.#data, {
        measured: { metrics: this.#metrics, name: "scan" },
      });
      void thread.failed.then(() => {
        this.#thread = undefined;
      });
      return thread;
    } catch (error) {
      this.#thread = undefined;
      throw error;
    }
  }
}

/** A number that threads share. */
function newFlag(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}
