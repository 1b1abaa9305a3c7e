import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import { type Change, ChangeKind } from "../../../core/change.ts";
import { uidFromBytes } from "../../../core/uid.ts";
import type { ChangePage, StoredChange } from "../../../service/store-pages.ts";
import { fits } from "../../shared/checksum.ts";
import { cursorInOpenings, parseCursor, ROW_ID } from "../../shared/log-cursor.ts";
import { openingAt } from "../../shared/opening.ts";
import { readChanges } from "../../shared/packed-changes.ts";
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
    const { openedTo, position } = parseCursor(cursor, ROW_ID);
    const { log_dropped: floor, log_end, openings, opening_ids } = this.#head();
    if (openedTo !== undefined || position < floor) {
      const from = openedTo === undefined ? floor : position;
      const page = this.#openings.all(BigInt(openedTo ?? 0), BigInt(limit));
      if (page.length === 0) {
        const { count, ids } = this.#allOpenings.get()!;
        if (count !== openings || ids !== opening_ids) throw gapIn("openings of the change log");
        return this.since(`${from}`, limit); // More may have been dropped meanwhile.
      }
      const byHand = new ByHand();
      const changes = page.flatMap((row) => this.#shown(row.counter_id, opening(row), from, byHand));
      return { changes, cursor: cursorInOpenings(from, page.at(-1)!.counter_id), ...byHand.told };
    }
    return this.#commits(position, log_end, limit, cursor);
  }

  /** What was committed after a position; positions have no gaps. */
  #commits(position: bigint, logEnd: bigint, limit: number, cursor: string): ChangePage {
    const changes: StoredChange[] = [];
    let end = cursor;
    const byHand = new ByHand();
    let last = position;
    let rows = 0;
    for (const row of this.#since.iterate(position, BigInt(limit))) {
      if (soundHead(row).position !== ++last) throw gapIn("commits of the change log");
      rows++;
      const more = readChanges(row).flatMap(({ id, change }) =>
        this.#shown(id, change, row.position, byHand),
      );
      if (changes.length > 0 && changes.length + more.length > limit)
        return { changes, cursor: end, ...byHand.told };
      changes.push(...more);
      end = `${row.position}`;
    }
    if (rows < limit && last < logEnd) throw gapIn("commits of the change log");
    return { changes, cursor: end, ...byHand.told };
  }

  /** The change as it is given out; none when its counter was deleted without its history, or by hand. */
  #shown(id: bigint, change: Change, position: bigint, byHand: ByHand): StoredChange[] {
    const counter = this.#counter(id, byHand);
    if (counter === undefined) return [];
    const { name, uid, history } = counter;
    if (history === 0n && change.kind !== ChangeKind.DELETE) return [];
    return [{ ...change, name, uid: uidFromBytes(uid), position: `${position}` }];
  }

  #counter(id: bigint, byHand: ByHand): Pick<DeletedRow, "name" | "uid" | "history"> | undefined {
    const living = this.#rows.at(id);
    if (living !== undefined && living !== CORRUPT)
      return { name: living.name, uid: living.uid, history: 1n };
    const damaged = living === CORRUPT ? this.#damaged.get(id) : undefined;
    if (damaged !== undefined && isNamed(damaged)) {
      byHand.corrupt(damaged.name);
      return { ...damaged, history: 1n };
    }
    const deleted = living === undefined ? this.#deleted.get(id) : undefined;
    if (deleted !== undefined && isSound(deleted)) return deleted;
    if (living !== undefined || deleted !== undefined) throw gapIn("counters that the change log tells of");
    byHand.lost(id);
    return undefined;
  }
}

/** What on a page somebody has changed by hand, as far as it shows; or what has rotted. */
class ByHand {
  readonly #lost = new Set<bigint>();
  readonly #corruptNames = new Set<string>();

  lost(id: bigint): void {
    this.#lost.add(id);
  }

  corrupt(name: string): void {
    this.#corruptNames.add(name);
  }

  get told(): Partial<Pick<ChangePage, "lost" | "corruptNames">> {
    return {
      ...(this.#lost.size > 0 && { lost: [...this.#lost].map(String) }),
      ...(this.#corruptNames.size > 0 && { corruptNames: [...this.#corruptNames] }),
    };
  }
}

function isSound({ id, name, uid, history, checksum }: DeletedRow): boolean {
  return fits(() => deletedChecksum(id, name, uid, history), checksum);
}

function opening({ counter_id, revision, value, time_ms, checksum }: OpeningRow): Change {
  if (!fits(() => openingChecksum(counter_id, revision, value, time_ms), checksum))
    throw gapIn("openings of the change log");
  return openingAt({ value, revision: Number(revision), time: Number(time_ms) });
}

/** Whether a damaged row says of what counter it is. */
function isNamed({ name, uid }: { name: unknown; uid: unknown }): boolean {
  return typeof name === "string" && uid instanceof Uint8Array && uid.length === 16;
}
