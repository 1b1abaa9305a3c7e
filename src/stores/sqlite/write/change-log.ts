import type { Database, Statement } from "better-sqlite3";
import type { Change, ChangeColumns } from "../../../core/change.ts";
import { uidToBytes } from "../../../core/uid.ts";
import type { Kept } from "../../../telemetry/kept.ts";
import { Dropping, SLICE_COMMITS } from "../../shared/dropping.ts";
import { changesIn, checksumOf, packChanges, soundChanges } from "../../shared/packed-changes.ts";
import {
  DELETED_COLUMNS,
  deletedChecksum,
  LOG_COLUMNS,
  type LogRow,
  logDamaged,
  logHeadChecksum,
  OPENING_COLUMNS,
  openingChecksum,
  soundHead,
} from "../rows/change-log-rows.ts";
import { namingDamage, unlessCorrupt } from "../rows/damage.ts";
import type { Head } from "../rows/head.ts";

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
  readonly #head: Head;
  readonly #append: Statement<[bigint, bigint, bigint, bigint, Uint8Array, number]>;
  readonly #oldest: Statement<[], LogRow>;
  readonly #bytesEndAt: Statement<[bigint], bigint>;
  readonly #timeAt: Statement<[bigint], bigint>;
  readonly #drop: Statement<[bigint]>;
  readonly #open: Statement<[bigint, bigint, bigint, bigint, number]>;
  readonly #reopen: Statement<[bigint, bigint, bigint, number, bigint]>;
  readonly #close: Statement<[bigint]>;
  readonly #tombstone: Statement<[bigint, string, Uint8Array, bigint, number]>;
  readonly #unbury: Statement<[bigint]>;
  readonly #edge: (order: "ASC" | "DESC") => LogRow | undefined;
  readonly #clear: () => void;
  /** The oldest commit that is kept, and the newest. */
  #first = 1n;
  #position = 0n;
  /** The bytes of all changes ever, and of those dropped. */
  #bytesEnd = 0n;
  #bytesDropped = 0n;
  /** How many openings there are, and the sum of the ids of their counters. */
  #openings = 0n;
  #openingIds = 0n;

  constructor(db: Database, head: Head, bytesMax: number) {
    this.#head = head;
    this.#bytesMax = bytesMax;
    this.#append = db.prepare(`INSERT INTO change_log (${LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`);
    this.#oldest = db.prepare(
      `SELECT ${LOG_COLUMNS} FROM change_log ORDER BY position LIMIT ${SLICE_COMMITS}`,
    );
    this.#bytesEndAt = db
      .prepare<[bigint], bigint>("SELECT bytes_end FROM change_log WHERE position = ?")
      .pluck();
    this.#timeAt = db.prepare<[bigint], bigint>("SELECT time_ms FROM change_log WHERE position = ?").pluck();
    this.#drop = db.prepare("DELETE FROM change_log WHERE position <= ?");
    this.#open = db.prepare(`INSERT INTO change_openings (${OPENING_COLUMNS}) VALUES (?, ?, ?, ?, ?)`);
    this.#reopen = db.prepare(
      "UPDATE change_openings SET revision = ?, value = ?, time_ms = ?, checksum = ? WHERE counter_id = ?",
    );
    this.#close = db.prepare("DELETE FROM change_openings WHERE counter_id = ?");
    this.#tombstone = db.prepare(`INSERT INTO deleted_counters (${DELETED_COLUMNS}) VALUES (?, ?, ?, ?, ?)`);
    this.#unbury = db.prepare("DELETE FROM deleted_counters WHERE id = ?");
    this.#edge = (order) =>
      db
        .prepare<[], LogRow>(`SELECT ${LOG_COLUMNS} FROM change_log ORDER BY position ${order} LIMIT 1`)
        .get();
    this.#clear = () =>
      db.exec("DELETE FROM change_log; DELETE FROM change_openings; DELETE FROM deleted_counters");
    this.reload();
  }

  /**
   * Look again what the log has.
   *
   * @throws TallyError STORE_UNAVAILABLE when it does not begin and end where it is to
   */
  reload(): void {
    const { log_dropped, log_end, openings, opening_ids } = this.#head.row;
    const first = this.#edge("ASC");
    const last = this.#edge("DESC");
    const empty = log_end === log_dropped && first === undefined;
    if (!empty && first?.position !== log_dropped + 1n) throw logDamaged(log_dropped + 1n);
    if (!empty && last?.position !== log_end) throw logDamaged(log_end);
    this.#first = log_dropped + 1n;
    this.#position = log_end;
    this.#bytesEnd = last === undefined ? 0n : soundHead(last).bytes_end;
    this.#bytesDropped = first === undefined ? 0n : soundHead(first).bytes_end - BigInt(first.changes.length);
    this.#openings = openings;
    this.#openingIds = opening_ids;
  }

  /** What of the transaction is to be told by the file's head, but for the end. */
  noteIn(head: Head): void {
    const [log_dropped, openings, opening_ids] = [this.#first - 1n, this.#openings, this.#openingIds];
    const { row } = head;
    if (row.log_dropped === log_dropped && row.openings === openings && row.opening_ids === opening_ids)
      return;
    head.set({ log_dropped, openings, opening_ids });
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
    const time = BigInt(now);
    const head = logHeadChecksum(position, time, bytesEnd);
    namingDamage("the end of the change log, to which every commit is written", () =>
      this.#append.run(position, time, bytesEnd, checksumOf(position, bytes), bytes, head),
    );
    this.#position = position;
    this.#bytesEnd = bytesEnd;
  }

  /**
   * Note that a counter is deleted. Inside the caller's transaction.
   *
   * @param keepHistory  whether its changes are still given out
   */
  deleted(id: bigint, name: string, uid: string, keepHistory: boolean): void {
    const [bytes, history] = [uidToBytes(uid), keepHistory ? 1n : 0n];
    this.#tombstone.run(id, name, bytes, history, deletedChecksum(id, name, bytes, history));
  }

  /** Forget everything. Inside the caller's transaction. */
  clear(): void {
    this.#clear();
    this.#head.set({ log_dropped: 0n, openings: 0n, opening_ids: 0n });
    this.#head.save(0n);
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
  importOpening(id: bigint, opening: Change): void {
    this.#setOpening(id, opening);
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
  get end(): LogEnd {
    return {
      first: this.#first,
      position: this.#position,
      bytesDropped: this.#bytesDropped,
      bytesEnd: this.#bytesEnd,
      openings: this.#openings,
      openingIds: this.#openingIds,
    };
  }

  rewind({ first, position, bytesDropped, bytesEnd, openings, openingIds }: LogEnd): void {
    this.#first = first;
    this.#bytesDropped = bytesDropped;
    this.#position = position;
    this.#bytesEnd = bytesEnd;
    this.#openings = openings;
    this.#openingIds = openingIds;
  }

  /** Whether there is something to drop. @param from  the oldest commit that somebody still needs */
  tooLarge(from: bigint | undefined): boolean {
    const end = from === undefined || from > this.#position ? this.#position : from;
    return this.#first < end && this.#bytesEnd - this.#bytesDropped > BigInt(this.#bytesMax);
  }

  /** How many bytes come after a commit, and for how many there is room. */
  behind(position: bigint): { bytes: number; room: number } {
    const from =
      position < this.#first ? this.#bytesDropped : (this.#bytesEndAt.get(position) ?? this.#bytesEnd);
    return { bytes: Number(this.#bytesEnd - from), room: this.#bytesMax };
  }

  /** How much it has. */
  get kept(): Kept["changeLog"] {
    const oldest = unlessCorrupt(() => this.#timeAt.get(this.#first));
    return {
      bytes: Number(this.#bytesEnd - this.#bytesDropped),
      roomBytes: this.#bytesMax,
      commits: Number(this.#position - this.#first + 1n),
      oldestMs: typeof oldest === "bigint" ? Number(oldest) : undefined,
    };
  }

  /** Drop a slice of the oldest commits. Inside the caller's transaction. @param from  as for `tooLarge` */
  drop(from: bigint | undefined): void {
    const dropping = new Dropping<bigint>();
    let last: LogRow | undefined;
    for (const row of this.#oldest.all()) {
      if (soundHead(row).position !== (last?.position ?? this.#first - 1n) + 1n)
        throw logDamaged(row.position);
      const enough = dropping.full || this.#bytesEnd - (last?.bytes_end ?? 0n) <= BigInt(this.#bytesMax);
      if (row.position === this.#position || row.position === from || (last !== undefined && enough)) break;
      dropping.take(changesIn(soundChanges(row), Number(row.time_ms)));
      last = row;
    }
    if (last === undefined) return;
    for (const [id, opening] of dropping.openings) this.#setOpening(id, opening);
    for (const id of dropping.gone) {
      if (this.#close.run(id).changes === 1) {
        this.#openings--;
        this.#openingIds -= id;
      }
      this.#unbury.run(id);
    }
    this.#drop.run(last.position);
    this.#bytesDropped = last.bytes_end;
    this.#first = last.position + 1n;
  }

  #setOpening(id: bigint, opening: Change): void {
    const [revision, value, time] = [BigInt(opening.revision), opening.value, BigInt(opening.time)];
    const checksum = openingChecksum(id, revision, value, time);
    if (this.#reopen.run(revision, value, time, checksum, id).changes === 1) return;
    this.#open.run(id, revision, value, time, checksum);
    this.#openings++;
    this.#openingIds += id;
  }
}

/** What a transaction moves of what is kept in memory. */
interface LogEnd {
  readonly first: bigint;
  readonly bytesDropped: bigint;
  readonly position: bigint;
  readonly bytesEnd: bigint;
  readonly openings: bigint;
  readonly openingIds: bigint;
}
