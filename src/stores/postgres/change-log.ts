import type { Change, ChangeColumns } from "../../core/change.ts";
import { TallyError } from "../../core/errors.ts";
import type { LoggedCounter, LogPage } from "../../service/store-log.ts";
import type { ChangePage } from "../../service/store-pages.ts";
import type { Kept } from "../../telemetry/kept.ts";
import { Dropping, SLICE_COMMITS } from "../shared/dropping.ts";
import { HISTORY_STALL_MS } from "../shared/history/holding.ts";
import { parseCursor, ROW_ID } from "../shared/log-cursor.ts";
import { toMark } from "../shared/log-mark.ts";
import { LogPages, PAGE_BYTES, toChanges } from "../shared/log-page.ts";
import { openingAt } from "../shared/opening.ts";
import { changesIn, packChanges } from "../shared/packed-changes.ts";
import type { Database } from "./connection/database.ts";
import { type Call, type Row, type Session, type Statement, theRow } from "./connection/session.ts";
import { NOW_MS } from "./now.ts";
import { arrayOf } from "./rows.ts";

/**
 * The change log: one row a commit, its changes packed.
 *
 * Commits of several processes become visible in any order, so a number that a commit takes while it runs cannot be
 * what followers go by: one that took a lower number may become visible after they have passed it. Commits are
 * therefore placed after the fact: whoever reads or maintains the log gives all that are visible, and have none yet,
 * the next positions, one process at a time. What becomes visible later is placed behind them. Among those placed
 * together `taken` decides, and a commit that changed a counter after another took its number after it, and became
 * visible after it; so the changes of a counter keep their order.
 *
 * Kept within a size by dropping the oldest commits whole; each counter concerned keeps an opening, its value after
 * the last change dropped. The newest commit is never dropped.
 */
export class ChangeLog {
  readonly #bytesMax: number;
  readonly #pages = new LogPages();
  readonly #append: Statement;
  readonly #unplaced: Statement;
  readonly #place: Statement;
  readonly #placed: Statement;
  readonly #size: Statement;
  readonly #oldest: Statement;
  readonly #open: Statement;
  readonly #close: Statement;
  readonly #unbury: Statement;
  readonly #drop: Statement;
  readonly #floor: Statement;
  readonly #since: Statement;
  readonly #openings: Statement;
  readonly #counters: Statement;
  readonly #mark: Statement;
  readonly #held: Statement;

  constructor(database: Database, bytesMax: number) {
    this.#bytesMax = bytesMax;
    const statement = database.statement.bind(database);
    this.#append = statement("INSERT INTO @change_log (taken, time_ms, changes) VALUES ($1, $2, $3)");
    this.#unplaced = statement("SELECT EXISTS (SELECT 1 FROM @change_log WHERE position IS NULL) AS found");
    this.#place = statement(`
      WITH fresh AS (
        SELECT taken, row_number() OVER (ORDER BY taken) AS n, sum(length(changes)) OVER (ORDER BY taken) AS bytes
        FROM @change_log WHERE position IS NULL
      ), placed AS (
        UPDATE @change_log AS c SET position = s.log_position + n, bytes_end = s.log_bytes_end + fresh.bytes
        FROM fresh, @service_state AS s WHERE c.taken = fresh.taken RETURNING c.position, c.bytes_end
      )
      SELECT max(position) AS position, max(bytes_end) AS bytes_end FROM placed`);
    this.#placed = statement("UPDATE @service_state SET log_position = $1, log_bytes_end = $2");
    this.#size = statement(`
      SELECT s.log_bytes_end - coalesce(oldest.bytes_end - length(oldest.changes), s.log_bytes_end) AS bytes,
        least(s.log_position, ${HELD} + 1) - coalesce(oldest.position, s.log_position) AS older,
        s.log_position + 1 - coalesce(oldest.position, s.log_position + 1) AS commits, oldest.time_ms
      FROM @service_state AS s LEFT JOIN LATERAL (
        SELECT position, bytes_end, time_ms, changes FROM @change_log
        WHERE position IS NOT NULL ORDER BY position LIMIT 1) AS oldest ON true`);
    this.#oldest = statement(`
      SELECT position, bytes_end, time_ms, changes FROM @change_log
      WHERE position < (SELECT log_position FROM @service_state) ORDER BY position LIMIT ${SLICE_COMMITS}`);
    this.#open = statement(`
      INSERT INTO @change_openings (counter_id, revision, value, time_ms)
      SELECT id, revision, value, time_ms
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (id, revision, value, time_ms)
      ON CONFLICT (counter_id) DO UPDATE
      SET revision = excluded.revision, value = excluded.value, time_ms = excluded.time_ms`);
    this.#close = statement("DELETE FROM @change_openings WHERE counter_id = ANY($1::bigint[])");
    this.#unbury = statement("DELETE FROM @deleted_counters WHERE id = ANY($1::bigint[])");
    this.#drop = statement("DELETE FROM @change_log WHERE position <= $1");
    this.#floor = statement(`
      SELECT coalesce((SELECT min(position) FROM @change_log) - 1, log_position) AS floor FROM @service_state`);
    this.#held = statement(`SELECT ${HELD} AS held FROM @history_state FOR UPDATE`);
    this.#mark = statement(`
      SELECT log_position, ARRAY(SELECT taken::text FROM @change_log WHERE position IS NULL) AS unplaced
      FROM @service_state`);
    this.#since = statement(`
      SELECT position, taken, time_ms, changes FROM (
        SELECT position, taken, time_ms, changes, bytes_end - length(changes) AS bytes_start,
          first_value(bytes_end - length(changes)) OVER (ORDER BY position) AS page_start
        FROM @change_log WHERE position > $1 ORDER BY position LIMIT $2) AS page
      WHERE bytes_start < page_start + ${PAGE_BYTES} ORDER BY position`);
    this.#openings = statement(`
      SELECT counter_id, revision, value, time_ms FROM @change_openings
      WHERE counter_id > $1 ORDER BY counter_id LIMIT $2`);
    this.#counters = statement(`
      SELECT id, name, uid, true AS history, history IS FALSE AS untracked FROM @counters WHERE id = ANY($1::bigint[])
      UNION ALL SELECT id, name, uid, history, NULL FROM @deleted_counters WHERE id = ANY($1::bigint[])`);
  }

  /**
   * Note what a commit changed.
   *
   * @param taken  its number from change_order, taken after all its rows were locked
   * @param ids    the row ids of the counters that the changes refer to
   */
  append(taken: bigint, changes: ChangeColumns, ids: readonly (bigint | undefined)[], now: number): Call {
    return [this.#append, [taken, now, packChanges(changes, ids, now)]];
  }

  /** Notes openings, by the row ids of their counters. */
  open(openings: ReadonlyMap<bigint, Change>): Call {
    const opened = [...openings.values()];
    return [
      this.#open,
      [
        arrayOf([...openings.keys()]),
        arrayOf(opened.map(({ revision }) => revision)),
        arrayOf(opened.map(({ value }) => value)),
        arrayOf(opened.map(({ time }) => time)),
      ],
    ];
  }

  /** Asks whether commits have no position yet; the answer is `found`. */
  get unplaced(): Call {
    return [this.#unplaced, []];
  }

  /** Place what is visible. Inside a transaction whose owner has locked the state of the service. */
  async place(session: Session): Promise<void> {
    const [row] = await session.send(this.#place);
    if (row!.position !== null) await session.send(this.#placed, [row!.position, row!.bytes_end]);
  }

  /** Asks for the bytes of what is placed, and how many commits could be dropped; see `tooLarge`. */
  get size(): Call {
    return [this.#size, []];
  }

  /** How much it has, by the same. */
  kept(rows: readonly Row[]): Kept["changeLog"] {
    const { bytes, commits, time_ms: oldest } = theRow(rows, "service_state");
    return {
      ...{ bytes: Number(bytes), roomBytes: this.#bytesMax, commits: Number(commits) },
      oldestMs: oldest === null ? undefined : Number(oldest),
    };
  }

  tooLarge(rows: readonly Row[]): boolean {
    const { older, bytes } = theRow(rows, "service_state") as Record<string, bigint>;
    return older! > 0n && bytes! > BigInt(this.#bytesMax);
  }

  /** Drop a slice of the oldest commits. Inside a transaction whose owner has locked the state of the service. */
  async drop(session: Session): Promise<void> {
    // Whoever saves history waits for the end of this transaction.
    const held = theRow(await session.send(this.#held), "history_state").held as bigint;
    const size = theRow(await session.send(...this.size), "service_state");
    let tooMany = (size.bytes as bigint) - BigInt(this.#bytesMax);
    const dropping = new Dropping<bigint>();
    let last: bigint | undefined;
    for (const row of await session.send(this.#oldest)) {
      if (tooMany <= 0n || dropping.full || (row.position as bigint) > held) break;
      dropping.take(soundly(row.position, () => changesIn(row.changes as Buffer, Number(row.time_ms))));
      last = row.position as bigint;
      tooMany -= BigInt((row.changes as Buffer).length);
    }
    if (last === undefined) return;
    const { openings, gone } = dropping;
    await Promise.all([
      session.send(...this.open(openings)),
      session.send(this.#close, [arrayOf(gone)]),
      session.send(this.#unbury, [arrayOf(gone)]),
      session.send(this.#drop, [last]),
    ]);
  }

  /** Where the log is, for Store.covers. Inside the snapshot that saw the rest. */
  async mark(session: Session): Promise<string> {
    const { log_position, unplaced } = theRow(await session.send(this.#mark), "service_state");
    return toMark({ position: log_position as bigint, unplaced: unplaced as string[] });
  }

  /** See Store.changesSince. Inside a snapshot. */
  async since(session: Session, cursor: string, limit: number): Promise<ChangePage> {
    const page = await this.read(session, cursor, limit);
    const { counterIds } = page.commits;
    const counters = await this.counters(session, counterIds);
    const lost = counters.flatMap((counter, i) => (counter === undefined ? [`${counterIds[i]}`] : []));
    return {
      changes: toChanges(page, counters),
      cursor: page.cursor,
      ...(lost.length > 0 && { lost }),
    };
  }

  /** See ChangeLogReads.read. Inside a snapshot. */
  async read(session: Session, cursor: string, limit: number): Promise<LogPage> {
    const { openedTo, position } = parseCursor(cursor, ROW_ID);
    const floor = theRow(await session.send(this.#floor), "service_state").floor as bigint;
    if (openedTo === undefined && position >= floor) return this.#commits(session, cursor, position, limit);
    const from = openedTo === undefined ? floor : position;
    const rows = await session.send(this.#openings, [openedTo ?? 0, limit]);
    if (rows.length === 0) return this.read(session, `${from}`, limit);
    const found = rows.map((row) => ({ id: row.counter_id as bigint, change: toOpening(row) }));
    const dropped = openedTo === undefined && cursor !== "";
    return this.#pages.openings(found, from, { openedTo: found.at(-1)!.id, dropped });
  }

  /** See ChangeLogReads.counters. */
  async counters(session: Session, ids: BigInt64Array): Promise<(LoggedCounter | undefined)[]> {
    if (ids.length === 0) return [];
    const rows = await session.send(this.#counters, [arrayOf([...ids])]);
    const counters = new Map(
      rows.map(({ id, untracked, ...counter }) => [
        id,
        { ...counter, ...(untracked !== null && { untracked }) } as LoggedCounter,
      ]),
    );
    return Array.from(ids, (id) => counters.get(id));
  }

  async #commits(session: Session, cursor: string, position: bigint, limit: number): Promise<LogPage> {
    const rows = await session.send(this.#since, [position, Math.min(limit, PAGE_COMMITS)]);
    this.#pages.begin(limit); // From here on nothing is waited for: other pages are put together in it too.
    for (const row of rows) {
      const { position, taken: number, time_ms: time, changes } = row as unknown as LogRow;
      if (!soundly(position, () => this.#pages.add({ position, number, time }, changes))) break;
    }
    return this.#pages.commits(cursor);
  }
}

/**
 * The position after which nothing is dropped: up to there history has come; the highest where nobody takes anything in, or
 * nothing was taken in for too long, although there was something.
 */
const HELD = `(SELECT CASE WHEN saved_ms IS NULL OR ${NOW_MS} - greatest(saved_ms, (
    SELECT time_ms FROM @change_log AS c WHERE c.position > taken ORDER BY c.position LIMIT 1)
  ) >= ${HISTORY_STALL_MS} THEN ${Number.MAX_SAFE_INTEGER} ELSE taken END
  FROM (SELECT saved_ms, coalesce(substring(cursor FROM '^[0-9]+$')::bigint, 0) AS taken FROM @history_state) AS h)`;

/** A row of change_log, of a commit that has its position. */
interface LogRow {
  readonly position: bigint;
  readonly taken: bigint;
  readonly time_ms: bigint;
  readonly changes: Buffer;
}

/** The rows have no checksum: what nobody packed shows when it is unpacked. @throws TallyError ROW_CORRUPT */
function soundly<T>(position: unknown, unpack: () => T): T {
  try {
    return unpack();
  } catch (cause) {
    const message = `the change log is damaged at position ${position}: restore the store from a backup`;
    throw new TallyError("ROW_CORRUPT", message, { cause, part: "change_log" });
  }
}

/** Commits that a page looks at. */
const PAGE_COMMITS = 1_000;

function toOpening(row: Row): Change {
  const { value, revision, time_ms } = row as Record<string, bigint>;
  return openingAt({ value: value!, revision: Number(revision), time: Number(time_ms) });
}
