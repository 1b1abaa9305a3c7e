import type { HistoryPart, HistoryRow, HistoryRowPage } from "../../../service/store-history-copying.ts";
import type { HistoryRows } from "./rows.ts";

/** Where a walk through all rows of a history stands: behind a row of a table. */
export interface RowPlace {
  readonly table: HistoryRow["table"];
  /** Of the last row, as many numbers as its table has for a key. */
  readonly after: readonly number[];
}

/** The tables in the order that they are walked through, and a place before all of their keys. */
const TABLES = [
  { table: "counters", before: [-1] },
  { table: "minutes", before: [Number.MIN_SAFE_INTEGER, -1] },
  { table: "packed", before: [-1, -1, -1] },
  { table: "changes", before: [-1, -1] },
] as const;

/** @throws TypeError  when it is no cursor of such a walk */
export function placeOf(cursor: string): RowPlace {
  const [name, ...after] = cursor === "" ? [TABLES[0].table] : cursor.split(" ");
  const found = TABLES.find(({ table }) => table === name);
  if (found === undefined)
    throw new TypeError(`expected a cursor of a history's rows, got ${JSON.stringify(cursor)}`);
  const { table, before } = found;
  return { table, after: after.length === 0 ? before : after.map(Number) };
}

/** A row as it was found: undefined where it is damaged, from an instant on. */
export interface FoundRow {
  readonly key: readonly number[];
  readonly row: HistoryRow | undefined;
  readonly from: number;
}

/** The page that begins at a cursor. @param found  the rows behind it of its table, up to `limit` */
export function rowPage(cursor: string, found: readonly FoundRow[], limit: number): HistoryRowPage {
  const at = TABLES.findIndex(({ table }) => table === placeOf(cursor).table);
  const next = TABLES[at + 1];
  const last = found.at(-1);
  const rows = found.flatMap(({ row }) => row ?? []);
  const damaged = found.filter(({ row }) => row === undefined).map(({ from }) => from);
  const goOn = last === undefined ? cursor : [TABLES[at]!.table, ...last.key].join(" ");
  return {
    rows,
    cursor: next !== undefined && found.length < limit ? next.table : goOn,
    ...(damaged.length > 0 && { damagedFrom: Math.min(...damaged) }),
  };
}

/** What a row is known by in its table. */
export function keyOf(row: HistoryRow): readonly number[] {
  switch (row.table) {
    case "counters":
      return [row.number];
    case "minutes":
      return [row.start, row.number];
    case "packed":
      return [row.level, row.period, row.number];
    case "changes":
      return [row.number, row.position];
  }
}

/** Write rows of another store's history; those that are there are written over. */
export function importRows(into: HistoryRows, rows: HistoryPart["rows"]): void {
  for (const row of rows) {
    const { number } = row;
    switch (row.table) {
      case "counters": {
        const { table, ...counter } = row;
        into.setCounter(counter);
        break;
      }
      case "minutes":
        into.setOpen(row.start, number, row.buckets);
        break;
      case "packed":
        into.setPacked(row.level, row.period, number, row.buckets);
        break;
      case "changes":
        into.addChange(number, row.position, row.change);
    }
  }
}
