import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../core/batch.ts";
import { type Change, ChangeKind } from "../../core/change.ts";
import { uidFromBytes } from "../../core/uid.ts";
import type { ChangePage, StoredChange } from "../../service/store.ts";
import { fits } from "../checksum.ts";
import { readChanges } from "../packed-changes.ts";
import {
  type DeletedRow,
  deletedChecksum,
  type LogRow,
  type OpeningRow,
  openingChecksum,
  soundHead,
} from "./change-log-rows.ts";
import { type HeadRow, headReader } from "./head.ts";
import { gapIn } from "./linked-entries.ts";
import type { RowReader } from "./rows.ts";

/** Reads the change log, on the read side. */
export class ChangeLogReader {
  readonly #head: () => HeadRow;
  readonly #since: Statement<[bigint, bigint], LogRow>;
  readonly #openings: Statement<[bigint, bigint], OpeningRow>;
  readonly #allOpenings: Statement<[], { count: bigint; ids: bigint }>;
  readonly #rows: RowReader;
  readonly #deleted: Statement<[bigint], DeletedRow>;

  constructor(db: Database, rows: RowReader) {
    this.#head = headReader(db);
    this.#rows = rows;
    this.#since = db.prepare("SELECT * FROM change_log WHERE position > ? ORDER BY position LIMIT ?");
    this.#openings = db.prepare(
      "SELECT * FROM change_openings WHERE counter_id > ? ORDER BY counter_id LIMIT ?",
    );
    this.#allOpenings = db.prepare(
      "SELECT count(*) AS count, coalesce(sum(counter_id), 0) AS ids FROM change_openings",
    );
    this.#deleted = db.prepare("SELECT * FROM deleted_counters WHERE id = ?");
  }

  /** See Store.changesSince. Inside one read transaction of the caller's. */
  since(cursor: string, limit: number): ChangePage {
    const { openingsAfter, position } = parseCursor(cursor);
    const { log_dropped: floor, log_end, openings, opening_ids } = this.#head();
    if (openingsAfter !== undefined || position < floor) {
      const from = openingsAfter === undefined ? floor : position;
      const page = this.#openings.all(openingsAfter ?? 0n, BigInt(limit));
      if (page.length === 0) {
        const { count, ids } = this.#allOpenings.get()!;
        if (count !== openings || ids !== opening_ids) throw gapIn("openings of the change log");
        return this.since(`${from}`, limit); // More may have been dropped meanwhile.
      }
      const changes = page.flatMap((row) => this.#shown(row.counter_id, opening(row), from));
      return { changes, cursor: `o${from}.${page.at(-1)!.counter_id}` };
    }
    return this.#commits(position, log_end, limit, cursor);
  }

  /** What was committed after a position; positions have no gaps. */
  #commits(position: bigint, logEnd: bigint, limit: number, cursor: string): ChangePage {
    const changes: StoredChange[] = [];
    let end = cursor;
    let last = position;
    let rows = 0;
    for (const row of this.#since.iterate(position, BigInt(limit))) {
      if (soundHead(row).position !== ++last) throw gapIn("commits of the change log");
      rows++;
      const more = readChanges(row).flatMap(({ id, change }) => this.#shown(id, change, row.position));
      if (changes.length > 0 && changes.length + more.length > limit) return { changes, cursor: end };
      changes.push(...more);
      end = `${row.position}`;
    }
    if (rows < limit && last < logEnd) throw gapIn("commits of the change log");
    return { changes, cursor: end };
  }

  /** The change as it is given out; none when its counter was deleted without its history. */
  #shown(id: bigint, change: Change, position: bigint): StoredChange[] {
    const { name, uid, history } = this.#counter(id);
    if (history === 0n && change.kind !== ChangeKind.DELETE) return [];
    return [{ ...change, name, uid: uidFromBytes(uid), position: `${position}` }];
  }

  #counter(id: bigint): Pick<DeletedRow, "name" | "uid" | "history"> {
    const living = this.#rows.at(id);
    if (living !== undefined && living !== CORRUPT)
      return { name: living.name, uid: living.uid, history: 1n };
    const deleted = living === undefined ? this.#deleted.get(id) : undefined;
    if (deleted !== undefined && isSound(deleted)) return deleted;
    throw gapIn("counters that the change log tells of");
  }
}

function isSound({ id, name, uid, history, checksum }: DeletedRow): boolean {
  return fits(() => deletedChecksum(id, name, uid, history), checksum);
}

function opening({ counter_id, revision, value, time_ms, checksum }: OpeningRow): Change {
  if (!fits(() => openingChecksum(counter_id, revision, value, time_ms), checksum))
    throw gapIn("openings of the change log");
  return {
    kind: ChangeKind.OPENING,
    firstRevision: Number(revision),
    revision: Number(revision),
    ops: 0,
    added: 0n,
    removed: 0n,
    low: value,
    high: value,
    value,
    time: Number(time_ms),
    caller: "",
    note: "",
  };
}

/** "123": after position 123. "o100.20": openings were given up to counter 20; after the last come the changes after 100. */
function parseCursor(cursor: string): { openingsAfter: bigint | undefined; position: bigint } {
  const [, position, openingsAfter] = /^(?:o(\d+)\.)?(\d*)$/.exec(cursor) ?? [];
  if (openingsAfter === undefined) {
    throw new TypeError(`expected a cursor of this store, got ${JSON.stringify(cursor)}`);
  }
  if (position === undefined) return { openingsAfter: undefined, position: BigInt(openingsAfter || 0) };
  return { openingsAfter: BigInt(openingsAfter), position: BigInt(position) };
}
