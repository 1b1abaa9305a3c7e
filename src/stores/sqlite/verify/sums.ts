import type { Database } from "better-sqlite3";
import { type Change, type ChangeColumns, ChangeKind, endsCounter } from "../../../core/change.ts";

/**
 * By counter, where its changes lead: in columns, some 30 bytes a counter, for the change log has no index by counter and is
 * gone through once.
 */
export class LoggedSums {
  /** The ids of the counters that are there, ascending. */
  readonly ids: BigInt64Array;
  readonly values: BigInt64Array;
  readonly revisions: Float64Array;
  /** 1 where there was a change or an opening at all. */
  readonly known: Uint8Array;

  /** @param db  in a read transaction */
  constructor(db: Database) {
    const count = Number(db.prepare("SELECT count(*) FROM counters").pluck().get());
    this.ids = new BigInt64Array(count);
    let i = 0;
    const ids = db.prepare<[], bigint>("SELECT id FROM counters NOT INDEXED ORDER BY id").pluck();
    for (const id of ids.iterate()) if (i < count) this.ids[i++] = id;
    this.values = new BigInt64Array(count);
    this.revisions = new Float64Array(count);
    this.known = new Uint8Array(count);
  }

  /** Where a counter stands in the columns; -1 where it is not there any more. */
  indexOf(id: bigint): number {
    let [low, high] = [0, this.ids.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ids[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return this.ids[low] === id ? low : -1;
  }

  /** What stands for all changes before. */
  open(index: number, { value, revision }: Pick<Change, "value" | "revision">): void {
    this.values[index] = value;
    this.revisions[index] = revision;
    this.known[index] = 1;
  }

  /** Take in change k of some, which is the counter's next. */
  take(index: number, changes: ChangeColumns, k: number): void {
    const kind = changes.kinds[k]! as ChangeKind;
    if (kind === ChangeKind.OPENING) {
      this.open(index, { value: changes.values[k]!, revision: changes.revisions[k]! });
      return;
    }
    if (endsCounter(kind)) {
      this.known[index] = 0; // Its row is to be gone.
      return;
    }
    this.values[index]! += changes.added[k]! - changes.removed[k]!;
    this.revisions[index]! += changes.revisions[k]! - changes.firstRevisions[k]! + 1;
    this.known[index] = 1;
  }
}
