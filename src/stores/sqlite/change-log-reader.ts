import type { Database, Statement } from "better-sqlite3";
import { type Change, ChangeKind } from "../../core/change.ts";
import { uidFromBytes } from "../../core/uid.ts";
import type { ChangePage, StoredChange } from "../../service/store.ts";
import { type PackedCommit, readChanges } from "../packed-changes.ts";

/** Reads the change log, on the read side. */
export class ChangeLogReader {
  readonly #floor: Statement<[], bigint>;
  readonly #since: Statement<[bigint, bigint], PackedCommit>;
  readonly #openings: Statement<[bigint, bigint], OpeningRow>;
  readonly #counter: Statement<{ id: bigint }, CounterRow>;

  constructor(db: Database) {
    this.#floor = db.prepare<[], bigint>("SELECT coalesce(min(position), 1) - 1 FROM change_log").pluck();
    this.#since = db.prepare(
      "SELECT position, time_ms, checksum, changes FROM change_log WHERE position > ? ORDER BY position LIMIT ?",
    );
    this.#openings = db.prepare(`
      SELECT counter_id, revision, value, time_ms FROM change_openings
      WHERE counter_id > ? ORDER BY counter_id LIMIT ?`);
    this.#counter = db.prepare(`
      SELECT name, uid, 1 AS history FROM counters WHERE id = $id
      UNION ALL SELECT name, uid, history FROM deleted_counters WHERE id = $id`);
  }

  /** See Store.changesSince. Inside one read transaction of the caller's. */
  since(cursor: string, limit: number): ChangePage {
    const { openingsAfter, position } = parseCursor(cursor);
    const floor = this.#floor.get()!;
    const lost = new Set<bigint>();
    if (openingsAfter !== undefined || position < floor) {
      const from = openingsAfter === undefined ? floor : position;
      const page = this.#openings.all(openingsAfter ?? 0n, BigInt(limit));
      if (page.length === 0) return this.since(`${from}`, limit);
      const changes = page.flatMap((row) => this.#shown(row.counter_id, opening(row), from, lost));
      return { changes, cursor: `o${from}.${page.at(-1)!.counter_id}`, ...told(lost) };
    }
    const changes: StoredChange[] = [];
    let end = cursor;
    for (const row of this.#since.iterate(position, BigInt(limit))) {
      const more = readChanges(row).flatMap(({ id, change }) => this.#shown(id, change, row.position, lost));
      if (changes.length > 0 && changes.length + more.length > limit) break;
      changes.push(...more);
      end = `${row.position}`;
    }
    return { changes, cursor: end, ...told(lost) };
  }

  /** The change as it is given out; none when its counter was deleted without its history, or by hand. */
  #shown(id: bigint, change: Change, position: bigint, lost: Set<bigint>): StoredChange[] {
    const counter = this.#counter.get({ id });
    if (counter === undefined) lost.add(id);
    if (counter === undefined) return [];
    const { name, uid, history } = counter;
    if (history === 0n && change.kind !== ChangeKind.DELETE) return [];
    return [{ ...change, name, uid: uidFromBytes(uid), position: `${position}` }];
  }
}

function told(lost: ReadonlySet<bigint>): Pick<ChangePage, "lost"> {
  return lost.size === 0 ? {} : { lost: [...lost].map(String) };
}

interface CounterRow {
  readonly name: string;
  readonly uid: Uint8Array;
  readonly history: bigint;
}

interface OpeningRow {
  readonly counter_id: bigint;
  readonly revision: bigint;
  readonly value: bigint;
  readonly time_ms: bigint;
}

function opening({ revision, value, time_ms }: OpeningRow): Change {
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
