import type { Statement } from "better-sqlite3";
import { type Bucket, bucketOf, leavesBucket } from "../../../core/bucket.ts";
import { type ChangeColumns, ChangeKind } from "../../../core/change.ts";
import { bucketStart, Level } from "../../../core/levels.ts";
import type { StoredHead } from "../history/head.ts";
import type { CommitSink } from "./change-log.ts";
import type { LoggedSums } from "./sums.ts";
import { behind, LOWEST_ID, type Looked, type LookedHistory, SLICE_ROWS, type Walk } from "./walk.ts";

/**
 * By counter, what of its changes the change log still has and the history has taken in, less what the history's minutes have
 * of the same time: nothing is to be left. In columns, some 50 bytes a counter; sums modulo 2^64, in which no change is missed.
 */
export class HistorySums implements CommitSink {
  readonly #cursor: bigint;
  /** By index as in the sums of the log: the first minute that both have whole. */
  readonly #from: Float64Array;
  readonly #added: BigInt64Array;
  readonly #removed: BigInt64Array;
  readonly #rolled: BigInt64Array;
  readonly #changes: Float64Array;
  /** 1 where it cannot be told, for it is not kept, was not for some time, or was taken as it stood. */
  readonly #untold: Uint8Array;
  /** By number in the history: the index, and one more; 0 of one that is not there any more. */
  readonly #indices: Int32Array;

  /** @param counters  how many the data file has */
  constructor({ db, head }: LookedHistory, counters: number) {
    this.#cursor = BigInt(head.place.position);
    this.#from = new Float64Array(counters).fill(completeFrom(head));
    this.#added = new BigInt64Array(counters);
    this.#removed = new BigInt64Array(counters);
    this.#rolled = new BigInt64Array(counters);
    this.#changes = new Float64Array(counters);
    this.#untold = new Uint8Array(counters);
    const last = db.prepare<[], bigint>("SELECT coalesce(max(number), 0) FROM counters").pluck().get()!;
    this.#indices = new Int32Array(Number(last) + 1);
  }

  /** Under which number the history has a counter; undefined where it has nothing of it. */
  name(index: number, number: number | undefined): void {
    if (number === undefined) this.#untold[index] = 1;
    else this.#indices[number] = index + 1;
  }

  opening(index: number, time: number): void {
    this.#from[index] = Math.max(this.#from[index]!, bucketStart(Level.MINUTE, time) + 60_000);
  }

  commit(position: bigint, changes: ChangeColumns, indices: Int32Array): void {
    for (let k = 0; k < changes.count; k++) {
      const index = indices[changes.counters[k]!]!;
      if (index === -1) continue;
      const kind = changes.kinds[k]!;
      // From here on it may not be taken in, or only again; and what was changed by hand nobody has taken in.
      if (kind === ChangeKind.SETTINGS || kind === ChangeKind.OPENING) this.#untold[index] = 1;
      if (position > this.#cursor || !leavesBucket(changes, k)) continue;
      const start = bucketStart(Level.MINUTE, changes.times[k]!);
      if (start >= this.#from[index]!) this.#add(index, bucketOf(changes, k, start), 1n);
    }
  }

  /** Buckets of the history. */
  take(number: number, buckets: readonly Bucket[]): void {
    const index = this.#indices[number]! - 1;
    if (!(index >= 0)) return;
    for (const bucket of buckets) {
      if (bucket.start < this.#from[index]!) continue;
      if (bucket.gap || bucket.lost) this.#untold[index] = 1;
      this.#add(index, bucket, -1n);
    }
  }

  /** Whether both have the same. */
  isSame(index: number): boolean {
    if (this.#untold[index] === 1) return true;
    return [this.#added, this.#removed, this.#rolled, this.#changes].every(
      (column) => Number(column[index]) === 0,
    );
  }

  #add(index: number, { added, removed, rolled, changes }: Bucket, sign: bigint): void {
    this.#added[index]! += sign * added;
    this.#removed[index]! += sign * removed;
    this.#rolled[index]! += sign * rolled;
    this.#changes[index]! += Number(sign) * changes;
  }
}

/** The first whole minute from which on a history is complete. */
function completeFrom({ gaps, droppedTo }: StoredHead): number {
  const from = Math.max(droppedTo[Level.MINUTE]!, ...gaps.map(({ to }) => to));
  return bucketStart(Level.MINUTE, from + 59_999);
}

/** Finds under which number the history has each counter. */
export class HistoryNames implements Walk {
  readonly part = "history";
  rows = 0;
  readonly #logged: LoggedSums;
  readonly #sums: HistorySums;
  readonly #some: Statement<[bigint, number], Kept>;
  readonly #byUid: Statement<[Uint8Array], bigint>;
  #last = LOWEST_ID;

  constructor({ db }: Looked, history: LookedHistory, logged: LoggedSums, sums: HistorySums) {
    this.#logged = logged;
    this.#sums = sums;
    this.#some = db.prepare(
      "SELECT id, uid, history FROM counters NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?",
    );
    this.#byUid = history.db
      .prepare<[Uint8Array], bigint>("SELECT number FROM counters WHERE uid = ? AND erased = 0")
      .pluck();
  }

  step(): boolean {
    const found = this.#some.all(this.#last, SLICE_ROWS);
    for (const { id, uid, history } of found) {
      const number = history === 0n || !(uid instanceof Uint8Array) ? undefined : this.#byUid.get(uid);
      this.#sums.name(this.#logged.indexOf(id), number === undefined ? undefined : Number(number));
    }
    this.#last = behind(this.#last, found.at(-1)?.id);
    return found.length === SLICE_ROWS;
  }
}

interface Kept {
  readonly id: bigint;
  readonly uid: unknown;
  readonly history: bigint | null;
}

/** Tells of each counter of which the history and the log do not have the same. After both were gone through. */
export class HistoryCompare implements Walk {
  readonly part = "history";
  readonly rows = 0;
  readonly #looked: Looked;
  readonly #logged: LoggedSums;
  readonly #sums: HistorySums;
  readonly #name: Statement<[bigint], unknown>;
  #next = 0;

  constructor(looked: Looked, logged: LoggedSums, sums: HistorySums) {
    this.#looked = looked;
    this.#logged = logged;
    this.#sums = sums;
    this.#name = looked.db.prepare<[bigint], unknown>("SELECT name FROM counters WHERE id = ?").pluck();
  }

  step(): boolean {
    const { findings } = this.#looked;
    // Of damage each counter that it was of would be told again.
    if (
      ["LOG_DAMAGED", "HEAD_DAMAGED", "HISTORY_DAMAGED"].some((code) => findings.has(code as "LOG_DAMAGED"))
    )
      return false;
    const { ids } = this.#logged;
    const end = Math.min(ids.length, this.#next + COMPARED_A_SLICE);
    for (; this.#next < end; this.#next++) {
      if (this.#sums.isSame(this.#next)) continue;
      const about = "its history has not the changes that the change log has of the same time";
      findings.add("HISTORY_DIFFERS", `${this.#name.get(ids[this.#next]!)}`, about, "restore");
    }
    return this.#next < ids.length;
  }
}

const COMPARED_A_SLICE = 50_000;
