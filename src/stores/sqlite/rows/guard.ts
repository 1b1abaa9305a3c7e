/**
 * The checksum as it is stored: with a guard above it that SQL can check for a million rows, where the checksum itself
 * needs all of a row. Together within 48 bits, so that a row grows by two bytes.
 */
export function guarded(sum: number, id: bigint, value: bigint): number {
  return guardOf(id, value) * 2 ** 32 + (sum >>> 0);
}

/**
 * The same of a counter that time does something to: below all others, so that SQL knows which these are, and with a
 * mark of what it reckons their values by.
 */
export function guardedTimed(sum: number, id: bigint, value: bigint, mark: number): number {
  const rest = ((guardOf(id, value) + mark) | 0) % GUARD; // Small numbers, as there.
  return ((rest < 0 ? rest + GUARD : rest) - TIMED) * 2 ** 32 + (sum >>> 0);
}

/** Whether a checksum is that of a counter that time does something to. */
export function isTimedChecksum(checksum: bigint): boolean {
  return checksum < TIMED_BELOW;
}

/** True in SQL for the checksums of all other counters. */
export const isPlainSql = (checksum: string) => `${checksum} >= ${TIMED_BELOW}`;

/** How far below: no guard of the others comes near, and those of these stay within 16 bits. */
export const TIMED = 2 ** 15;
const TIMED_BELOW = -(2n ** 46n);

function guardOf(id: bigint, value: bigint): number {
  WIDE[0] = value;
  const low = HALVES[0]! >>> 0;
  const high = HALVES[1]!;
  let rest = ((((high % GUARD) * TWO_32) % GUARD) + (low % GUARD)) % GUARD; // Small numbers: a double's % is slow.
  if (rest !== 0 && rest < 0 !== high < 0) rest += high < 0 ? -GUARD : GUARD; // As % of the whole value is.
  return rest + (Number(id) % GUARD);
}

const WIDE = new BigInt64Array(1);
const HALVES = new Int32Array(WIDE.buffer);

/** A prime, so that no power of two is a multiple of it: one flipped bit is always noticed. */
export const GUARD = 16_381;
const TWO_32 = 2 ** 32 % GUARD;

/** Whether the guards of some counts are those of their values and ids, by the sums of each. */
export function isGuarded(guards: bigint, ids: bigint, values: bigint): boolean {
  return (guards - values - ids) % BigInt(GUARD) === 0n;
}
