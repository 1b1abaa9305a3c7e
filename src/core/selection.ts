import type { Details } from "./settings.ts";

/** Which counters a read is about. */
export interface Selection {
  /** Those whose name begins with it: 0 to 200 bytes of printable ASCII. "" for all. */
  readonly prefix: string;
  /** And that have all of these labels: up to 32. Empty for any. */
  readonly labels: Details["labels"];
}

/** Where names with this prefix end: it is above all of them, and not above any name behind them. */
export function endOf(prefix: string): string {
  if (prefix === "") return ABOVE_ALL_NAMES;
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

/** Names are made of 0x21 to 0x7E, and so is any prefix of them. */
const ABOVE_ALL_NAMES = "\x7f";

/** Whether a counter with these labels has all that are wanted. */
export function hasLabels(labels: Details["labels"], wanted: Details["labels"]): boolean {
  return Object.keys(wanted).every((key) => labels[key] === wanted[key]);
}

/** Which end of a ranking comes first. */
export type Order = "highest" | "lowest";

/** What counters are ranked by. */
export interface Ranked {
  readonly name: string;
  readonly value: bigint;
}

/** By value, in the order given; among equals by the bytes of the name. */
export function byRank(order: Order): (a: Ranked, b: Ranked) => number {
  const higherFirst = order === "highest" ? -1 : 1;
  return (a, b) => {
    if (a.value !== b.value) return a.value > b.value ? higherFirst : -higherFirst;
    return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  };
}

/** What the values of some counters come to. */
export interface Sum {
  /** How many counters there are. */
  readonly count: number;
  /** The sum of their values; it may lie beyond int64. */
  readonly sum: bigint;
  /** The lowest and the highest of them; undefined when there are none. */
  readonly lowest: bigint | undefined;
  readonly highest: bigint | undefined;
  /** Those that are damaged on disk, or some of them: then nobody can say what all come to, and the rest is empty. */
  readonly corruptNames: readonly string[];
}

/** The sum of no counters. */
export const EMPTY_SUM: Sum = { count: 0, sum: 0n, lowest: undefined, highest: undefined, corruptNames: [] };

/** The sum of two parts that have no counter in common. */
export function addSums(a: Sum, b: Sum): Sum {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  return {
    count: a.count + b.count,
    sum: a.sum + b.sum,
    lowest: a.lowest! < b.lowest! ? a.lowest : b.lowest,
    highest: a.highest! > b.highest! ? a.highest : b.highest,
    corruptNames: [...a.corruptNames, ...b.corruptNames],
  };
}
