import type { DescMethodStreaming } from "@bufbuild/protobuf";
import type { Clock } from "../../core/clock.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import { type CallParts, traceFieldOf } from "../../telemetry/call-parts.ts";
import type { Log } from "../../telemetry.ts";
import { headersRefusedToStream } from "../http/header-fields.ts";
import { refusalOf } from "../status.ts";
import type { Authorise, Permit } from "./authorise.ts";
import type { AnswerMetadata, Refused } from "./call.ts";
import type { CallMeter } from "./meter.ts";
import { OpenStream, type RunningStream, type StreamCaller, type StreamSink } from "./open-stream.ts";

/**
 * A method that takes or answers any number of messages, from bytes to bytes: all of it but the door. One that changes
 * something does so in slices, tells each when it is done, and takes no request id: whoever is cut off goes on from there.
 */
export interface StreamCall {
  readonly method: DescMethodStreaming;
  /** Whether it changes something: what then ends it in the middle says so, for the caller is not to take it for undone. */
  readonly changes?: boolean;
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
  /** To be told how far it has come; undefined: nobody asks. */
  readonly parts?: CallParts | undefined;
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
  readonly #open = new Set<OpenStream>();
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
    const since = this.#meter.began();
    const { head, door } = caller;
    head.parts = this.#meter.follow(call.method, door, head.headerOf, since);
    const stream: OpenStream = new OpenStream(this.#clock, caller, sink, this.#open, (refused) =>
      this.#meter.ended(call.method, caller.door, since, refused, stream),
    );
    if (this.#over) stream.end({ code: "DRAINING" });
    else if (this.#running >= this.#limits.openStreamsMax) stream.end(FULL);
    else stream.begin();
    if (stream.signal.aborted) return stream;
    this.#running++;
    stream.done = this.#pump(call, caller, stream, requestsOf).then(() => {
      this.#running--;
    });
    return stream;
  }

  /** Streams may say something last, and end by themselves. */
  announceDrain(): void {
    this.#draining.abort();
  }

  /** End those that are open, and each that is begun from now on. */
  drain(): void {
    this.#over = true;
    this.announceDrain();
    for (const stream of this.#open) stream.cut({ code: "DRAINING" });
  }

  async #pump(
    call: StreamCall,
    { head, deadline, unfit, judged }: StreamCaller,
    stream: OpenStream,
    requestsOf: (running: RunningStream) => AsyncIterable<Buffer>,
  ): Promise<void> {
    const { signal } = stream;
    try {
      const permit = await call.authorise(head);
      judged?.(!("code" in permit));
      if ("code" in permit) {
        stream.end(permit);
        return;
      }
      stream.access = permit.access;
      const refusal = unfit ?? headersRefusedToStream(call, head.headerOf);
      if (refusal !== undefined) {
        stream.end(refusal);
        return;
      }
      stream.admit(permit);
      if (signal.aborted) return;
      const attach = (metadata: AnswerMetadata) => stream.attach(metadata);
      const { parts } = head;
      const context = { ...permit, deadline, signal, draining: this.#draining.signal, attach, parts };
      stream.changing = call.changes === true;
      const answers = call.open(until(signal, requestsOf(stream)), context);
      while (!signal.aborted) {
        const next = await answers.next();
        if (signal.aborted) break;
        if (next.done) {
          stream.end(next.value);
          return;
        }
        await stream.send(next.value);
      }
      await answers.return(undefined);
    } catch (err) {
      if (!(err instanceof TallyError) && !signal.aborted) {
        this.#log("stream.handler_failed", { method: call.method.name, err, ...traceFieldOf(head) });
      }
      stream.cut(refusalOf(err, false));
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
