import { EMPTY_SUM, type Sum } from "../../../core/selection.ts";
import { isGuarded, isPlainSql } from "../rows/guard.ts";
import { ALL, type CountsSql, type EntriesSql } from "./entries.ts";

/** What a slice comes to: sums of the halves of the values, which stay within int64; and what shows that it is right. */
export interface Part extends Readonly<Record<`seen${number}` | `ids${number}`, bigint | undefined>> {
  readonly count: bigint;
  readonly highs: bigint | null;
  readonly lows: bigint | null;
  readonly lowest: bigint | null;
  readonly highest: bigint | null;
  /** How many have a count, those that have expired included. */
  readonly counted: bigint;
  /** By how much the guards are others than those of the values; see guardShiftSql. */
  readonly shift: bigint;
  /** How many are selected, the sum of their ids, and of the guards of their counts. */
  readonly selected: bigint;
  readonly ids: bigint;
  readonly guards: bigint;
  /** How many counts were found for what was gone through, and how much that was. */
  readonly found: bigint;
  readonly all: bigint;
  readonly disagree: bigint;
}

/** The statement that reads a Part: of $from to $to, and $now where time does something. */
export function partSql(counts: CountsSql): string {
  const { table, id, stored, value, checksum, guardShift, matches, disagrees, found, seen } = counts;
  const only = (what: string) => (matches === ALL ? what : `iif(${matches}, ${what}, NULL)`);
  const columns = {
    value: only(value),
    stored: only(stored),
    selected: matches === ALL ? "1" : matches,
    id: only(id),
    // Of what time does something to there is none, or it shows as a REAL: see areWhole.
    guard: only(
      guardShift === undefined ? `iif(${isPlainSql(checksum)}, ${checksum} >> 32, 0.5)` : `${checksum} >> 32`,
    ),
    shift: only(guardShift ?? "0"),
    ...{ found, disagree: disagrees === "false" ? "0" : disagrees },
    ...Object.fromEntries(
      seen.flatMap((is, i) => [
        [`seen${i}`, is === ALL ? "1" : is],
        [`ids${i}`, is === ALL ? id : `iif(${is}, ${id}, 0)`],
      ]),
    ),
  };
  const from = `FROM ${table} WHERE ${rangeOf(counts)}`;
  if (guardShift === undefined) return `SELECT ${sumsOf(columns)} ${from}`;
  // SQLite would put what a column stands for wherever it is named, and reckon it anew there, but for the LIMIT.
  const named = Object.entries(columns).map(([name, what]) => `${what} AS "${name}"`);
  const names = Object.keys(columns).map((name) => [name, `"${name}"`]);
  return `SELECT ${sumsOf(Object.fromEntries(names))} FROM (SELECT ${named.join(", ")} ${from} LIMIT -1)`;
}

/** The columns of a Part, of those of each counter. */
function sumsOf({ value, stored, ...columns }: Record<string, string>): string {
  const sum = (what: string) =>
    what === "0" ? "0" : what === "1" ? "count(*)" : `coalesce(sum(${what}), 0)`;
  const { selected, id, guard, shift, found, disagree, ...seen } = columns;
  return [
    `count(${value}) AS count, sum(${value} >> 32) AS highs, sum(${value} & 0xffffffff) AS lows`,
    `min(${value}) AS lowest, max(${value}) AS highest, count(${stored}) AS counted`,
    `${sum(selected!)} AS selected, ${sum(id!)} AS ids, ${sum(guard!)} AS guards, ${sum(shift!)} AS shift`,
    `${sum(found!)} AS found, count(*) AS "all", ${sum(disagree!)} AS disagree`,
    ...Object.entries(seen).map(([name, what]) => `${sum(what)} AS ${name}`),
  ].join(", ");
}

/** Whether each counter selected has one count, and the counts are those that were written. */
export function isSound(part: Part): boolean {
  const { counted, selected, found, all, disagree, guards, shift, ids, highs, lows } = part;
  if (counted !== selected || found !== all || disagree !== 0n) return false;
  return isGuarded(guards - shift, ids, ((highs ?? 0n) << 32n) + (lows ?? 0n));
}

/** What the counters of a slice come to. */
export function toSum({ count, highs, lows, lowest, highest }: Part): Sum {
  if (count === 0n) return EMPTY_SUM;
  const sum = (highs! << 32n) + lows!;
  return { count: Number(count), sum, lowest: lowest!, highest: highest!, corruptNames: [] };
}

/** Which rows or names a slice has. */
export function rangeOf({ order, candidates }: EntriesSql): string {
  return `${candidates} AND ${order} >= $from AND ${order} < $to`;
}
