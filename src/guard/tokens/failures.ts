import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import type { Refusal } from "../../core/errors.ts";

/**
 * How many tokens that are no good an address may send: each costs a signature. Twenty a second; from then on its tokens
 * are not looked at. In a fixed number of slots, so addresses that meet in one share it.
 */
export class FailuresByAddress {
  /** Of each slot: until when its failures reach, were there one each APART_MS. */
  readonly #untilMs = new Float64Array(SLOTS);
  readonly #salt: Buffer;

  /** @param salt  random, so that nobody can choose with whom they share */
  constructor(salt: Buffer) {
    this.#salt = salt;
  }

  /**
   * @param nowMs  of a clock that does not jump
   * @returns      RATE_LIMITED while there were too many; undefined: a token may be looked at
   */
  refusal(address: string, nowMs: number): Refusal | undefined {
    const waitMs = this.#untilMs[this.#slotOf(address)]! + APART_MS - BURST_MS - nowMs;
    return waitMs > 0 ? { code: "RATE_LIMITED", retryAfterMs: Math.ceil(waitMs) } : undefined;
  }

  /** A token of theirs was none. What was looked at all at once counts as well, for a minute at most. */
  count(address: string, nowMs: number): void {
    const slot = this.#slotOf(address);
    const untilMs = Math.max(this.#untilMs[slot]!, nowMs) + APART_MS;
    this.#untilMs[slot] = Math.min(untilMs, nowMs + LONGEST_MS);
  }

  #slotOf(address: string): number {
    const digest = createHash("sha256").update(this.#salt).update(networkOf(address)).digest();
    return digest.readUInt32LE(0) % SLOTS;
  }
}

const SLOTS = 4_096;
const APART_MS = 50;
const BURST_MS = 1_000;
const LONGEST_MS = 60_000;

/** The /64 of an IPv6 address, for that is what one customer has at least; an IPv4 address as it is. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes(".")) return address;
  const [before, after] = address.split("%", 1)[0]!.split("::") as [string, string | undefined];
  const first = before === "" ? [] : before.split(":");
  const last = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...Array<string>(zeros).fill("0"), ...last];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16))
    .join(":");
}
