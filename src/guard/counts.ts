import type { Clock } from "../core/clock.ts";
import { type Bucket, FULL } from "./gcra.ts";
import type { Rate } from "./rate.ts";

/** What of a caller has been counted: when each bucket will be full. */
export interface Count {
  callsAtMs: number;
  operationsAtMs: number;
  /** The rate that it was counted by last, and what buckets that gives; before there was any: none. */
  rate: Rate | undefined;
  /** Whether that was a visitor's. */
  visits: boolean;
  calls: Bucket;
  operations: Bucket | undefined;
}

/** Of how many callers of a kind there are counts at a time. */
const CALLERS_MAX = 65_536;

/** What has been counted of callers of one kind, by a text that is theirs alone. */
export class Counts {
  readonly #clock: Clock;
  readonly #counts = new Map<string, Count>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The count of a caller; one of whom nothing has been counted where there is none. */
  of(caller: string): Count {
    const found = this.#counts.get(caller);
    if (found !== undefined) {
      if (this.#counts.size >= CALLERS_MAX / 2) {
        this.#counts.delete(caller); // Behind those that have not called so lately: where there are few, none goes.
        this.#counts.set(caller, found);
      }
      return found;
    }
    if (this.#counts.size >= CALLERS_MAX) this.#forget();
    const count = newCount();
    this.#counts.set(caller, count);
    return count;
  }

  clear(): void {
    this.#counts.clear();
  }

  /** Those that are full are as if nobody had called; without any, whoever has not called for longest is let off. */
  #forget(): void {
    const nowMs = this.#clock.monotonic();
    let looked = 0;
    for (const [caller, { callsAtMs, operationsAtMs }] of this.#counts) {
      if (callsAtMs <= nowMs && operationsAtMs <= nowMs) this.#counts.delete(caller);
      if (++looked === LOOKED_MAX) break;
    }
    for (const caller of this.#counts.keys()) {
      if (this.#counts.size < CALLERS_MAX) break;
      this.#counts.delete(caller);
    }
  }
}

/** Of whom nothing has been counted. */
export function newCount(): Count {
  const buckets = { rate: undefined, visits: false, calls: NO_BUCKET, operations: undefined };
  return { callsAtMs: FULL, operationsAtMs: FULL, ...buckets };
}

const NO_BUCKET: Bucket = { perSecond: 0, burst: 0 };

/** How many are looked at for room at a time: what one call may cost. */
const LOOKED_MAX = 64;
