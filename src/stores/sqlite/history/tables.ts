import type { Database } from "better-sqlite3";
import { BUCKET_MS, Level } from "../../../core/levels.ts";

/** What shows that no row of a table is missing: how many there are, and the sum over their keys. */
interface Counted {
  readonly rows: number;
  readonly sum: number;
}

/** Of the tables in which nothing else shows it. Noted in the head with each commit, and looked at when a file is opened. */
export interface Tables {
  readonly counters: Counted;
  readonly minutes: Counted;
}

const NONE: Counted = { rows: 0, sum: 0 };
export const NO_ROWS: Tables = { counters: NONE, minutes: NONE };

/** With more rows, or fewer. @param sum  over their keys, below 0 where they are fewer */
export function counted(before: Counted, rows: number, sum: number): Counted {
  return { rows: before.rows + rows, sum: (before.sum + sum + SUM_MAX) % SUM_MAX };
}

/** The key of a row of minutes as a number. */
export function minuteSum(start: number, number: number): number {
  return (start / MINUTE + number * SPREAD) % SUM_MAX; // A start that rotted is no whole minute: SQL adds the rest.
}

/** Whether a file has all rows that its head tells of. */
export function areWhole(db: Database, { counters, minutes }: Tables): boolean {
  const isSame = (sum: string, table: string, { rows, sum: noted }: Counted) => {
    const found = db
      .prepare<[], { rows: bigint | number; sum: bigint | number }>(
        `SELECT count(*) AS rows, coalesce(sum(${sum}), 0) % ${SUM_MAX} AS sum FROM ${table}`,
      )
      .get()!;
    return Number(found.rows) === rows && Number(found.sum) === noted;
  };
  const key = `start_ms / ${MINUTE} + start_ms % ${MINUTE} + number * ${SPREAD}`;
  return isSame("number", "counters", counters) && isSame(key, "minutes", minutes);
}

/** Whether the indexes of counters lead to each row. Takes some microseconds a row: it looks for each. */
export function areLedTo(db: Database): boolean {
  const rows = db.prepare<[], bigint | number>("SELECT count(*) FROM counters NOT INDEXED").pluck().get()!;
  const led = (index: string, column: string) =>
    db
      .prepare<[], bigint | number>(
        `SELECT count(*) FROM counters AS row NOT INDEXED WHERE EXISTS (
          SELECT 1 FROM counters AS entry INDEXED BY ${index}
          WHERE entry.${column} = row.${column} AND entry.number = row.number)`,
      )
      .pluck()
      .get()!;
  return led("counters_by_uid", "uid") === rows && led("counters_by_name", "name") === rows;
}

const SUM_MAX = 2 ** 40;
const MINUTE = BUCKET_MS[Level.MINUTE];
/** So that a minute more is not a counter more. */
const SPREAD = 31;
