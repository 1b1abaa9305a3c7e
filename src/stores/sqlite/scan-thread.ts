import type { Selection, Sum } from "../../core/selection.ts";
import type { Counters } from "../../service/store.ts";
import type { ScanData, TopRequest } from "./scan-worker.ts";
import { Thread } from "./thread.ts";

/** Asks the thread that looks at every counter, and starts it when it is first needed. */
export class ScanThread {
  readonly #data: ScanData;
  #thread: Promise<Thread> | undefined;

  constructor(path: string) {
    this.#data = { path, closing: new Int32Array(new SharedArrayBuffer(4)) };
  }

  sum(selection: Selection): Promise<Sum> {
    return this.#ask("sum", selection);
  }

  top(request: TopRequest): Promise<Counters> {
    return this.#ask("top", request);
  }

  /** Stops what is in flight. */
  async close(): Promise<void> {
    Atomics.store(this.#data.closing, 0, 1);
    const thread = await this.#thread?.catch(() => undefined);
    await thread?.close(undefined);
  }

  async #ask<Result>(kind: string, request: unknown): Promise<Result> {
    this.#thread ??= this.#start();
    const thread = await this.#thread;
    return thread.ask(kind, request);
  }

  /** It holds nothing that a new one would not find again, so one that failed is replaced at the next request. */
  async #start(): Promise<Thread> {
    try {
      const { thread } = await Thread.start("scan-worker", this.#data);
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
