import type { Database, Statement } from "better-sqlite3";
import { type Change, type ChangeColumns, ChangeKind } from "../../core/change.ts";
import { uidToBytes } from "../../core/uid.ts";
import { checksumOf, type PackedCommit, packChanges, readChanges } from "../packed-changes.ts";

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
  readonly #open: Statement<[bigint, bigint, bigint, bigint]>;
  readonly #close: Statement<[bigint]>;
  readonly #bury: Statement<[bigint, string, Uint8Array, bigint]>;
  readonly #unbury: Statement<[bigint]>;
  readonly #edge: (order: "ASC" | "DESC") => LogRow | undefined;
  readonly #clear: () => void;
  /** The oldest commit that is kept, and the newest. */
  #first = 1n;
  #position = 0n;
  /** The bytes of all changes ever, and of those dropped. */
  #bytesEnd = 0n;
  #bytesDropped = 0n;

  constructor(db: Database, bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#append = db.prepare(`INSERT INTO change_log (${LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?)`);
    this.#oldest = db.prepare(
      `SELECT ${LOG_COLUMNS} FROM change_log ORDER BY position LIMIT ${SLICE_COMMITS}`,
    );
    this.#drop = db.prepare("DELETE FROM change_log WHERE position <= ?");
    this.#open = db.prepare(`
      INSERT INTO change_openings (counter_id, revision, value, time_ms) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value, time_ms = excluded.time_ms`);
    this.#close = db.prepare("DELETE FROM change_openings WHERE counter_id = ?");
    this.#bury = db.prepare("INSERT INTO deleted_counters (id, name, uid, history) VALUES (?, ?, ?, ?)");
    this.#unbury = db.prepare("DELETE FROM deleted_counters WHERE id = ?");
    this.#edge = (order) =>
      db
        .prepare<[], LogRow>(`SELECT ${LOG_COLUMNS} FROM change_log ORDER BY position ${order} LIMIT 1`)
        .get();
    this.#clear = () =>
      db.exec("DELETE FROM change_log; DELETE FROM change_openings; DELETE FROM deleted_counters");
    this.reload();
  }

  /** Look again what the log has. */
  reload(): void {
    const first = this.#edge("ASC");
    const last = this.#edge("DESC");
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
  deleted(id: bigint, name: string, uid: string, keepHistory: boolean): void {
    this.#bury.run(id, name, uidToBytes(uid), keepHistory ? 1n : 0n);
  }

  /** Forget everything. Inside the caller's transaction. */
  clear(): void {
    this.#clear();
    this.reload();
  }

  /** A text that is another one as soon as the log is. */
  get state(): string {
    return `${this.#first}.${this.#position}`;
  }

  get isEmpty(): boolean {
    return this.#position === 0n;
  }

  /** Take in the opening of a counter from another store. Inside the caller's transaction. */
  importOpening(id: bigint, { revision, value, time }: Change): void {
    this.#open.run(id, BigInt(revision), value, BigInt(time));
  }

  /** Take in a commit from another store; see `append`. */
  importCommit(changes: ChangeColumns, ids: readonly bigint[], time: number): void {
    if (this.isEmpty) {
      this.#position = 1n; // Openings are given to who has not come to the first commit, so that one is the second.
      this.#first = 2n;
    }
    this.append(changes, ids, time);
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
    for (const [id, { revision, value, time }] of openings)
      this.#open.run(id, BigInt(revision), value, BigInt(time));
    for (const id of gone) {
      this.#close.run(id);
      this.#unbury.run(id);
    }
    this.#drop.run(last.position);
    this.#bytesDropped = last.bytes_end;
    this.#first = last.position + 1n;
  }
}

interface LogRow extends PackedCommit {
  readonly bytes_end: bigint;
}

const LOG_COLUMNS = "position, time_ms, bytes_end, checksum, changes";

/** How much one slice drops; some 5 milliseconds. */
const SLICE_COMMITS = 256;
const SLICE_CHANGES = 2_000;
