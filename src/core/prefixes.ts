import type { OpColumns } from "./columns.ts";

/**
 * Prefixes, to be looked for in many names: in order, and none that begins with another, so that one alone can be that of a
 * name, and a few comparisons find it.
 */
export class Prefixes {
  readonly #sorted: readonly string[];
  /** How many bytes all of them have in common. */
  readonly #common: number;

  /** @param prefixes  of printable ASCII, as names are */
  constructor(prefixes: readonly string[]) {
    const sorted: string[] = [];
    for (const prefix of [...prefixes].sort()) {
      const before = sorted.at(-1);
      if (before === undefined || !prefix.startsWith(before)) sorted.push(prefix); // Else it says nothing more.
    }
    this.#sorted = sorted;
    this.#common = sorted.length === 0 ? 0 : inCommon(sorted[0]!, sorted.at(-1)!);
  }

  /**
   * Up to where operations have names that begin with the prefix with which the name of operation `i` begins.
   *
   * @returns  `i` when that begins with none
   */
  endOfRun({ names, nameEnds, count }: Names, i: number): number {
    const first = i === 0 ? 0 : nameEnds[i - 1]!;
    let start = nameEnds[i]!;
    const length = this.#lengthAt(names, first, start);
    if (length < 0) return i;
    let at = i + 1;
    for (; at < count; at++) {
      const end = nameEnds[at]!;
      if (end - start < length) break;
      let k = length - 1; // From its end: names of one caller mostly begin alike.
      while (k >= 0 && names[start + k] === names[first + k]) k--;
      if (k >= 0) break;
      start = end;
    }
    return at;
  }

  /** How long the prefix is that the name from start to end begins with; -1: it begins with none. */
  #lengthAt(names: Uint8Array, start: number, end: number): number {
    const sorted = this.#sorted;
    if (sorted.length === 0) return -1;
    // The last that is not behind the name, if all begin as it does: nothing else can be its own, and whether it is, is seen below.
    let [low, high] = [0, sorted.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (isAfter(sorted[middle]!, names, start, end, this.#common)) high = middle;
      else low = middle;
    }
    const found = sorted[low]!;
    if (end - start < found.length) return -1;
    for (let k = found.length - 1; k >= 0; k--) if (names[start + k] !== found.charCodeAt(k)) return -1;
    return found.length;
  }
}

type Names = Pick<OpColumns, "names" | "nameEnds" | "count">;

/** Whether a prefix stands behind a name in their order, as far as their bytes from `from` on tell. */
function isAfter(prefix: string, names: Uint8Array, start: number, end: number, from: number): boolean {
  for (let k = from; k < prefix.length; k++) {
    if (start + k >= end) return true;
    const difference = prefix.charCodeAt(k) - names[start + k]!;
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function inCommon(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
}
