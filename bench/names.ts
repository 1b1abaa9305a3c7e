/**
 * The counters' names: `counter:` and 12 digits, 20 bytes, which is what redis-benchmark's own INCR uses
 * for its random keys. So neither side of the comparison carries shorter names.
 */
export const NAME_PREFIX = "counter:";
const DIGITS = 12;

/** Which counters a load is spread over: `count` of them, with the indices 0, stride, 2 * stride... */
export type NameRange = { count: number; stride: number };

/** The names that the comparison with Redis is about (`redis-benchmark -r 10000`). */
export const TEN_THOUSAND: NameRange = { count: 10_000, stride: 1 };

export function counterName(index: number): string {
  return NAME_PREFIX + String(index).padStart(DIGITS, "0");
}

/** Put the digits of `index` into a name that stands at `offset`; nothing else of the name changes. */
export function writeName(buffer: Buffer, offset: number, index: number): void {
  let rest = index;
  for (let at = offset + NAME_PREFIX.length + DIGITS - 1; at >= offset + NAME_PREFIX.length; at--) {
    const next = (rest / 10) | 0;
    buffer[at] = 48 + rest - next * 10;
    rest = next;
  }
}
