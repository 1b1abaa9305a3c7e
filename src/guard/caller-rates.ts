import type { Clock } from "../core/clock.ts";
import type { Refusal } from "../core/errors.ts";
import { AddressBuckets } from "./address-buckets.ts";
import { type Count, Counts, newCount } from "./counts.ts";
import { type Bucket, FULL, givenBack, taken, waitMs } from "./gcra.ts";
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
  readonly #callers: Counts;
  /** Of tokens that have a rate of their own, each. */
  readonly #tokens: Counts;
  /** Of all tokens of an API key together, by its id. */
  readonly #tokensOfKeys: Counts;
  #addresses: AddressBuckets<Count>;
  /** What the call is taken from that is counted just now: one list for all, for each call is counted at once. */
  readonly #drawn: Count[] = [];
  #drawnCount = 0;

  /** @param seed  by which addresses share buckets: not to be guessed from outside */
  constructor(clock: Clock, rates: ServerRates, seed: number) {
    this.#clock = clock;
    this.#rates = rates;
    this.#seed = seed;
    this.#callers = new Counts(clock);
    this.#tokens = new Counts(clock);
    this.#tokensOfKeys = new Counts(clock);
    this.#addresses = new AddressBuckets(seed, newCount);
  }

  /**
   * Count by other rates from now on, and anew: what was owed at an old rate would keep callers waiting for as long as that
   * would have taken.
   */
  become(rates: ServerRates): void {
    this.#rates = rates;
    for (const counts of [this.#callers, this.#tokens, this.#tokensOfKeys]) counts.clear();
    this.#addresses = new AddressBuckets(this.#seed, newCount);
  }

  areOf({ credential, rate }: Counted): boolean {
    // Who mends what goes wrong is not to be kept out by it.
    if (credential === "root") return false;
    return isVisitor(credential) || (rate ?? this.#rates.principal) !== undefined;
  }

  head(caller: Counted, address: string, nowMs = this.#clock.monotonic()): Refusal | undefined {
    if (!this.areOf(caller)) return undefined;
    this.#find(caller, address);
    return this.#draw(1, 1, nowMs);
  }

  charge(caller: Counted, address: string, operations: number, counted = 0): Refusal | undefined {
    if (!this.areOf(caller)) return undefined;
    this.#find(caller, address);
    this.#giveBack(counted);
    // Others wait until all of their bucket is full, and owe the rest: they are known, and can be spoken to.
    if (isVisitor(caller.credential)) {
      const most = Math.min(
        ...this.#drawn
          .slice(0, this.#drawnCount)
          .map(({ operations: bucket }) => bucket?.burst ?? Number.POSITIVE_INFINITY),
      );
      if (operations >= most) return tooManyAtOnce(most);
    }
    return this.#draw(0, operations + counted, this.#clock.monotonic());
  }

  /** All that a call of somebody is taken from who is counted. */
  #find(caller: Counted, address: string): void {
    const { credential, keyId = "", token, rate } = caller;
    const { principal, anonymous, tokens } = this.#rates;
    const visits = isVisitor(credential);
    const own = rate ?? (visits ? undefined : principal);
    this.#drawnCount = 0;
    if (visits && anonymous !== undefined) this.#add(this.#addresses.at(address), anonymous, visits);
    if (credential === "capability" && tokens !== undefined)
      this.#add(this.#tokensOfKeys.of(keyId), tokens, visits);
    if (own !== undefined) {
      const count = token === undefined ? this.#callers.of(caller.caller) : this.#tokens.of(token);
      this.#add(count, own, visits);
    }
  }

  /**
   * Count by a rate: by its buckets, which are made when it is another than before. Those are full: what was owed at the
   * rate before would keep callers waiting for as long as that would have taken.
   */
  #add(count: Count, rate: Rate, visits: boolean): void {
    if (count.rate !== rate || count.visits !== visits) {
      if (count.rate !== undefined && !isSame(count.rate, rate))
        count.callsAtMs = count.operationsAtMs = FULL;
      count.rate = rate;
      count.visits = visits;
      count.calls = callsOf(rate);
      count.operations = operationsOf(rate, visits);
    }
    this.#drawn[this.#drawnCount++] = count;
  }

  /** What is not done after all. The call was made, and was read. */
  #giveBack(operations: number): void {
    if (operations === 0) return;
    for (let i = 0; i < this.#drawnCount; i++) {
      const count = this.#drawn[i]!;
      if (count.operations !== undefined)
        count.operationsAtMs = givenBack(count.operations, count.operationsAtMs, operations);
    }
  }

  #draw(calls: number, operations: number, nowMs: number): Refusal | undefined {
    let wait = 0;
    for (let i = 0; i < this.#drawnCount; i++) {
      const { calls: ofCalls, operations: ofOperations, callsAtMs, operationsAtMs } = this.#drawn[i]!;
      if (calls > 0) wait = Math.max(wait, waitMs(ofCalls, callsAtMs, calls, nowMs));
      if (ofOperations !== undefined)
        wait = Math.max(wait, waitMs(ofOperations, operationsAtMs, operations, nowMs));
    }
    if (wait > 0) return { code: "RATE_LIMITED", retryAfterMs: Math.max(1, Math.ceil(wait - 1e-6)) };
    for (let i = 0; i < this.#drawnCount; i++) {
      const count = this.#drawn[i]!;
      if (calls > 0) count.callsAtMs = taken(count.calls, count.callsAtMs, calls, nowMs);
      if (count.operations !== undefined)
        count.operationsAtMs = taken(count.operations, count.operationsAtMs, operations, nowMs);
    }
    return undefined;
  }
}

/** Whoever calls without a credential, or with a capability token: anybody may be that. */
function isVisitor(credential: Counted["credential"]): boolean {
  return credential === "none" || credential === "capability";
}

function isSame(one: Rate, other: Rate): boolean {
  const { calls, callsBurst, operations, operationsBurst } = other;
  return (
    one.calls === calls &&
    one.callsBurst === callsBurst &&
    one.operations === operations &&
    one.operationsBurst === operationsBurst
  );
}

function tooManyAtOnce(most: number): Refusal {
  const expected = `it may make ${most} operations at once; send smaller batches`;
  return { code: "PERMISSION_DENIED", expected };
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
