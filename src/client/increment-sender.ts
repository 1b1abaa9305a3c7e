import type { Refusal } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import {
  BATCH_OPS_MAX,
  decodeIncrementsAnswer,
  encodeIncrements,
  type Increments,
} from "../wire/increments.ts";
import { CallError } from "./call-error.ts";
import { backoffMs, retryDelayMs } from "./retry.ts";

/** What a sender is made of; all that is not deterministic comes in here. */
export interface IncrementSenderOptions {
  /** One attempt at a BatchApply, in bytes. @throws CallError */
  attempt(request: Buffer, timeoutMs: number): Promise<Uint8Array>;
  /** A new UUID of version 7. */
  newRequestId(): string;
  /** Milliseconds that only go up. */
  now(): number;
  /** 0 up to 1. */
  random(): number;
  sleep(ms: number): Promise<void>;
  /** How long to try again without any call being answered before giving up: 1 ms to 30 minutes. */
  readonly timeoutMs: number;
  /** Calls at a time, from 1. It bounds the memory too: what is not answered is kept. */
  readonly inFlightMax?: number;
  /** An increment was refused, with all that was summed into it. */
  onRefused?(name: string, amount: number, refusal: Refusal): void;
  /** An attempt got no answer, and there will be another. */
  onRetry?(error: CallError): void;
  /** A call was answered. */
  onAnswered?(): void;
  /** It has given up. */
  onFailed?(): void;
}

/** Where every amount that was handed to a sender is: the five add up to it. */
export interface Sent {
  /** Applied, exactly once. */
  applied: number;
  /** Refused by the server, and told to onRefused. */
  refused: number;
  /** Given up without an answer: may or may not have been applied. */
  unknown: number;
  /** Certainly not applied: given up, or never sent. */
  notSent: number;
  /** On its way. */
  inFlight: number;
}

/**
 * Adds to counters in bulk, exactly once whatever happens on the way.
 *
 * What it is given goes into BatchApply calls, several in flight, each under a request id of its own. A call without
 * an answer is tried again under the same id until it is answered, so that a server which dies and comes back counts
 * it once. The order is of no matter, because increments commute.
 *
 * It gives up when no call was answered for `timeoutMs`, or when a call is refused for good (its caller is not
 * allowed, say): then it takes nothing more, and `sent` says what is certain.
 */
export class IncrementSender {
  readonly sent: Sent = { applied: 0, refused: 0, unknown: 0, notSent: 0, inFlight: 0 };
  /** Calls answered, and attempts that were not. */
  calls = 0;
  retries = 0;
  readonly #options: Required<IncrementSenderOptions>;
  readonly #inFlight = new Set<Promise<void>>();
  /** Smaller once the server has said that it takes only smaller messages. */
  #opsMax = BATCH_OPS_MAX;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #failure: unknown;

  constructor(options: IncrementSenderOptions) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Whether it has given up: add() and finish() will say why. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** How many calls wait for an answer. */
  get busy(): number {
    return this.#inFlight.size;
  }

  /**
   * Add to counters, as many as there are.
   *
   * @returns  when the last of it is on its way, so that a fast caller waits for a slow server
   * @throws   what made it give up; what was not on its way by then is in `sent.notSent`
   */
  async add({ names, amounts }: Increments): Promise<void> {
    let from = 0;
    while (from < names.length) {
      while (this.#inFlight.size >= this.#options.inFlightMax) await Promise.race(this.#inFlight);
      if (this.#failure !== undefined) {
        this.sent.notSent += sum(amounts.slice(from));
        throw this.#failure;
      }
      const end = Math.min(from + this.#opsMax, names.length);
      this.#start({ names: names.slice(from, end), amounts: amounts.slice(from, end) });
      from = end;
    }
  }

  /** Resolves when every call is answered. @throws what made it give up */
  async finish(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.race(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #start(increments: Increments): void {
    this.sent.inFlight += sum(increments.amounts);
    const call = this.#deliver(increments)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#inFlight.delete(call));
    this.#inFlight.add(call);
  }

  async #deliver(increments: Increments): Promise<void> {
    const amount = sum(increments.amounts);
    const end = await this.#end(increments);
    if ("tooLarge" in end) {
      const [first, second] = halvesOf(increments);
      this.#opsMax = Math.min(this.#opsMax, first.names.length);
      await this.#deliver(first);
      await this.#deliver(second);
      return;
    }
    this.sent.inFlight -= amount;
    if ("error" in end) {
      this.sent[end.unknown ? "unknown" : "notSent"] += amount;
      this.#fail(end.error);
      return;
    }
    this.#answeredAt = this.#options.now();
    this.calls++;
    this.#options.onAnswered();
    this.#settle(increments, amount, end.refusals);
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return; // The first one is why the others failed.
    this.#failure = error;
    this.#options.onFailed();
  }

  #settle({ names, amounts }: Increments, amount: number, refusals: ReadonlyMap<number, Refusal>): void {
    let refused = 0;
    for (const [index, refusal] of refusals) {
      refused += amounts[index]!;
      this.#options.onRefused(names[index]!, amounts[index]!, refusal);
    }
    this.sent.refused += refused;
    this.sent.applied += amount - refused;
  }

  /** What a call comes to, tried as often as it takes. */
  async #end(increments: Increments): Promise<End> {
    const { attempt, newRequestId, now, random, sleep, onRetry } = this.#options;
    const count = increments.names.length;
    const bytes = encodeIncrements(increments, newRequestId());
    const startedAt = now();
    let unknown = false;
    for (let tries = 1; ; tries++) {
      try {
        const timeLeftMs = Math.max(1, this.#giveUpAt(startedAt) - now());
        const answer = await attempt(bytes, Math.min(ATTEMPT_MS, timeLeftMs));
        return answerIn(answer, count);
      } catch (error) {
        if (!(error instanceof CallError)) return { error, unknown: true }; // A defect, here or in the answer.
        unknown ||= error.unknown; // Once unknown, a later refusal does not tell what became of the attempt before.
        if (error.reason === "MESSAGE_TOO_LARGE" && !unknown && count > 1) return { tooLarge: true };
        const delayMs = delayBeforeRetry(error, tries, random());
        const late = delayMs === undefined || now() + delayMs >= this.#giveUpAt(startedAt);
        if (late || this.failed) return { error, unknown };
        this.retries++;
        onRetry(error);
        await sleep(delayMs);
      }
    }
  }

  /** When a call is given up that was first tried at `startedAt`. */
  #giveUpAt(startedAt: number): number {
    const noProgressAt = Math.max(startedAt, this.#answeredAt) + this.#options.timeoutMs;
    return Math.min(noProgressAt, startedAt + CALL_MS_MAX);
  }
}

/** What a call came to. */
type End =
  | { readonly refusals: ReadonlyMap<number, Refusal> }
  | { readonly tooLarge: true }
  | { readonly error: unknown; readonly unknown: boolean };

const DEFAULTS = {
  inFlightMax: 4, // Two keep the server's disk busy; the others bridge a busy client. More is only memory.
  onRefused: () => {},
  onRetry: () => {},
  onAnswered: () => {},
  onFailed: () => {},
};

/** A server that takes a connection and never answers is tried again after this long. */
const ATTEMPT_MS = 30_000;

/** A server keeps request ids for at least an hour: a call that is tried for longer could count twice. */
const CALL_MS_MAX = 45 * 60_000;

/** The answer in some bytes. */
function answerIn(bytes: Uint8Array, count: number): End {
  try {
    return { refusals: decodeIncrementsAnswer(bytes, count) };
  } catch (error) {
    return { error, unknown: true }; // It was applied, as far as one can read.
  }
}

/** Beside what every client tries again: an attempt that took too long, because this one has more time. */
function delayBeforeRetry(error: CallError, tries: number, random: number): number | undefined {
  const delayMs = retryDelayMs(error, tries, random);
  return delayMs === undefined && error.status === "DEADLINE_EXCEEDED" ? backoffMs(tries, random) : delayMs;
}

function halvesOf({ names, amounts }: Increments): [Increments, Increments] {
  const middle = Math.ceil(names.length / 2);
  return [
    { names: names.slice(0, middle), amounts: amounts.slice(0, middle) },
    { names: names.slice(middle), amounts: amounts.slice(middle) },
  ];
}

function sum(amounts: readonly number[]): number {
  let total = 0;
  for (const amount of amounts) total += amount;
  return total;
}
