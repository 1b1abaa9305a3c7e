import type { Database, Statement } from "better-sqlite3";
import { ByteReader, ByteWriter, halvesOf } from "../../core/bytes.ts";
import { type Change, type ChangeColumns, ChangeKind } from "../../core/change.ts";
import { uidFromBytes, uidToBytes } from "../../core/uid.ts";
import type { ChangePage, StoredChange } from "../../service/store.ts";
import { Checksum } from "./checksum.ts";
import type { Row } from "./rows.ts";
import { unusable } from "./schema.ts";

/**
 * The change log: one row a commit, its changes packed. A row a counter instead would halve the throughput.
 *
 * Kept within a size by dropping the oldest commits whole; each counter concerned keeps an opening, its value after
 * the last change dropped, so that the sums of what can be read still equal the values. The newest commit is never
 * dropped, so positions go on after a restart.
 *
 * Changes refer to counters by the ids of their rows. Of a deleted counter, `deleted_counters` says what it was, until
 * its last change, the deletion, is dropped.
 */
export class ChangeLog {
  readonly #bytesMax: number;
  readonly #append: Statement<[bigint, bigint, bigint, bigint, Uint8Array]>;
  readonly #oldest: Statement<[], LogRow>;
  readonly #drop: Statement<[bigint]>;
  readonly #open: Statement<{ id: bigint; revision: bigint; value: bigint; time: bigint }>;
  readonly #close: Statement<[bigint]>;
  readonly #bury: Statement<[bigint, string, Uint8Array, bigint]>;
  readonly #unbury: Statement<[bigint]>;
  /** The oldest commit that is kept, and the newest. */
  #first: bigint;
  #position: bigint;
  /** The bytes of all changes ever, and of those dropped. */
  #bytesEnd: bigint;
  #bytesDropped: bigint;

  constructor(db: Database, bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#append = db.prepare("INSERT INTO change_log VALUES (?, ?, ?, ?, ?)");
    this.#oldest = db.prepare(`SELECT * FROM change_log ORDER BY position LIMIT ${SLICE_COMMITS}`);
    this.#drop = db.prepare("DELETE FROM change_log WHERE position <= ?");
    this.#open = db.prepare(`
      INSERT INTO change_openings SELECT $id, $revision, $value, $time
      WHERE NOT EXISTS (SELECT 1 FROM deleted_counters WHERE id = $id AND history = 0)
      ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value, time_ms = excluded.time_ms`);
    this.#close = db.prepare("DELETE FROM change_openings WHERE counter_id = ?");
    this.#bury = db.prepare("INSERT INTO deleted_counters VALUES (?, ?, ?, ?)");
    this.#unbury = db.prepare("DELETE FROM deleted_counters WHERE id = ?");
    const edge = (order: string) =>
      db.prepare<[], LogRow>(`SELECT * FROM change_log ORDER BY position ${order} LIMIT 1`).get();
    const first = edge("ASC");
    const last = edge("DESC");
    this.#first = first?.position ?? 1n;
    this.#position = last?.position ?? 0n;
    this.#bytesEnd = last?.bytes_end ?? 0n;
    this.#bytesDropped = first === undefined ? 0n : first.bytes_end - BigInt(first.changes.length);
  }

  /**
   * Note what a commit changed. Inside the caller's transaction.
   *
   * @param ids  the row ids of the counters that the changes refer to
   */
  append(changes: ChangeColumns, ids: readonly (bigint | undefined)[], now: number): void {
    const bytes = packChanges(changes, ids, now);
    const position = this.#position + 1n;
    const bytesEnd = this.#bytesEnd + BigInt(bytes.length);
    this.#append.run(position, BigInt(now), bytesEnd, checksumOf(position, bytes), bytes);
    this.#position = position;
    this.#bytesEnd = bytesEnd;
  }

  /**
   * Note that a counter is deleted. Inside the caller's transaction.
   *
   * @param keepHistory  whether its changes are still given out
   */
  deleted({ id, counter }: Pick<Row, "id" | "counter">, name: string, keepHistory: boolean): void {
    this.#bury.run(id, name, uidToBytes(counter.uid), keepHistory ? 1n : 0n);
    if (!keepHistory) this.#close.run(id);
  }

  /** Where the log ends; give it to `rewind` when the transaction is rolled back. */
  get end(): { position: bigint; bytesEnd: bigint } {
    return { position: this.#position, bytesEnd: this.#bytesEnd };
  }

  rewind({ position, bytesEnd }: { position: bigint; bytesEnd: bigint }): void {
    this.#position = position;
    this.#bytesEnd = bytesEnd;
  }

  get tooLarge(): boolean {
    return this.#first < this.#position && this.#bytesEnd - this.#bytesDropped > BigInt(this.#bytesMax);
  }

  /** Drop a slice of the oldest commits. Inside the caller's transaction. */
  drop(): void {
    const openings = new Map<bigint, Change>();
    const gone: bigint[] = [];
    let last: LogRow | undefined;
    let changes = 0;
    for (const row of this.#oldest.all()) {
      const enough =
        changes > SLICE_CHANGES || this.#bytesEnd - (last?.bytes_end ?? 0n) <= BigInt(this.#bytesMax);
      if (row.position === this.#position || (last !== undefined && enough)) break;
      for (const { id, change } of readChanges(row)) {
        if (change.kind !== ChangeKind.DELETE) openings.set(id, change);
        else {
          openings.delete(id);
          gone.push(id);
        }
        changes++;
      }
      last = row;
    }
    if (last === undefined) return;
    for (const [id, { revision, value, time }] of openings) {
      this.#open.run({ id, revision: BigInt(revision), value, time: BigInt(time) });
    }
    for (const id of gone) {
      this.#close.run(id);
      this.#unbury.run(id);
    }
    this.#drop.run(last.position);
    this.#bytesDropped = last.bytes_end;
    this.#first = last.position + 1n;
  }
}

/** Reads the change log, on the read side. */
export class ChangeLogReader {
  readonly #floor: Statement<[], bigint>;
  readonly #since: Statement<[bigint, bigint], LogRow>;
  readonly #openings: Statement<[bigint, bigint], OpeningRow>;
  readonly #counter: Statement<{ id: bigint }, CounterRow>;

  constructor(db: Database) {
    this.#floor = db.prepare<[], bigint>("SELECT coalesce(min(position), 1) - 1 FROM change_log").pluck();
    this.#since = db.prepare("SELECT * FROM change_log WHERE position > ? ORDER BY position LIMIT ?");
    this.#openings = db.prepare(
      "SELECT * FROM change_openings WHERE counter_id > ? ORDER BY counter_id LIMIT ?",
    );
    this.#counter = db.prepare(`
      SELECT name, uid, 1 AS history FROM counters WHERE id = $id
      UNION ALL SELECT name, uid, history FROM deleted_counters WHERE id = $id`);
  }

  /** See Store.changesSince. Inside one read transaction of the caller's. */
  since(cursor: string, limit: number): ChangePage {
    const { openingsAfter, position } = parseCursor(cursor);
    const floor = this.#floor.get()!;
    if (openingsAfter !== undefined || position < floor) {
      const from = openingsAfter === undefined ? floor : position;
      const page = this.#openings.all(openingsAfter ?? 0n, BigInt(limit));
      if (page.length === 0) return this.since(`${from}`, limit);
      const changes = page.flatMap((row) => this.#shown(row.counter_id, opening(row), from));
      return { changes, cursor: `o${from}.${page.at(-1)!.counter_id}` };
    }
    const changes: StoredChange[] = [];
    let end = cursor;
    for (const row of this.#since.iterate(position, BigInt(limit))) {
      const more = readChanges(row).flatMap(({ id, change }) => this.#shown(id, change, row.position));
      if (changes.length > 0 && changes.length + more.length > limit) break;
      changes.push(...more);
      end = `${row.position}`;
    }
    return { changes, cursor: end };
  }

  /** The change as it is given out; none when its counter was deleted without its history. */
  #shown(id: bigint, change: Change, position: bigint): StoredChange[] {
    const { name, uid, history } = this.#counter.get({ id })!;
    if (history === 0n && change.kind !== ChangeKind.DELETE) return [];
    return [{ ...change, name, uid: uidFromBytes(uid), position: `${position}` }];
  }
}

/** How much one slice drops; some 5 milliseconds. */
const SLICE_COMMITS = 256;
const SLICE_CHANGES = 2_000;

interface LogRow {
  readonly position: bigint;
  readonly time_ms: bigint;
  readonly bytes_end: bigint;
  readonly checksum: bigint;
  readonly changes: Uint8Array;
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

/** Set in a change's first byte: one operation at the commit's time, by no one in particular, without a note. */
const PLAIN = 0x80;

function packChanges(changes: ChangeColumns, ids: readonly (bigint | undefined)[], now: number): Uint8Array {
  const w = new ByteWriter(16 * changes.count);
  const values = halvesOf(changes.values);
  const added = halvesOf(changes.added);
  const removed = halvesOf(changes.removed);
  for (let k = 0; k < changes.count; k++) {
    const firstRevision = changes.firstRevisions[k]!;
    const ops = changes.revisions[k]! - firstRevision + 1;
    const remark = changes.remarks.size === 0 ? undefined : changes.remarks.get(k);
    const plain = ops === 1 && changes.times[k] === now && remark === undefined;
    w.byte(plain ? changes.kinds[k]! | PLAIN : changes.kinds[k]!);
    w.uint64(ids[changes.counters[k]!]!);
    w.uint(firstRevision);
    w.int64At(values, k);
    w.uint64At(added, k);
    w.uint64At(removed, k);
    if (plain) continue;
    const value = changes.values[k]!;
    w.uint(ops);
    w.uint64(value - changes.low[k]!);
    w.uint64(changes.high[k]! - value);
    w.uint(changes.times[k]! - now); // The store's time is never later than the change it makes.
    w.text(remark?.caller ?? "");
    w.text(remark?.note ?? "");
  }
  return w.finish();
}

function readChanges(row: LogRow): { id: bigint; change: Change }[] {
  if (checksumOf(row.position, row.changes) !== row.checksum) {
    throw unusable(`The change log is damaged at position ${row.position}; restore the file from a backup.`);
  }
  const now = Number(row.time_ms);
  const r = new ByteReader(row.changes);
  const changes: { id: bigint; change: Change }[] = [];
  while (!r.done) {
    const head = r.byte();
    const kind = (head & ~PLAIN) as ChangeKind;
    const id = r.uint64();
    const firstRevision = r.uint();
    const value = r.int64();
    const added = r.uint64();
    const removed = r.uint64();
    const plain = (head & PLAIN) !== 0;
    const ops = plain ? 1 : r.uint();
    const low = plain ? value : value - r.uint64();
    const high = plain ? value : value + r.uint64();
    const time = plain ? now : now + r.uint();
    const caller = plain ? "" : r.text();
    const note = plain ? "" : r.text();
    const revision = firstRevision + ops - 1;
    changes.push({
      id,
      change: { kind, firstRevision, revision, ops, added, removed, low, high, value, time, caller, note },
    });
  }
  return changes;
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

function checksumOf(position: bigint, bytes: Uint8Array): bigint {
  return BigInt(new Checksum().int64(position).bytes(bytes).value);
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
