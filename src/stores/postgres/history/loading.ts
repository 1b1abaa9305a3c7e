import { BUCKET_MS, bucketStart, LEVELS, Level, PERIOD_MS, periodStart } from "../../../core/levels.ts";
import type { CounterRow, HistoryHead, StoredNamedChange } from "../../shared/history/rows.ts";
import { changesIn } from "../../shared/packed-changes.ts";
import type { Database } from "../connection/database.ts";
import { type Row, type Session, theRow } from "../connection/session.ts";
import { arrayOf } from "../rows.ts";
import type { LoadedRows } from "./loaded-rows.ts";

/** What history_state has, beside what is loaded of it. */
export interface HistoryState {
  /** How often it was saved: whoever saves says how often it was when they loaded. */
  readonly saves: bigint;
}

/** Loads rows of history, so that what is said in stores/shared/history can look at them. */
export class HistoryLoading {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** How far history has come. */
  async head(session: Session, into: LoadedRows): Promise<HistoryState> {
    const row = theRow(
      await this.#ask(session, `SELECT ${STATE_COLUMNS} FROM @history_state`),
      "history_state",
    );
    return takeState(row, into);
  }

  async counters(session: Session, into: LoadedRows, uids: readonly string[]): Promise<void> {
    if (uids.length === 0) return;
    into.load(await this.#counters(session, "uid = ANY($1::uuid[])", [uids]));
  }

  /** Those that have not ended. */
  async living(session: Session, into: LoadedRows): Promise<void> {
    into.load(await this.#counters(session, "to_ms IS NULL", []));
  }

  async named(session: Session, into: LoadedRows, name: string): Promise<CounterRow[]> {
    const found = await this.#counters(session, "name = $1", [name]);
    into.load(found);
    return found;
  }

  /** Some of those whose names begin so, by their names. @param after  the name and the number of the last one, or "" and -1 */
  under(
    session: Session,
    prefix: string,
    after: readonly [string, number],
    limit: number,
  ): Promise<CounterRow[]> {
    const where = "name >= $1 AND name < $2 AND (name, number) > ($3, $4) AND NOT erased";
    return this.#counters(
      session,
      where,
      [prefix, `${prefix}\u{10FFFF}`, ...after, limit],
      "name, number LIMIT $5",
    );
  }

  /** The minutes that have buckets which are not packed. */
  async starts(session: Session, into: LoadedRows): Promise<void> {
    const rows = await this.#ask(session, STARTS);
    into.loadStarts(rows.map(({ start_ms }) => Number(start_ms)));
  }

  /** Which counters have buckets of a minute. */
  async openAt(session: Session, into: LoadedRows, start: number, limit: number): Promise<number[]> {
    const of = "SELECT number FROM @history_open WHERE start_ms = $1 ORDER BY number LIMIT $2";
    const numbers = (await this.#ask(session, of, [start, limit])).map(({ number }) => Number(number));
    into.loadOpenAt(start, numbers);
    return numbers;
  }

  /** All buckets of these counters that are not packed, of the minutes that were loaded. */
  async open(session: Session, into: LoadedRows, numbers: readonly number[]): Promise<void> {
    await this.#open(session, into, "start_ms = ANY($1::bigint[]) AND number = ANY($2::bigint[])", [
      arrayOf(into.openStarts()),
      arrayOf(numbers),
    ]);
  }

  /** The same of certain minutes, each of a counter. */
  async openOf(
    session: Session,
    into: LoadedRows,
    keys: readonly { readonly start: number; readonly number: number }[],
  ): Promise<void> {
    const which = `(start_ms, number) IN (
      SELECT start_ms, number FROM unnest($1::bigint[], $2::bigint[]) AS u (start_ms, number))`;
    await this.#open(session, into, which, [
      arrayOf(keys.map(({ start }) => start)),
      arrayOf(keys.map(({ number }) => number)),
    ]);
  }

  async packed(
    session: Session,
    into: LoadedRows,
    level: Level,
    periods: readonly number[],
    numbers: readonly number[],
  ): Promise<void> {
    if (periods.length === 0) return;
    const which = "level = $1 AND period_ms = ANY($2::bigint[]) AND number = ANY($3::bigint[])";
    const rows = await this.#ask(session, `SELECT ${PACKED_COLUMNS} FROM @history_packed WHERE ${which}`, [
      ...[level, arrayOf(periods), arrayOf(numbers)],
    ]);
    for (const row of rows) takePacked(row, into);
  }

  /** What `lastBucket` looks at, but for what is not packed. @param before  see there */
  async last(session: Session, into: LoadedRows, numbers: readonly number[], before: number): Promise<void> {
    const until = Math.min(before, into.head().latest + BUCKET_MS[Level.DAY]);
    const day = bucketStart(Level.DAY, until);
    await this.packed(session, into, Level.MINUTE, [periodStart(Level.MINUTE, until)], numbers);
    await this.packed(session, into, Level.QUARTER, [day], numbers);
    // The newest may have nothing before that day; the one before it has.
    const latest = `SELECT p.level, p.period_ms, p.number, p.buckets FROM unnest($1::bigint[]) AS n (number), LATERAL (
      SELECT ${PACKED_COLUMNS} FROM @history_packed WHERE level = $2 AND period_ms <= $3 AND number = n.number
      ORDER BY period_ms DESC LIMIT 2) AS p`;
    const rows = await this.#ask(session, latest, [arrayOf(numbers), Level.DAY, periodStart(Level.DAY, day)]);
    for (const row of rows) takePacked(row, into);
  }

  /** By level, the oldest period; and the oldest named change. */
  async oldest(session: Session, into: LoadedRows): Promise<void> {
    const [first] = await this.#ask(session, "SELECT min(position) AS position FROM @history_changes");
    into.firstChange = first!.position === null ? undefined : Number(first!.position);
    for (const level of LEVELS) {
      const oldest = "SELECT min(period_ms) AS period_ms FROM @history_packed WHERE level = $1";
      const [row] = await this.#ask(session, oldest, [level]);
      if (row!.period_ms !== null) into.oldest.set(level, Number(row!.period_ms));
    }
  }

  /** See HistoryRows.ended. */
  async ended(
    session: Session,
    into: LoadedRows,
    after: number,
    before: number,
    limit: number,
  ): Promise<void> {
    const rows = await this.#ask(session, ENDED, [after, before, limit]);
    const numbers = rows.filter(({ ended }) => ended).map(({ number }) => Number(number));
    const last = rows.at(-1)?.number;
    into.endedPage = { numbers, last: last === undefined ? undefined : Number(last) };
  }

  /** See HistoryRows.changes. */
  async changes(
    session: Session,
    into: LoadedRows,
    numbers: readonly number[],
    before: number,
    limit: number,
  ): Promise<void> {
    const of = `SELECT number, position, time_ms, change FROM @history_changes
      WHERE number = ANY($1::bigint[]) AND position < $2 ORDER BY position DESC LIMIT $3`;
    const rows = await this.#ask(session, of, [
      ...[arrayOf(numbers), Math.min(before, Number.MAX_SAFE_INTEGER), limit],
    ]);
    into.loadChanges(rows.map(toNamedChange));
  }

  async #open(session: Session, into: LoadedRows, where: string, values: readonly unknown[]): Promise<void> {
    const of = `SELECT start_ms, number, bucket FROM @history_open WHERE ${where}`;
    for (const { start_ms, number, bucket } of await this.#ask(session, of, values))
      into.loadOpen(Number(start_ms), Number(number), bucket as Buffer);
  }

  async #counters(
    session: Session,
    where: string,
    values: readonly unknown[],
    order = "number",
  ): Promise<CounterRow[]> {
    const of = `SELECT number, name, uid, from_ms, to_ms, erased FROM @history_counters WHERE ${where} ORDER BY ${order}`;
    return (await this.#ask(session, of, values)).map(toCounter);
  }

  #ask(session: Session, sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return session.send(this.#database.statement(sql), values);
  }
}

export const STATE_COLUMNS =
  "saves, cursor, time_ms, latest_ms, position, next_number, bytes, gaps, dropped_to";
export const PACKED_COLUMNS = "level, period_ms, number, buckets";

/** One after another, each by the index: there are few, and many rows of each. */
const STARTS = `
  WITH RECURSIVE each AS (
    (SELECT start_ms FROM @history_open ORDER BY start_ms LIMIT 1)
    UNION ALL SELECT (
      SELECT start_ms FROM @history_open AS o WHERE o.start_ms > each.start_ms ORDER BY start_ms LIMIT 1)
    FROM each WHERE each.start_ms IS NOT NULL)
  SELECT start_ms FROM each WHERE start_ms IS NOT NULL`;
const ENDED = `
  SELECT number, coalesce(to_ms < $2, false) AND NOT EXISTS (
    SELECT 1 FROM @history_changes AS h WHERE h.number = c.number) AS ended
  FROM @history_counters AS c WHERE number > $1 ORDER BY number LIMIT $3`;
/** @param row  STATE_COLUMNS */
export function takeState(row: Row, into: LoadedRows): HistoryState {
  const { saves, cursor, time_ms, latest_ms, position, next_number, bytes, gaps, dropped_to } = row;
  const head: HistoryHead = {
    cursor: cursor as string,
    time: Number(time_ms),
    latest: Number(latest_ms),
    position: Number(position),
    gaps: JSON.parse(gaps as string),
    droppedTo: JSON.parse(dropped_to as string),
  };
  into.loadHead(head, Number(next_number));
  into.size = Number(bytes);
  return { saves: saves as bigint };
}

function takePacked({ level, period_ms, number, buckets }: Row, into: LoadedRows): void {
  into.loadPacked(Number(level) as Level, Number(period_ms), Number(number), buckets as Buffer);
}

export function toCounter({ number, name, uid, from_ms, to_ms, erased }: Row): CounterRow {
  return {
    ...{ number: Number(number), name: name as string, uid: uid as string, from: Number(from_ms) },
    ...{ to: to_ms === null ? undefined : Number(to_ms), erased: erased as boolean },
  };
}

export function toNamedChange({ number, position, time_ms, change }: Row): StoredNamedChange {
  const [found] = changesIn(change as Buffer, Number(time_ms));
  return { number: Number(number), position: Number(position), change: found!.change };
}

/** The starts of a level's periods that hold something of a range. */
export function periodsOf(level: Level, from: number, to: number): number[] {
  const periods: number[] = [];
  for (let period = periodStart(level, from); period < to; period += PERIOD_MS[level]) periods.push(period);
  return periods;
}
