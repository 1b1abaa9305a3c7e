/** Threads that are lent to one store of a test's process after another: docs/decisions/0081. */
import { EventEmitter, once } from "node:events";
import {
  MessageChannel,
  type MessagePort,
  type Transferable,
  type Worker,
  type WorkerOptions,
} from "node:worker_threads";
import { type Loan, RETURNED } from "./loan.ts";

/** How many of a kind are kept that nobody has: a test seldom has more stores open at once. */
const KEPT_MAX = 4;

/** How a real thread is started. */
export type Start = (url: URL, options: WorkerOptions) => Worker;

/** Those that nobody has, by what they can be lent for. */
const idle = new Map<string, Worker[]>();

/**
 * What a `Worker` is to a store, as far as a store asks: a thread that runs a bundle from its first line, with nothing in
 * its modules of whoever had it before. One that has answered "close" before it is ended is lent again; any other ends.
 */
export class LentThread extends EventEmitter {
  readonly #kind: string;
  readonly #thread: Worker;
  readonly #port: MessagePort;
  readonly #onError = (error: Error) => void this.emit("error", error);
  readonly #onExit = (code: number) => void this.emit("exit", code);
  /** The id of the request to close, and whether it was done. */
  #closing: unknown;
  #closed = false;

  /**
   * @param bundle   the URL of a module for CommonJS
   * @param options  as a Worker's
   */
  constructor(start: Start, bundle: string, options: WorkerOptions) {
    super();
    const { workerData: data, ...others } = options;
    this.#kind = JSON.stringify([bundle, others]);
    this.#thread =
      idle.get(this.#kind)?.pop() ??
      start(new URL("./lent-worker.ts", import.meta.url), { ...others, workerData: bundle });
    this.#thread.ref();
    this.#thread.on("error", this.#onError).on("exit", this.#onExit);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on("message", (answer: { readonly id: unknown; readonly error?: unknown }) => {
      this.#closed ||= this.#closing !== undefined && answer.id === this.#closing && !("error" in answer);
      this.emit("message", answer);
    });
    this.#thread.postMessage({ port: port2, data } satisfies Loan, [port2]);
  }

  postMessage(
    request: { readonly id: unknown; readonly kind: string },
    transfer: readonly Transferable[],
  ): void {
    if (request.kind === "close") this.#closing = request.id;
    this.#port.postMessage(request, transfer);
  }

  /** End it, or take it back. @returns  the code of its end */
  async terminate(): Promise<number> {
    this.removeAllListeners("message");
    if (!this.#closed) return this.#thread.terminate();
    const thread = this.#thread.off("error", this.#onError).off("exit", this.#onExit);
    thread.postMessage(RETURNED);
    await once(thread, "message"); // Nothing is left of what it was lent for. Should it fail, this does.
    this.#port.close();
    await keep(this.#kind, thread);
    this.emit("exit", TERMINATED);
    return TERMINATED;
  }
}

/** Have a thread lent again, or end it where there are enough. */
async function keep(kind: string, thread: Worker): Promise<void> {
  thread.unref();
  const kept = idle.get(kind) ?? [];
  idle.set(kind, kept);
  if (kept.length < KEPT_MAX) kept.push(thread);
  else await thread.terminate();
}

/** What a Worker's `terminate` resolves to. */
const TERMINATED = 1;
