import type { Clock } from "../../core/clock.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Door } from "../../telemetry/series.ts";
import type { CallHead, HeaderOf, Permit } from "./authorise.ts";
import type { AnswerMetadata, Refused } from "./call.ts";
import type { Caller } from "./call-log.ts";

/** Where the answers of a stream go: a door's. */
export interface StreamSink {
  /** As in the context. */
  attach(metadata: AnswerMetadata): void;
  /** Resolves when the next message is wanted, or nobody is there. */
  send(message: Uint8Array): Promise<void>;
  /** The last word, after every message that was sent; told once. */
  end(refused: Refused | undefined): void;
}

/** A stream that runs. */
export interface RunningStream {
  /** End it from outside: nobody is there, or what comes is not what it must be. */
  end(refused: Refused): void;
  /** When all of it is over. */
  readonly done: Promise<void>;
}

/** A call, by its headers. */
export interface StreamCaller {
  readonly head: CallHead;
  /** Where it came in. */
  readonly door: Door;
  /** As in the context. */
  readonly deadline: number;
  /** Why the headers are none of the door's protocol; told once it is known who calls. */
  readonly unfit?: Refusal | undefined;
  /** To be told whether it was admitted, by who calls. */
  judged?(admitted: boolean): void;
}

/** A stream from its headers to its last word. One object, for there may be thousands that wait. */
export class OpenStream implements RunningStream, Caller {
  done: Promise<void> = Promise.resolve();
  /** Whether something may have been changed by now. */
  changing = false;
  /** What its caller may do, once that is known. */
  access: Permit["access"];
  readonly #clock: Clock;
  readonly #caller: StreamCaller;
  readonly #sink: StreamSink;
  readonly #open: Set<OpenStream>;
  readonly #ended: (refused: Refused | undefined) => void;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #expireTimeMs = Number.POSITIVE_INFINITY;
  /** Aborted when the caller is not permitted any longer. It lives as long as the caller is known. */
  #revoked: AbortSignal | undefined;

  /**
   * @param open   where it stands as long as it is open
   * @param ended  told once how it ended
   */
  constructor(
    clock: Clock,
    caller: StreamCaller,
    sink: StreamSink,
    open: Set<OpenStream>,
    ended: (refused: Refused | undefined) => void,
  ) {
    this.#clock = clock;
    this.#caller = caller;
    this.#sink = sink;
    this.#open = open;
    this.#ended = ended;
  }

  get headerOf(): HeaderOf {
    return this.#caller.head.headerOf;
  }

  get parts(): Caller["parts"] {
    return this.#caller.head.parts;
  }

  /** Aborted when it has ended. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  begin(): void {
    this.#open.add(this);
    this.#watch();
  }

  /** It is known who calls. */
  admit({ expireTimeMs, revoked }: Permit): void {
    if (this.signal.aborted) return;
    this.#expireTimeMs = expireTimeMs ?? this.#expireTimeMs;
    clearTimeout(this.#timer);
    this.#watch();
    this.#revoked = revoked;
    if (revoked?.aborted) this.handleEvent();
    else revoked?.addEventListener("abort", this);
  }

  /** Of #revoked: the caller is not who they were. */
  handleEvent(): void {
    this.cut(this.#revoked!.reason as Refusal);
  }

  attach(metadata: AnswerMetadata): void {
    if (!this.signal.aborted) this.#sink.attach(metadata);
  }

  send(message: Uint8Array): Promise<void> {
    return this.#sink.send(message);
  }

  /** End it while it goes on. */
  cut(refusal: Refusal): void {
    this.end(this.changing ? { ...refusal, midway: true } : refusal);
  }

  end(refused: Refused | undefined): void {
    if (this.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#revoked?.removeEventListener("abort", this);
    this.#open.delete(this);
    this.#stop.abort(ENDED);
    this.#sink.end(refused);
    this.#ended(refused);
  }

  /** End it at its deadline, and when its caller's credential expires. */
  #watch(): void {
    const now = this.#clock.now();
    const { deadline } = this.#caller;
    const leftMs = Math.min(deadline, this.#expireTimeMs) - now;
    if (deadline <= now) this.cut({ code: "DEADLINE_PASSED" });
    else if (leftMs <= 0) this.cut({ code: "CREDENTIAL_EXPIRED" });
    else if (leftMs < Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.#watch(), Math.min(leftMs, TIMER_MS_MAX));
  }
}

/** Why a signal of a stream is aborted. One for all: Node.js makes an error with a stack of each that is not told why. */
const ENDED = new Error("the stream has ended");

/** The longest time of Node's timers. */
const TIMER_MS_MAX = 2 ** 31 - 1;
