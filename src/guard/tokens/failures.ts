import type { Refusal } from "../../core/errors.ts";
import { AddressBuckets } from "../address-buckets.ts";
import { FULL, taken, waitMs } from "../gcra.ts";

/**
 * How many tokens that are no good an address may send: each costs a signature. Twenty a second; from then on its tokens
 * are not looked at.
 */
export class FailuresByAddress {
  readonly #addresses: AddressBuckets<{ fullAtMs: number }>;

  /** @param seed  by which addresses share: not to be guessed from outside */
  constructor(seed: number) {
    this.#addresses = new AddressBuckets(seed, () => ({ fullAtMs: FULL }));
  }

  /**
   * @param nowMs  of a clock that does not jump
   * @returns      RATE_LIMITED while there were too many; undefined: a token may be looked at
   */
  refusal(address: string, nowMs: number): Refusal | undefined {
    const wait = waitMs(FAILURES, this.#addresses.at(address).fullAtMs, 1, nowMs);
    return wait > 0 ? { code: "RATE_LIMITED", retryAfterMs: Math.ceil(wait) } : undefined;
  }

  /** A token of theirs was none. What was looked at all at once counts as well, for a minute at most. */
  count(address: string, nowMs: number): void {
    const bucket = this.#addresses.at(address);
    bucket.fullAtMs = Math.min(taken(FAILURES, bucket.fullAtMs, 1, nowMs), nowMs + LONGEST_MS);
  }
}

const FAILURES = { perSecond: 20, burst: 20 };
const LONGEST_MS = 60_000;
