import { setTimeout as wait } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { FullCounter } from "../core/counter.ts";
import { decide, isRefusal } from "../core/decide.ts";
import { counterDamaged, type ErrorCode, type Refusal, TallyError } from "../core/errors.ts";
import { type Op, Verb } from "../core/op.ts";
import type { Selection } from "../core/selection.ts";
import type { Calendar } from "../core/window.ts";
import type { CallParts } from "../telemetry/call-parts.ts";
import type { Call } from "./call.ts";
import { SerialReads } from "./serial-reads.ts";
import type { Store } from "./store.ts";
import type { Writer } from "./writer.ts";

/** The same to be done to many counters. */
export interface BulkWork {
  readonly selection: Selection;
  /** Only names after this one; "" for all. */
  readonly after: string;
  readonly verb: typeof Verb.RESET | typeof Verb.DELETE;
  readonly note: string | undefined;
  /** Of deletions: see Op. */
  readonly keepHistory: boolean;
  /** Change nothing, and count what would be done. */
  readonly dryRun: boolean;
  /** How many are looked at, at most, from 1; Infinity for all. */
  readonly countersMax: number;
}

/** Who asks for it. */
export interface BulkCaller extends Pick<Call, "caller" | "callerName" | "parts"> {
  /** Aborted when nobody waits any more. What of a slice is under way is done all the same. */
  readonly signal: AbortSignal;
  /** Count operations against the caller's rate. @returns  why it is too much for now; undefined: it is not */
  charge(operations: number): Refusal | undefined;
}

/** How far it has come, from its beginning. */
export interface BulkReached {
  readonly lookedAt: number;
  /** Of those, on disk; of a dry run, what would be. */
  readonly done: number;
  readonly skipped: ReadonlyMap<ErrorCode, number>;
  /** Of those skipped since it was told last, some. */
  readonly examples: readonly Skipped[];
  /** Up to which name all is done or skipped; "" before the first. */
  readonly lastName: string;
  /** Whether that was all. */
  readonly complete: boolean;
}

/** A counter that was not done, and why. */
export interface Skipped {
  readonly name: string;
  readonly refusal: Refusal;
}

/**
 * Does the same to many counters, slice by slice: a page of them is read, and each is an operation of its own for the
 * writer, for the counter of that uid alone. So it is judged, written and logged like every other change, beside those of
 * others; and what was done stands, whatever ends it.
 *
 * One slice is under way at a time, however many ask, and the next one is read when it is on disk: what others wait for it
 * does not grow with what there is to do.
 */
export class Bulk {
  readonly #store: Pick<Store, "list" | "now">;
  readonly #writer: Pick<Writer, "submit">;
  readonly #calendar: Calendar;
  readonly #lane: SerialReads;
  readonly #sliceMax: number;

  /**
   * @param calendar  by which windows are judged in a dry run
   * @param sliceMax  counters in a slice, 1 to 1,000
   */
  constructor(
    store: Pick<Store, "list" | "now">,
    writer: Pick<Writer, "submit">,
    clock: Clock,
    calendar: Calendar,
    sliceMax: number = SLICE,
  ) {
    this.#store = store;
    this.#writer = writer;
    this.#calendar = calendar;
    this.#lane = new SerialReads(clock, WAITING_MAX);
    this.#sliceMax = sliceMax;
  }

  /**
   * Tells how far it has come after each slice.
   *
   * @returns  why it ended before the end; undefined: that was all, or as many as were asked for, or nobody waits any more
   * @throws   TallyError  of a read that failed, or ROW_CORRUPT of a counter that nobody can name
   */
  async *run(work: BulkWork, by: BulkCaller): AsyncGenerator<BulkReached, Refusal | undefined> {
    const tally = new BulkTally(work.after);
    const waiter = { deadline: Number.POSITIVE_INFINITY, cancelled: () => by.signal.aborted };
    const purse = new Purse(by);
    let left = work.countersMax;
    let from: string | undefined = nameBehind(work.after);
    while (from !== undefined && left > 0) {
      const begin: string = from;
      const most = Math.min(left, this.#sliceMax);
      const page = await this.#lane.run(waiter, () => this.#store.list(work.selection, begin, most));
      if ("code" in page) return page;
      const ahead = (name: string) => name > work.after;
      const counters = page.counters.filter(({ name }) => ahead(name));
      const corrupt = page.corruptNames.filter(ahead);
      const late = await purse.spend(work.dryRun ? 1 : Math.max(1, counters.length));
      if (late !== undefined) return late;
      for (const name of corrupt) tally.add(name, counterDamaged(name));
      if (work.dryRun) await this.#tryOut(counters, work, tally);
      else {
        const ended = await this.#lane.run(waiter, () => this.#apply(counters, work, by, tally));
        if (ended !== undefined) {
          yield tally.reached(false);
          return ended;
        }
      }
      tally.cameTo(counters.at(-1)?.name, corrupt.at(-1));
      left -= counters.length + corrupt.length;
      from = page.next;
      yield tally.reached(from === undefined);
    }
    return undefined;
  }

  /** @returns  why not all of a slice is done or skipped; undefined: it is */
  async #apply(
    counters: readonly FullCounter[],
    work: BulkWork,
    by: BulkCaller,
    tally: BulkTally,
  ): Promise<Refusal | undefined> {
    let left = counters;
    while (left.length > 0) {
      const parts = by.parts?.beginSlice();
      const ended = await Promise.allSettled(
        left.map((counter) => this.#writer.submit(callOf(counter, work, by, parts))),
      );
      if (parts !== undefined) by.parts!.endSlice(parts);
      const again: FullCounter[] = [];
      let failure: unknown;
      let closed: Refusal | undefined;
      let retryMs = 0;
      for (const [i, settled] of ended.entries()) {
        const counter = left[i]!;
        if (settled.status === "rejected") {
          failure = settled.reason;
          continue;
        }
        const refusal = "code" in settled.value ? settled.value : undefined;
        if (refusal?.code === "QUEUE_FULL") {
          again.push(counter);
          retryMs = Math.max(retryMs, refusal.retryAfterMs ?? 0);
        } else if (refusal?.code === "DRAINING") closed = refusal;
        else tally.add(counter.name, refusal);
      }
      if (failure !== undefined) {
        if (failure instanceof TallyError) return { code: failure.code };
        throw failure;
      }
      if (closed !== undefined) return closed;
      left = again;
      if (left.length > 0 && (await isOver(retryMs, by.signal))) return { code: "CALL_CANCELLED" };
    }
    return undefined;
  }

  /** What would be done, by the rule itself. */
  async #tryOut(counters: readonly FullCounter[], work: BulkWork, tally: BulkTally): Promise<void> {
    const judging = { now: await this.#store.now(), calendar: this.#calendar };
    for (const counter of counters) {
      const decided = decide(counter, opOf(counter, work), judging);
      tally.add(counter.name, isRefusal(decided) ? decided : undefined);
    }
  }
}

/** What a call has come to. */
class BulkTally {
  readonly #skipped = new Map<ErrorCode, number>();
  #lookedAt = 0;
  #done = 0;
  #lastName: string;
  #examples: Skipped[] = [];

  constructor(after: string) {
    this.#lastName = after;
  }

  /** A counter was looked at. @param refusal  why it was skipped; undefined: it is done */
  add(name: string, refusal: Refusal | undefined): void {
    this.#lookedAt++;
    if (refusal === undefined) this.#done++;
    else {
      this.#skipped.set(refusal.code, (this.#skipped.get(refusal.code) ?? 0) + 1);
      if (this.#examples.length < EXAMPLES_MAX) this.#examples.push({ name, refusal });
    }
  }

  /** All up to these names is done or skipped. */
  cameTo(...names: readonly (string | undefined)[]): void {
    for (const name of names) if (name !== undefined && name > this.#lastName) this.#lastName = name;
  }

  /** How far it has come; its examples are told once. */
  reached(complete: boolean): BulkReached {
    const examples = this.#examples;
    this.#examples = [];
    return {
      lookedAt: this.#lookedAt,
      done: this.#done,
      skipped: new Map(this.#skipped),
      examples,
      lastName: this.#lastName,
      complete,
    };
  }
}

/** Has operations counted against a caller's rate, and waits until there may be so many. */
class Purse {
  readonly #by: BulkCaller;
  /** How many may be counted at once, as far as is known. */
  #atOnce = SLICE;

  constructor(by: BulkCaller) {
    this.#by = by;
  }

  /** @returns  why they may not be done at all; undefined: they may, now */
  async spend(operations: number): Promise<Refusal | undefined> {
    for (let left = operations; left > 0; ) {
      const some = Math.min(left, this.#atOnce);
      const refusal = this.#by.charge(some);
      if (refusal === undefined) left -= some;
      else if (refusal.code === "RATE_LIMITED") {
        if (await isOver(refusal.retryAfterMs ?? RATE_WAIT_MS, this.#by.signal))
          return { code: "CALL_CANCELLED" };
      } else if (some === 1) return refusal;
      else this.#atOnce = Math.ceil(some / 2); // So many are more than the caller may do at once.
    }
    return undefined;
  }
}

/** Wait. @returns  whether nobody waits for what comes after it */
async function isOver(ms: number, signal: AbortSignal): Promise<boolean> {
  if (!signal.aborted) await wait(ms, undefined, { signal }).catch(() => {}); // It rejects for the signal alone.
  return signal.aborted;
}

/** A call is not taken back when its caller goes: a slice is done or not begun. */
function callOf(
  counter: FullCounter,
  work: BulkWork,
  { caller, callerName }: BulkCaller,
  parts: CallParts | undefined,
): Call {
  return {
    ...{ caller, callerName, requestId: undefined, allOrNothing: false, parts },
    ops: opOf(counter, work),
    deadline: Number.POSITIVE_INFINITY,
    cancelled: () => false,
  };
}

function opOf({ name, uid }: FullCounter, { verb, note, keepHistory }: BulkWork): Op {
  return { verb, name, amount: 0n, mustExist: true, uid, note, ...(verb === Verb.DELETE && { keepHistory }) };
}

/** The first name that can come after one. A page begins with what it is asked from. */
function nameBehind(name: string): string {
  return name === "" ? "" : `${name}!`; // There is no lesser character in a name.
}

/** Counters in a slice: 11 ms of a commit that others share, at best. Decision 0075 has the figures. */
const SLICE = 250;

/** How many skipped counters are told by name with each slice. */
const EXAMPLES_MAX = 10;

/** Calls that may wait for their slice, beside the one that has it; beyond it one is refused at once. */
const WAITING_MAX = 100;

const RATE_WAIT_MS = 100;
