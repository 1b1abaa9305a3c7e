import type { Batch } from "../../../core/columns.ts";
import type { Refusal } from "../../../core/errors.ts";

/**
 * What is known of a batch that is written one by one: with each attempt more of it is refused, until the rest can be committed.
 *
 * An attempt ends at the first damage that a write meets, for SQLite writes nothing more in that transaction. So that a page
 * which many operations of a large batch go to does not hold up everybody, the calls behind the last damage that is looked
 * for are told that nothing of them was applied: they come again, with less before them.
 */
export class Careful {
  /** What was refused until now, by operation. */
  readonly vetoed = new Map<number, Refusal>();
  /** The keys of request ids that damage leaves no place for: whether there was an answer under them, nobody can tell. */
  readonly unkept = new Set<string>();
  /** Whether what is deferred until COMMIT is looked at after each operation. */
  deferred = false;
  #met = 0;

  /** The operation that was vetoed last has met damage. */
  metByLast(batch: Batch): void {
    const op = [...this.vetoed.keys()].at(-1)!;
    this.#met++;
    this.#giveUpAfter(
      batch,
      batch.calls.ends.findIndex((end) => op < end),
    );
  }

  /** The answer to a call cannot be saved under its key. */
  metByAnswer(batch: Batch, call: number, key: string): void {
    this.unkept.add(key);
    this.#met++;
    this.#giveUpAfter(batch, call);
  }

  #giveUpAfter({ calls, ops }: Batch, call: number): void {
    if (this.#met < MET_MAX) return;
    for (let i = calls.ends[call]!; i < ops.count; i++) if (!this.vetoed.has(i)) this.vetoed.set(i, AGAIN);
  }
}

const AGAIN: Refusal = { code: "STORE_UNAVAILABLE" };

/** So many attempts, of some milliseconds for a hundred calls. */
const MET_MAX = 8;
