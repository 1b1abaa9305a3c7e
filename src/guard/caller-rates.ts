import type { Clock } from "../core/clock.ts";
import type { Refusal } from "../core/errors.ts";
import { AddressBuckets } from "./address-buckets.ts";
import { type Bucket, FULL, taken, waitMs } from "./gcra.ts";
import type { Counted, Rate, Rates } from "./rate.ts";

/** How often callers may, who have no rate of their own. */
export interface ServerRates {
  /** A principal; undefined: as often as it likes. */
  readonly principal: Rate | undefined;
  /** Whoever calls from an address without a credential, or with a capability token; undefined likewise. */
  readonly anonymous: Rate | undefined;
  /** All capability tokens of one API key together; undefined likewise. */
  readonly tokens: Rate | undefined;
}

/** What of a caller has been counted: when each bucket will be full. */
interface Count {
  callsAtMs: number;
  operationsAtMs: number;
}

/** What a call is taken from: buckets of calls and of operations, with the place where they are kept. */
interface Drawn {
  readonly calls: Bucket;
  readonly operations: Bucket | undefined;
  readonly count: Count;
}

/** Of how many callers there are counts at a time. */
const CALLERS_MAX = 65_536;
/** As many operations as a BatchApply can have. */
const OPERATIONS_BURST_MIN = 8_000;

/**
 * Counts calls and operations of callers, each process for itself. What one bucket has no room for takes nothing from the
 * others, so that a refused call costs nobody anything.
 */
export class CallerRates implements Rates {
  readonly #clock: Clock;
  readonly #seed: number;
  #rates: ServerRates;
  readonly #callers = new Map<string, Count>();
  #addresses: AddressBuckets<Count>;

  /** @param seed  by which addresses share buckets: not to be guessed from outside */
  constructor(clock: Clock, rates: ServerRates, seed: number) {
    this.#clock = clock;
    this.#rates = rates;
    this.#seed = seed;
    this.#addresses = new AddressBuckets(seed, newCount);
  }

  /**
   * Count by other rates from now on, and anew: what was owed at an old rate would keep callers waiting for as long as that
   * would have taken.
   */
  become(rates: ServerRates): void {
    this.#rates = rates;
    this.#callers.clear();
    this.#addresses = new AddressBuckets(this.#seed, newCount);
  }

  head(caller: Counted, address: string): Refusal | undefined {
    return this.#draw(this.#drawn(caller, address), 1, 1);
  }

  charge(caller: Counted, address: string, operations: number): Refusal | undefined {
    const drawn = this.#drawn(caller, address);
    // Others wait until all of their bucket is full, and owe the rest: they are known, and can be spoken to.
    if (isVisitor(caller)) {
      const most = Math.min(
        ...drawn.map(({ operations: bucket }) => bucket?.burst ?? Number.POSITIVE_INFINITY),
      );
      if (operations >= most) return tooManyAtOnce(most);
    }
    return this.#draw(drawn, 0, operations);
  }

  /** All that a call is taken from: nothing of whom nothing limits. */
  #drawn(caller: Counted, address: string): Drawn[] {
    const { credential, keyId, token, rate } = caller;
    if (credential === "root") return []; // Who mends what goes wrong is not to be kept out by it.
    const { principal, anonymous, tokens } = this.#rates;
    const visits = isVisitor(caller);
    const from = (each: Rate, count: Count): Drawn => {
      return { calls: callsOf(each), operations: operationsOf(each, visits), count };
    };
    const drawn: Drawn[] = [];
    if (visits && anonymous !== undefined) drawn.push(from(anonymous, this.#addresses.at(address)));
    if (credential === "capability" && tokens !== undefined)
      drawn.push(from(tokens, this.#countOf(`tokens ${keyId}`)));
    const own = rate ?? (visits ? undefined : principal);
    if (own !== undefined)
      drawn.push(
        from(own, this.#countOf(token === undefined ? `caller ${caller.caller}` : `token ${token}`)),
      );
    return drawn;
  }

  #draw(drawn: readonly Drawn[], calls: number, operations: number): Refusal | undefined {
    if (drawn.length === 0) return undefined;
    const nowMs = this.#clock.monotonic();
    let wait = 0;
    for (const { calls: ofCalls, operations: ofOperations, count } of drawn) {
      if (calls > 0) wait = Math.max(wait, waitMs(ofCalls, count.callsAtMs, calls, nowMs));
      if (ofOperations !== undefined)
        wait = Math.max(wait, waitMs(ofOperations, count.operationsAtMs, operations, nowMs));
    }
    if (wait > 0) return { code: "RATE_LIMITED", retryAfterMs: Math.max(1, Math.ceil(wait - 1e-6)) };
    for (const { calls: ofCalls, operations: ofOperations, count } of drawn) {
      if (calls > 0) count.callsAtMs = taken(ofCalls, count.callsAtMs, calls, nowMs);
      if (ofOperations !== undefined)
        count.operationsAtMs = taken(ofOperations, count.operationsAtMs, operations, nowMs);
    }
    return undefined;
  }

  #countOf(key: string): Count {
    const found = this.#callers.get(key);
    if (found !== undefined) {
      if (this.#callers.size >= CALLERS_MAX / 2) {
        this.#callers.delete(key); // Behind those that have not called so lately: where there are few, none goes.
        this.#callers.set(key, found);
      }
      return found;
    }
    if (this.#callers.size >= CALLERS_MAX) this.#forget();
    const count = newCount();
    this.#callers.set(key, count);
    return count;
  }

  /** Those that are full are as if nobody had called; without any, whoever has not called for longest is let off. */
  #forget(): void {
    const nowMs = this.#clock.monotonic();
    let looked = 0;
    for (const [key, { callsAtMs, operationsAtMs }] of this.#callers) {
      if (callsAtMs <= nowMs && operationsAtMs <= nowMs) this.#callers.delete(key);
      if (++looked === LOOKED_MAX) break;
    }
    for (const key of this.#callers.keys()) {
      if (this.#callers.size < CALLERS_MAX) break;
      this.#callers.delete(key);
    }
  }
}

/** Whoever calls without a credential, or with a capability token: anybody may be that. */
function isVisitor({ credential }: Counted): boolean {
  return credential === "none" || credential === "capability";
}

function tooManyAtOnce(most: number): Refusal {
  const expected = `it may make ${most} operations at once; send smaller batches`;
  return { code: "PERMISSION_DENIED", expected };
}

/** How many are looked at for room at a time: what one call may cost. */
const LOOKED_MAX = 64;

function newCount(): Count {
  return { callsAtMs: FULL, operationsAtMs: FULL };
}

function callsOf({ calls, callsBurst = calls }: Rate): Bucket {
  return { perSecond: calls, burst: callsBurst };
}

/** Of visitors each operation counts as a call does, unless a rate says otherwise: a batch must not be a way around it. */
function operationsOf(
  { calls, callsBurst = calls, operations, operationsBurst }: Rate,
  visits: boolean,
): Bucket | undefined {
  if (operations === undefined) return visits ? { perSecond: calls, burst: callsBurst } : undefined;
  return { perSecond: operations, burst: operationsBurst ?? Math.max(operations, OPERATIONS_BURST_MIN) };
}
