import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import type { Change } from "../../../core/change.ts";
import { uidFromBytes } from "../../../core/uid.ts";
import type { LoggedCounter, LogPage } from "../../../service/store-log.ts";
import type { ChangePage } from "../../../service/store-pages.ts";
import { fits } from "../../shared/checksum.ts";
import { parseCursor, ROW_ID } from "../../shared/log-cursor.ts";
import { LogPages, toChanges } from "../../shared/log-page.ts";
import { openingAt } from "../../shared/opening.ts";
import { soundChanges } from "../../shared/packed-changes.ts";
import {
  DELETED_COLUMNS,
  type DeletedRow,
  deletedChecksum,
  LOG_COLUMNS,
  type LogRow,
  OPENING_COLUMNS,
  type OpeningRow,
  openingChecksum,
  soundHead,
} from "../rows/change-log-rows.ts";
import { type HeadRow, headReader } from "../rows/head.ts";
import { gapIn } from "../rows/linked-entries.ts";
import type { RowReader } from "../rows/row-reader.ts";

/** Reads the change log, on the read side. */
export class ChangeLogReader {
  readonly #head: () => HeadRow;
  readonly #since: Statement<[bigint, bigint], LogRow>;
  readonly #openings: Statement<[bigint, bigint], OpeningRow>;
  readonly #allOpenings: Statement<[], { count: bigint; ids: bigint }>;
  readonly #rows: RowReader;
  readonly #pages = new LogPages();
  readonly #damaged: Statement<[bigint], Pick<DeletedRow, "name" | "uid">>;
  readonly #deleted: Statement<[bigint], DeletedRow>;

  constructor(db: Database, rows: RowReader) {
    this.#head = headReader(db);
    this.#rows = rows;
    this.#since = db.prepare(
      `SELECT ${LOG_COLUMNS} FROM change_log WHERE position > ? ORDER BY position LIMIT ?`,
    );
    this.#openings = db.prepare(
      `SELECT ${OPENING_COLUMNS} FROM change_openings WHERE counter_id > ? ORDER BY counter_id LIMIT ?`,
    );
    this.#allOpenings = db.prepare(
      "SELECT count(*) AS count, coalesce(sum(counter_id), 0) AS ids FROM change_openings",
    );
    this.#damaged = db.prepare("SELECT name, uid FROM counters WHERE id = ?");
    this.#deleted = db.prepare(`SELECT ${DELETED_COLUMNS} FROM deleted_counters WHERE id = ?`);
  }

  /** See Store.changesSince. Inside one read transaction of the caller's. */
  since(cursor: string, limit: number): ChangePage {
    const page = this.read(cursor, limit);
    const counters = this.counters(page.commits.counterIds);
    const lost = counters.flatMap((counter, i) =>
      counter === undefined ? [`${page.commits.counterIds[i]}`] : [],
    );
    const corruptNames = counters.flatMap((counter) => (counter?.damaged ? [counter.name] : []));
    return {
      changes: toChanges(page, counters),
      cursor: page.cursor,
      ...(lost.length > 0 && { lost }),
      ...(corruptNames.length > 0 && { corruptNames }),
    };
  }

  /** See ChangeLogReads.read. Inside one read transaction of the caller's. */
  read(cursor: string, limit: number): LogPage {
    const { openedTo, position } = parseCursor(cursor, ROW_ID);
    const { log_dropped: floor, log_end, openings, opening_ids } = this.#head();
    if (openedTo === undefined && position >= floor) return this.#commits(position, log_end, limit, cursor);
    const from = openedTo === undefined ? floor : position;
    const rows = this.#openings.all(BigInt(openedTo ?? 0), BigInt(limit));
    if (rows.length > 0) {
      const found = rows.map((row) => ({ id: row.counter_id, change: opening(row) }));
      const dropped = openedTo === undefined && cursor !== "";
      return this.#pages.openings(found, from, { openedTo: rows.at(-1)!.counter_id, dropped });
    }
    const { count, ids } = this.#allOpenings.get()!;
    if (count !== openings || ids !== opening_ids) throw gapIn("openings of the change log", "change_log");
    return this.read(`${from}`, limit); // More may have been dropped meanwhile.
  }

  /** See ChangeLogReads.counters. Likewise. */
  counters(ids: BigInt64Array): (LoggedCounter | undefined)[] {
    return Array.from(ids, (id) => this.#counter(id));
  }

  /** What was committed after a position; positions have no gaps. */
  #commits(position: bigint, logEnd: bigint, limit: number, cursor: string): LogPage {
    this.#pages.begin(limit);
    let last = position;
    let rows = 0;
    for (const row of this.#since.iterate(position, BigInt(limit))) {
      if (soundHead(row).position !== ++last) throw gapIn("commits of the change log", "change_log");
      rows++;
      if (!this.#pages.add({ position: row.position, time: row.time_ms }, soundChanges(row)))
        return this.#pages.commits(cursor);
    }
    if (rows < limit && last < logEnd) throw gapIn("commits of the change log", "change_log");
    return this.#pages.commits(cursor);
  }

  /** None when somebody took its row away by hand. */
  #counter(id: bigint): LoggedCounter | undefined {
    const living = this.#rows.at(id);
    if (living !== undefined && living !== CORRUPT)
      return { ...loggedOf({ ...living, history: 1n }), untracked: living.history === 0n };
    const damaged = living === CORRUPT ? this.#damaged.get(id) : undefined;
    if (damaged !== undefined && isNamed(damaged))
      return { ...loggedOf({ ...damaged, history: 1n }), damaged: true };
    const deleted = living === undefined ? this.#deleted.get(id) : undefined;
    if (deleted !== undefined && isSound(deleted)) return loggedOf(deleted);
    if (living !== undefined || deleted !== undefined)
      throw gapIn("counters that the change log tells of", "change_log");
    return undefined;
  }
}

function loggedOf({ name, uid, history }: Pick<DeletedRow, "name" | "uid" | "history">): LoggedCounter {
  return { name, uid: uidFromBytes(uid), history: history !== 0n };
}

function isSound({ id, name, uid, history, checksum }: DeletedRow): boolean {
  return fits(() => deletedChecksum(id, name, uid, history), checksum);
}

function opening({ counter_id, revision, value, time_ms, checksum }: OpeningRow): Change {
  if (!fits(() => openingChecksum(counter_id, revision, value, time_ms), checksum))
    throw gapIn("openings of the change log", "change_log");
  return openingAt({ value, revision: Number(revision), time: Number(time_ms) });
}

/** Whether a damaged row says of what counter it is. */
function isNamed({ name, uid }: { name: unknown; uid: unknown }): boolean {
  return typeof name === "string" && uid instanceof Uint8Array && uid.length === 16;
}
