import { randomBytes } from "node:crypto";
import {
  create,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { BulkService } from "../../gen/browser/tally/v1/bulk_service_pb.ts";
import { CounterService } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { HistoryService } from "../../gen/browser/tally/v1/history_service_pb.ts";
import { LimitService } from "../../gen/browser/tally/v1/limit_service_pb.ts";
import { PolicyService } from "../../gen/browser/tally/v1/policy_service_pb.ts";
import { isApiKey, isPrivateWay } from "./api-key.ts";
import { CallError } from "./call-error.ts";
import { Connection } from "./connection.ts";
import { requestId } from "./request-id.ts";
import { retryDelayMs } from "./retry.ts";

/** The methods of the API, for `client.call(RPC.increment, { name: "visits" })`. */
export const RPC = {
  ...CounterService.method,
  ...HistoryService.method,
  ...LimitService.method,
  ...PolicyService.method,
};

/** Those that stream, for `client.stream(STREAMS.deleteCounters, { prefix: "old." })`. */
export const STREAMS = BulkService.method;

/** Which server a client calls, and how patiently. */
export interface ClientOptions {
  /**
   * Where the server listens, "127.0.0.1:8080" or "[::1]:8080" or "db1.example:8080"; over TLS
   * "https://db1.example:8080", and the server has to have a certificate for that name.
   */
  readonly server: string;
  /** Whose certificates to trust, in PEM. Default: those whom the system trusts. */
  readonly ca?: string | undefined;
  /** The API key or token by which the server knows who calls: up to 8,192 printable ASCII characters. Default: none. */
  readonly apiKey?: string | undefined;
  /** Whether the key may go in plaintext to another machine, where everybody on the way can read it. Default false. */
  readonly plaintextKey?: boolean;
  /** How long a call may take in all, its retries included; in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * How often a call is tried at most, from 1. Default 5, which takes about a second and a half. More than 1: refusals
   * with a time to wait are not counted, because a busy server may be so for long.
   */
  readonly attemptsMax?: number;
  /** A new request id for every change, 1 to 64 printable ASCII characters. Default: a UUID of version 7. */
  readonly newRequestId?: () => string;
  /** 0 up to 1, spreads the retries of many clients. Default Math.random. */
  readonly random?: () => number;
}

type Settings = ClientOptions & Required<Omit<ClientOptions, "ca" | "apiKey">>;

/** What one call does in another way than its client. */
export interface CallOptions {
  /** Instead of the client's own. */
  readonly timeoutMs?: number;
  readonly attemptsMax?: number;
}

/**
 * A connection of its own to a Tally server, made at the first call and made again when it breaks.
 *
 * Every change gets a request id, unless the request has one; retries carry the same, so that however often a call
 * is tried it counts once. See retry.ts for what is retried.
 */
export class TallyClient {
  readonly server: string;
  /** The request ids of the changes in flight. */
  readonly changing: Set<string> = new Set();
  readonly #connection: Connection;
  readonly #options: Settings;

  /** @throws TypeError  when the key is none, or would go in plaintext to another machine; never with the key in it */
  constructor(options: ClientOptions) {
    const { server, ca, apiKey } = options;
    this.server = server;
    this.#options = { ...DEFAULTS, ...options };
    if (apiKey !== undefined && !isApiKey(apiKey))
      throw new TypeError("apiKey must be 1 to 8,192 printable ASCII characters without spaces");
    if (apiKey !== undefined && !this.#options.plaintextKey && !isPrivateWay(server))
      throw new TypeError(`apiKey would go in plaintext to ${server}: use https://, or allow plaintextKey`);
    this.#connection = new Connection(server, ca, apiKey);
  }

  /** Another client like this one, with a connection of its own. */
  another(): TallyClient {
    return new TallyClient(this.#options);
  }

  /** A new request id, for a caller who wants to know it before the call. */
  newRequestId(): string {
    return this.#options.newRequestId();
  }

  /**
   * Call a unary method, of Tally's or of another service on the same port.
   *
   * @throws CallError  what the server refused, or that no answer came; it says whether a change may have been made
   */
  async call<M extends DescMethodUnary>(
    method: M,
    init: MessageInitShape<M["input"]>,
    options: CallOptions = {},
  ): Promise<MessageShape<M["output"]>> {
    const settings = { ...this.#options, ...options };
    const request = create(method.input, init) as MessageShape<M["input"]> & { requestId?: string };
    if (!takesRequestId(method)) return this.#attempts(method, request, undefined, settings);
    request.requestId ??= this.newRequestId();
    this.changing.add(request.requestId);
    try {
      return await this.#attempts(method, request, request.requestId, settings);
    } finally {
      this.changing.delete(request.requestId);
    }
  }

  async #attempts<M extends DescMethodUnary>(
    method: M,
    request: MessageShape<M["input"]>,
    requestId: string | undefined,
    { timeoutMs, attemptsMax, random }: Settings,
  ): Promise<MessageShape<M["output"]>> {
    const deadline = performance.now() + timeoutMs;
    for (let attempt = 1, unknown = false; ; ) {
      try {
        return await this.#attempt(method, request, deadline - performance.now());
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        const delayMs = retryDelayMs(error, attempt, random());
        // A refusal was judged after the replay, so it also says that no attempt before it was applied; but for one of
        // who calls, which is judged before it.
        const saysNothing = delayMs !== undefined || BEFORE_REPLAY.has(error.status);
        unknown = mayChange(method) && (error.unknown || (unknown && saysNothing));
        const enough =
          attempt >= attemptsMax || delayMs === undefined || performance.now() + delayMs >= deadline;
        if (enough) {
          const withoutKey = this.#options.apiKey === undefined;
          throw error.about({
            server: this.server,
            requestId,
            unknown,
            withoutKey,
            prefix: prefixOf(request),
          });
        }
        // Who is told when to come again has not been let down: that may come to pass as often as there is time.
        if (error.retryAfterMs === undefined) attempt++;
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  async #attempt<M extends DescMethodUnary>(
    method: M,
    request: MessageShape<M["input"]>,
    timeoutMs: number,
  ): Promise<MessageShape<M["output"]>> {
    const answer = await this.attempt(method, toBinary(method.input, request), timeoutMs);
    return fromBinary(method.output, answer) as MessageShape<M["output"]>;
  }

  /**
   * One attempt at a unary call, in bytes and without retries, for who does both; `call` does them for everybody.
   *
   * @throws CallError
   */
  async attempt(method: DescMethodUnary, request: Uint8Array, timeoutMs: number): Promise<Buffer> {
    const path = `/${method.parent.typeName}/${method.name}`;
    const reply = await this.#connection.unary(path, request, timeoutMs);
    if ("failed" in reply) throw CallError.from(reply.failed);
    return reply.answer;
  }

  /**
   * Call a method that is answered by a stream. It is not tried again: what came so far may have been used.
   *
   * @param silenceMs  how long the server may send nothing at all, in milliseconds
   * @throws CallError  when it ends otherwise than whole
   */
  async *stream<M extends DescMethodServerStreaming>(
    method: M,
    init: MessageInitShape<M["input"]>,
    silenceMs: number = this.#options.timeoutMs,
  ): AsyncGenerator<MessageShape<M["output"]>, void> {
    const path = `/${method.parent.typeName}/${method.name}`;
    const request = create(method.input, init);
    const messages = this.#connection.stream(path, toBinary(method.input, request), silenceMs);
    try {
      for (;;) {
        const next = await messages.next();
        if (!next.done) {
          yield fromBinary(method.output, next.value) as MessageShape<M["output"]>;
          continue;
        }
        if (next.value === undefined) return;
        const withoutKey = this.#options.apiKey === undefined;
        const error = CallError.from(next.value);
        const about = {
          server: this.server,
          requestId: undefined,
          unknown: error.unknown,
          withoutKey,
          prefix: prefixOf(request),
        };
        throw error.about(about);
      }
    } finally {
      await messages.return(undefined); // Who takes no more ends the call.
    }
  }

  /** Hang up; calls in flight end with an error. */
  close(): void {
    this.#connection.close();
  }
}

const DEFAULTS = {
  plaintextKey: false,
  timeoutMs: 10_000,
  attemptsMax: 5,
  newRequestId: (): string => requestId(Date.now(), randomBytes(16)),
  random: Math.random,
};

/** Whether a lost answer leaves open what became of something: all of Tally's own methods but those that only read. */
function mayChange({ parent, idempotency }: DescMethodUnary): boolean {
  return parent.typeName.startsWith("tally.") && idempotency !== NO_SIDE_EFFECTS;
}

const { NO_SIDE_EFFECTS } = MethodOptions_IdempotencyLevel;

/** A key may have been revoked, and a grant taken away, since the attempt before. */
const BEFORE_REPLAY: ReadonlySet<string> = new Set(["UNAUTHENTICATED", "PERMISSION_DENIED"]);

/** Whether a method changes counters: exactly those requests have the field. */
function takesRequestId(method: DescMethodUnary): boolean {
  return method.input.field.requestId !== undefined;
}

/** What a request is about that names a prefix. */
function prefixOf(request: object): string | undefined {
  return "prefix" in request && typeof request.prefix === "string" ? request.prefix : undefined;
}
