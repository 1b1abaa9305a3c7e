import type { Clock } from "../core/clock.ts";
import type { Refusal } from "../core/errors.ts";
import { AddressBuckets } from "./address-buckets.ts";
import { type Count, Counts, newCount } from "./counts.ts";
import { type Bucket, taken, waitMs } from "./gcra.ts";
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

/** What a call is taken from: buckets of calls and of operations, with the place where they are kept. */
interface Drawn {
  readonly calls: Bucket;
  readonly operations: Bucket | undefined;
  readonly count: Count;
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
  #drawn(caller: Counted, address: string): readonly Drawn[] {
    const { credential, keyId = "", token, rate } = caller;
    const { principal, anonymous, tokens } = this.#rates;
    const visits = isVisitor(caller);
    const own = rate ?? (visits ? undefined : principal);
    // Who mends what goes wrong is not to be kept out by it.
    if (credential === "root" || (own === undefined && !visits)) return NOTHING;
    const drawn: Drawn[] = [];
    const add = (each: Rate, count: Count) =>
      drawn.push({ calls: callsOf(each), operations: operationsOf(each, visits), count });
    if (visits && anonymous !== undefined) add(anonymous, this.#addresses.at(address));
    if (credential === "capability" && tokens !== undefined) add(tokens, this.#tokensOfKeys.of(keyId));
    if (own !== undefined)
      add(own, token === undefined ? this.#callers.of(caller.caller) : this.#tokens.of(token));
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
}

const NOTHING: readonly Drawn[] = [];

/** Whoever calls without a credential, or with a capability token: anybody may be that. */
function isVisitor({ credential }: Counted): boolean {
  return credential === "none" || credential === "capability";
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
