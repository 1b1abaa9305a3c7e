import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { Histogram } from "../../src/cli/bench/histogram.ts";

/** What the callers of one generator do. */
export type CallersOptions = {
  port: number;
  connections: number;
  /** Callers on each connection; one has a call at a time. */
  callers: number;
  /** Whether a caller who was refused waits as long as it was told to; it comes back at once otherwise. */
  patient: boolean;
  warmupMs: number;
  seconds: number;
};

/** What became of the calls that ended within the measured seconds. */
export type CallersResult = {
  /** Answered OK, warm-up and end included: what the counters must show. */
  acknowledged: number;
  /** All calls, refused or not, in all of the time. */
  calls: number;
  ok: number;
  refused: number;
  /** Calls that ended with neither, by grpc-status; there are to be none. */
  others: Record<string, number>;
  /** Refusals that did not say when to come again; there are to be none. */
  untold: number;
  okLatency: Histogram;
  refusedLatency: Histogram;
};

/** A caller, and where its call is. */
type Caller = {
  callers: Callers;
  index: number;
  session: ClientHttp2Session;
  startedMs: number;
  status: string | undefined;
  pushbackMs: number | undefined;
};
type CallerStream = ClientHttp2Stream & { caller: Caller };

const RESOURCE_EXHAUSTED = "8";

/** Callers who go on calling until the time is up, each as soon as it has its answer. */
export class Callers {
  readonly #options: CallersOptions;
  readonly #next: (caller: number) => Buffer;
  readonly #headers: string[];
  readonly #sessions: ClientHttp2Session[] = [];
  readonly #ended = Promise.withResolvers<void>();
  readonly #result: CallersResult = {
    acknowledged: 0,
    calls: 0,
    ok: 0,
    refused: 0,
    others: {},
    untold: 0,
    okLatency: new Histogram(),
    refusedLatency: new Histogram(),
  };
  #measureFromMs = 0;
  #measureToMs = 0;
  #busy = 0;

  /** @param next  the framed request of a caller's next call; it may be overwritten by the one after */
  constructor(path: string, next: (caller: number) => Buffer, options: CallersOptions) {
    this.#options = options;
    this.#next = next;
    this.#headers = [":method", "POST", ":scheme", "http", ":path", path];
    this.#headers.push(":authority", `127.0.0.1:${options.port}`, "content-type", "application/grpc");
    this.#headers.push("te", "trailers");
  }

  async connect(): Promise<void> {
    for (let n = 0; n < this.#options.connections; n++) {
      const session = connect(`http://127.0.0.1:${this.#options.port}`);
      session.on("error", this.#ended.reject);
      await new Promise((resolve) => session.once("connect", resolve));
      this.#sessions.push(session);
    }
  }

  async run(): Promise<CallersResult> {
    const { warmupMs, seconds, callers } = this.#options;
    this.#measureFromMs = performance.now() + warmupMs;
    this.#measureToMs = this.#measureFromMs + seconds * 1000;
    for (let index = 0; index < this.#sessions.length * callers; index++) {
      const session = this.#sessions[index % this.#sessions.length]!;
      this.#busy++;
      this.#call({ callers: this, index, session, startedMs: 0, status: undefined, pushbackMs: undefined });
    }
    const late = setTimeout(
      () => this.#ended.reject(new Error(`${this.#busy} calls have no answer`)),
      warmupMs + seconds * 1000 + 30_000,
    );
    await this.#ended.promise;
    clearTimeout(late);
    for (const session of this.#sessions) session.close();
    return this.#result;
  }

  #call(caller: Caller): void {
    const stream = caller.session.request(this.#headers, { endStream: false }) as CallerStream;
    stream.caller = caller;
    caller.status = undefined;
    caller.pushbackMs = undefined;
    stream.on("response", onHeaders);
    stream.on("trailers", onHeaders);
    stream.on("end", onEnd);
    stream.on("error", ignore); // "end" or not, its status tells.
    stream.on("close", onClose);
    stream.resume();
    caller.startedMs = performance.now();
    stream.end(this.#next(caller.index));
  }

  answered(caller: Caller): void {
    const nowMs = performance.now();
    const result = this.#result;
    result.calls++;
    const measured = nowMs >= this.#measureFromMs && nowMs < this.#measureToMs;
    const tookUs = (nowMs - caller.startedMs) * 1000;
    const status = caller.status ?? "none";
    if (status === "0") {
      result.acknowledged++;
      if (measured) {
        result.ok++;
        result.okLatency.record(tookUs);
      }
    } else if (status === RESOURCE_EXHAUSTED) {
      if (caller.pushbackMs === undefined) result.untold++;
      if (measured) {
        result.refused++;
        result.refusedLatency.record(tookUs);
      }
    } else {
      result.others[status] = (result.others[status] ?? 0) + 1;
    }
    const waitMs = this.#options.patient ? (caller.pushbackMs ?? 0) : 0;
    if (nowMs + waitMs >= this.#measureToMs) {
      if (--this.#busy === 0) this.#ended.resolve();
    } else if (waitMs > 0) {
      setTimeout(() => this.#call(caller), waitMs);
    } else {
      this.#call(caller);
    }
  }
}

/** grpc-status comes in the trailers, or in the only headers of an answer that has no message. */
function onHeaders(this: CallerStream, headers: IncomingHttpHeaders): void {
  const status = headers["grpc-status"];
  if (status === undefined) return;
  this.caller.status = `${status}`;
  const pushback = headers["grpc-retry-pushback-ms"];
  if (pushback !== undefined) this.caller.pushbackMs = Number(pushback);
}

function onEnd(this: CallerStream): void {
  this.off("close", onClose);
  this.caller.callers.answered(this.caller);
}

function onClose(this: CallerStream): void {
  this.caller.callers.answered(this.caller);
}

function ignore(): void {}
