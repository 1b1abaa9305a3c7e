import type { DescMethodStreaming } from "@bufbuild/protobuf";
import type { Clock } from "../../core/clock.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import type { Door } from "../../telemetry/series.ts";
import type { Log } from "../../telemetry.ts";
import { conditionOfStream } from "../http/header-fields.ts";
import { refusalOf } from "../status.ts";
import type { Authorise, CallHead, Permit } from "./authorise.ts";
import type { AnswerMetadata, Refused } from "./call.ts";
import type { CallMeter } from "./meter.ts";

/**
 * A method that takes or answers any number of messages, from bytes to bytes: all of it but the door. It changes nothing:
 * what one that does owes to an Idempotency-Key, or answers when it cannot say, is not settled.
 */
export interface StreamCall {
  readonly method: DescMethodStreaming;
  /** Whether it may `attach` metadata: the head of its answer, which Connect has at once otherwise, waits for that. */
  readonly attaches?: boolean;
  /** The largest message of a request, in bytes of the encoded message. The door judges it. */
  readonly requestBytesMax: number;
  /** Who calls. For doors to ask with the headers, before they read a message; what they are told is the context's. */
  readonly authorise: Authorise;
  /**
   * Answer a request. The next answer is asked for when the one before it has been taken, so a slow caller holds one.
   *
   * Throws a TallyError for a failure of the world, and anything else for a defect.
   *
   * @param requests  encoded messages of the method's input type, not checked; each is read from the caller when it is
   *                  asked for. They end when the caller says so, and when nobody waits for answers any more
   * @returns         encoded messages of its output type, one where only requests stream; and at the end why it ends, if
   *                  not because all was said
   */
  open(
    requests: AsyncIterable<Buffer>,
    context: StreamContext,
  ): AsyncGenerator<Uint8Array, Refused | undefined>;
}

/** Who calls a method that streams, and for how long. */
export interface StreamContext extends Permit {
  /** When the caller stops waiting: milliseconds since the Unix epoch by the server's clock, Infinity for never. */
  readonly deadline: number;
  /**
   * Aborted when nobody waits for answers any more: the caller has gone or is not permitted any longer, the deadline has
   * passed, the server stops. A call that waits for something else than the next request has to look at it.
   */
  readonly signal: AbortSignal;
  /** Aborted when the server is about to stop: a call that does not end by itself has a second to say something last. */
  readonly draining: AbortSignal;
  /** Have the answer carry metadata, its headers at once. Once, before the first message. */
  attach(metadata: AnswerMetadata): void;
}

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

/** How much of streams there may be. */
export interface StreamLimits {
  /** Streams that are open at a time, of all doors and connections together. */
  readonly openStreamsMax: number;
}

/**
 * Every stream that is open, at any door: each ends by itself, by its caller, its deadline, because the server does, or
 * because its caller is no longer who they were.
 */
export class Streams {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #meter: CallMeter;
  readonly #limits: StreamLimits;
  readonly #draining = new AbortController();
  readonly #open = new Set<(refused: Refused) => void>();
  /** With those that were ended, and whose call has not noticed yet. */
  #running = 0;
  #over = false;

  constructor(clock: Clock, log: Log, meter: CallMeter, limits: StreamLimits) {
    this.#clock = clock;
    this.#log = log;
    this.#meter = meter;
    this.#limits = limits;
  }

  /** How many there are. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * Answer a call, from its headers on: who calls, what its headers ask for, and all that it is answered.
   *
   * @param requestsOf  what the caller sends, for a stream that can be ended for what is wrong with it
   */
  run(
    call: StreamCall,
    caller: StreamCaller,
    requestsOf: (running: RunningStream) => AsyncIterable<Buffer>,
    sink: StreamSink,
  ): RunningStream {
    const stop = new AbortController();
    const since = this.#meter.began();
    let timer: NodeJS.Timeout | undefined;
    let expireTimeMs = Number.POSITIVE_INFINITY;
    let revoked: AbortSignal | undefined;
    const end = (refused: Refused | undefined) => {
      if (stop.signal.aborted) return;
      clearTimeout(timer);
      revoked?.removeEventListener("abort", revoke); // It lives as long as the caller is known.
      this.#open.delete(end);
      stop.abort();
      sink.end(refused);
      this.#meter.ended(call.method, caller.door, since, refused);
    };
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const running = { end, done };
    const watch = () => {
      const now = this.#clock.now();
      const leftMs = Math.min(caller.deadline, expireTimeMs) - now;
      if (caller.deadline <= now) end({ code: "DEADLINE_PASSED" });
      else if (leftMs <= 0) end({ code: "CREDENTIAL_EXPIRED" });
      else if (leftMs < Number.POSITIVE_INFINITY) timer = setTimeout(watch, Math.min(leftMs, TIMER_MS_MAX));
    };
    const revoke = () => end(revoked!.reason as Refusal);
    const admit = (permit: Permit) => {
      if (stop.signal.aborted) return;
      expireTimeMs = permit.expireTimeMs ?? expireTimeMs;
      clearTimeout(timer);
      watch();
      revoked = permit.revoked;
      if (revoked?.aborted) revoke();
      else revoked?.addEventListener("abort", revoke);
    };
    if (this.#over) end({ code: "DRAINING" });
    else if (this.#running >= this.#limits.openStreamsMax) end(FULL);
    else {
      this.#open.add(end);
      watch();
    }
    if (stop.signal.aborted) {
      resolve();
      return running;
    }
    this.#running++;
    const requests = () => until(stop.signal, requestsOf(running));
    void this.#pump(call, caller, admit, requests, stop.signal, sink, end).then(() => {
      this.#running--;
      resolve();
    });
    return running;
  }

  /** Streams may say something last, and end by themselves. */
  announceDrain(): void {
    this.#draining.abort();
  }

  /** End those that are open, and each that is begun from now on. */
  drain(): void {
    this.#over = true;
    this.announceDrain();
    for (const end of this.#open) end({ code: "DRAINING" });
  }

  async #pump(
    call: StreamCall,
    { head, deadline, unfit, judged }: StreamCaller,
    admit: (permit: Permit) => void,
    requests: () => AsyncIterable<Buffer>,
    signal: AbortSignal,
    sink: StreamSink,
    end: (refused: Refused | undefined) => void,
  ): Promise<void> {
    try {
      const permit = await call.authorise(head);
      judged?.(!("code" in permit));
      const refusal = "code" in permit ? permit : (unfit ?? conditionOfStream(call.method, head.headerOf));
      if ("code" in permit || refusal !== undefined) {
        end(refusal);
        return;
      }
      admit(permit);
      if (signal.aborted) return;
      const attach = (metadata: AnswerMetadata) => {
        if (!signal.aborted) sink.attach(metadata);
      };
      const context = { ...permit, deadline, signal, draining: this.#draining.signal, attach };
      const answers = call.open(requests(), context);
      while (!signal.aborted) {
        const next = await answers.next();
        if (signal.aborted) break;
        if (next.done) {
          end(next.value);
          return;
        }
        await sink.send(next.value);
      }
      await answers.return(undefined);
    } catch (err) {
      if (!(err instanceof TallyError) && !signal.aborted) {
        this.#log("stream.handler_failed", { method: call.method.name, err });
      }
      end(refusalOf(err, false));
    }
  }
}

/** Others end sooner or later. */
const FULL: Refusal = { code: "QUEUE_FULL", retryAfterMs: 1_000 };

/** Messages until they end or a signal is aborted, also in the middle of waiting for one. */
export async function* until(
  signal: AbortSignal,
  messages: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  const iterator = messages[Symbol.asyncIterator]();
  let wake = () => {};
  const woken = () => wake();
  signal.addEventListener("abort", woken);
  try {
    while (!signal.aborted) {
      const next = await new Promise<IteratorResult<Buffer> | undefined>((resolve, reject) => {
        wake = () => resolve(undefined);
        iterator.next().then(resolve, reject);
      });
      if (next === undefined || next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", woken); // It may live longer than the messages do.
    iterator.return?.().then(undefined, () => {}); // Not waited for: it may be in the middle of a piece.
  }
}

/** The longest time of Node's timers. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The request of a method that takes one message; or why it is not one. */
export async function onlyMessage(requests: AsyncIterable<Buffer>): Promise<Buffer | Refusal> {
  let only: Buffer | undefined;
  for await (const message of requests) {
    if (only !== undefined) return ONE;
    only = message;
  }
  return only ?? ONE;
}

const ONE: Refusal = { code: "NOT_ONE_MESSAGE", expected: "must be one message" };
