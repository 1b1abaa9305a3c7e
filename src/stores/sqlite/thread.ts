/** Asking a worker thread, and answering in one: one message each way a request, in order. */
import { once } from "node:events";
import { parentPort, type ResourceLimits, type Transferable, Worker, workerData } from "node:worker_threads";
import { type DamagedPart, type ErrorCode, TallyError } from "../../core/errors.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import type { ThreadName } from "../../telemetry/series.ts";
import { knowThread, measureStoreThread } from "../../telemetry/thread.ts";

/** An error as it crosses: the cause stays behind, its text comes along for the log. */
interface CrossedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly part: DamagedPart | undefined;
  readonly cause: string;
  /** The thread's store can no longer be trusted. */
  readonly fatal: boolean;
}

type Answer = { readonly id: number } & ({ readonly result: unknown } | { readonly error: CrossedError });
type Request = { readonly id: number; readonly kind: string; readonly payload: unknown };

/** What is measured of a thread, under which name. */
export interface MeasuredThread {
  readonly metrics: Metrics;
  readonly name: Exclude<ThreadName, "main">;
}

/** What a thread is started with: what it is to open, and where it is to measure. */
interface Started {
  readonly data: unknown;
  readonly measured: { readonly name: ThreadName; readonly shared: SharedArrayBuffer } | undefined;
}

/** The asking side of a worker thread. */
export class Thread {
  /** Settles when the thread failed for good, or ended without being asked to. */
  readonly failed: Promise<Error>;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #fail: (error: Error) => void;
  readonly #forget: () => void;
  #nextId = 1;
  /** Set when nothing more can be asked. */
  #ended: Error | undefined;

  private constructor(worker: Worker, measured: MeasuredThread | undefined) {
    this.#worker = worker;
    this.#forget = measured === undefined ? () => {} : this.#measure(measured);
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.failed = promise;
    this.#fail = resolve;
    worker.on("message", (answer: Answer) => this.#settle(answer));
    worker.on("error", (error) => this.#end(error));
    worker.on("exit", (code) => this.#end(new Error(`the thread ended with code ${code}`)));
  }

  /**
   * Start a thread that calls `serveThread`, and wait until it has opened.
   *
   * @param name            the module, from this folder, without its extension: .ts as a source, .js when built
   * @param options.resourceLimits  of its heap
   * @param options.measured        unless it is measured, nobody hears of it
   * @param options.transfer        what of the data is handed over
   */
  static async start<Opened>(
    name: string,
    data: object,
    {
      resourceLimits = {},
      measured,
      transfer = [],
    }: {
      readonly resourceLimits?: ResourceLimits;
      readonly measured?: MeasuredThread | undefined;
      readonly transfer?: readonly Transferable[];
    } = {},
  ): Promise<{ thread: Thread; opened: Opened }> {
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
    const module = new URL(`./${name}${extension}`, import.meta.url);
    const workerData: Started = {
      data,
      measured: measured && { name: measured.name, shared: measured.metrics.shared },
    };
    const worker = new Worker(module, { workerData, name, resourceLimits, transferList: [...transfer] });
    const [answer] = (await once(worker, "message")) as [Answer];
    if ("error" in answer) {
      await worker.terminate();
      throw toError(answer.error);
    }
    return { thread: new Thread(worker, measured), opened: answer.result as Opened };
  }

  ask<Result>(kind: string, payload: unknown, transfer: readonly ArrayBuffer[] = []): Promise<Result> {
    if (this.#ended !== undefined) {
      return Promise.reject(
        new TallyError("STORE_UNAVAILABLE", "the store is closed", { cause: this.#ended }),
      );
    }
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
    this.#worker.postMessage({ id, kind, payload } satisfies Request, transfer);
    return promise;
  }

  /** Whether it was closed, or has failed for good. */
  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Have the thread release what it holds, and end it. */
  async close(payload: unknown): Promise<void> {
    if (this.#ended !== undefined) return;
    await this.ask("close", payload);
    this.#ended = new Error("closed");
    await this.#worker.terminate();
  }

  /** End it, whatever it is about. */
  async end(): Promise<void> {
    this.#ended ??= new Error("closed");
    await this.#worker.terminate();
  }

  #measure({ metrics, name: thread }: MeasuredThread): () => void {
    knowThread(metrics, thread);
    const place = metrics.know("storeRequests", { thread });
    return metrics.beforeRead(() => {
      metrics.numbers[place] = this.#waiting.size;
    });
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if ("error" in answer) {
      const error = toError(answer.error);
      if (answer.error.fatal) this.#refuseFromNowOn(error);
      waiting?.reject(error);
    } else waiting?.resolve(answer.result);
    this.#waiting.delete(answer.id);
  }

  #refuseFromNowOn(error: Error): void {
    this.#ended ??= error;
    this.#fail(error);
  }

  /** The thread is gone: what it was asked may or may not have been done. */
  #end(cause: Error): void {
    if (this.#ended === undefined) this.#refuseFromNowOn(cause);
    for (const { reject } of this.#waiting.values()) {
      reject(new TallyError("OUTCOME_UNKNOWN", "the store's thread ended before it answered", { cause }));
    }
    this.#waiting.clear();
    this.#forget();
  }
}

/** A defect comes back as a plain error, with the stack from over there, so that whoever asked logs it as one. */
function toError({ code, message, part, cause }: CrossedError): Error {
  return code === "INTERNAL_ERROR"
    ? new Error(message, { cause })
    : new TallyError(code, message, { cause, part });
}

/** What a thread answers: by kind of request. */
export type Handlers = Record<string, (payload: never) => unknown>;

/**
 * The answering side: open, then answer requests one after another.
 *
 * @param open   opens what the thread owns; what it returns as `opened` goes to the asking side. It measures into what
 *               it is given
 * @param after  called after each answer has gone out
 */
export function serveThread<Data>(
  open: (
    data: Data,
    metrics: Metrics,
  ) => {
    opened: unknown;
    handlers: Handlers;
    after?(): void;
    transfer?(result: unknown): ArrayBuffer[];
  },
): void {
  const port = parentPort!;
  const { data, measured } = workerData as Started;
  const metrics = measured === undefined ? new Metrics() : new Metrics(measured.name, measured.shared);
  if (measured !== undefined) measureStoreThread(metrics, measured.name);
  const answered = (id: number, run: () => unknown, transfer?: (result: unknown) => ArrayBuffer[]): void => {
    try {
      const result = run();
      port.postMessage({ id, result } satisfies Answer, transfer?.(result) ?? []);
    } catch (error) {
      port.postMessage({ id, error: crossed(error) } satisfies Answer);
    }
  };
  let handlers: Handlers = {};
  answered(0, () => {
    const { opened, handlers: opening, after, transfer } = open(data as Data, metrics);
    handlers = opening;
    port.on("message", ({ id, kind, payload }: Request) => {
      answered(id, () => handlers[kind]!(payload as never), transfer);
      if (after !== undefined) {
        try {
          after();
        } catch (error) {
          port.postMessage({ id: 0, error: crossed(error) } satisfies Answer);
        }
      }
    });
    return opened;
  });
}

function crossed(error: unknown): CrossedError {
  const cause = error instanceof TallyError && error.cause !== undefined ? error.cause : error;
  const sqlite = (cause as { code?: string }).code ?? "";
  return {
    code: error instanceof TallyError ? error.code : "INTERNAL_ERROR",
    message: error instanceof Error ? error.message : String(error),
    part: error instanceof TallyError ? error.part : undefined,
    cause: cause instanceof Error ? `${sqlite} ${cause.stack}` : String(cause),
    // After a failed write or fsync, memory may show what the disk does not have. A full disk is no such failure.
    fatal: error instanceof TallyError && error.code === "OUTCOME_UNKNOWN" && sqlite !== "SQLITE_FULL",
  };
}
