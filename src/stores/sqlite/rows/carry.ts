/**
 * Where a refill is, in the row of the count that it moves with: so that counting writes no second row.
 *
 * A change of the value nearly always leaves a refill that goes on from that change: then its instant is the time of the
 * change, which the row has, and all that is to be kept beside it is the remainder. After an update of the settings, or
 * under a clock that went back, it is not, and the row of `timings` has both.
 */
import type { Timing } from "../../../core/counter.ts";
import { numberOf } from "../../../core/int64.ts";
import type { Checksum } from "../../shared/checksum.ts";

/** In the place of a remainder: the value is at initial, and the refill at rest. */
export const AT_REST = -1;

/**
 * What the column `carry` has of a counter with a refill.
 *
 * @param updateTime  of the counter, with that timing
 * @returns           the remainder, or AT_REST; null where it takes the row of `timings` to say where the refill is
 */
export function carryOf({ refillTime, refillCarry }: Timing, updateTime: number): number | null {
  if (refillTime === undefined) return AT_REST;
  return refillTime === updateTime ? numberOf(refillCarry) : null;
}

/** What it says of a timing. */
export function refillIn(carry: bigint, updateMs: bigint): Pick<Timing, "refillTime" | "refillCarry"> {
  return carry < 0n
    ? { refillTime: undefined, refillCarry: 0n }
    : { refillTime: Number(updateMs), refillCarry: carry };
}

/** Take it into the checksum over a row, as it is read. @throws TypeError when it is of another type than was written */
export function sumCarry(sum: Checksum, carry: bigint | null): Checksum {
  return carry === null ? sum : sum.word(CARRY).int64(carry);
}

/** The same, as it is written: of a whole number below 2^53. */
export function sumCarryNumber(sum: Checksum, carry: number | null | undefined): Checksum {
  if (carry === null || carry === undefined) return sum;
  return sum
    .word(CARRY)
    .word(carry)
    .word(Math.floor(carry / 0x1_0000_0000));
}

/** Behind the columns of `timings`; see sumTiming. */
const CARRY = 10;

/** What it adds to the mark of a row (see markOf), for a whole number below 2^53. */
export function markOfCarry(carry: number | null | undefined, mark: number): number {
  if (carry === null || carry === undefined) return 0;
  const small = carry | 0; // Most are, and the % of a double is slow.
  return (small === carry ? small % mark : carry % mark) + CARRIES;
}

/** The same in SQL. */
export function markOfCarrySql(carry: string, mark: number): string {
  return `coalesce(${carry} % ${mark} + ${CARRIES}, 0)`;
}

/** So that 0 does not pass for none; rows from before there was a carry have none, and their marks are as they were. */
const CARRIES = 11;
