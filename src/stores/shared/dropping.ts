import { type Change, endsCounter } from "../../core/change.ts";

/** What becomes of counters when the oldest commits of a change log are dropped. */
export class Dropping<Key> {
  /** By counter, the last change that is dropped of it, in whose place an opening comes. */
  readonly openings = new Map<Key, Change>();
  /** The counters whose deletion or expiry is dropped: neither an opening is left of them nor what they were. */
  readonly gone: Key[] = [];
  #changes = 0;

  /** Whether that is enough for one slice of maintenance; some 5 milliseconds. */
  get full(): boolean {
    return this.#changes > SLICE_CHANGES;
  }

  /** Drop the changes of one more commit. */
  take(changes: readonly { readonly id: Key; readonly change: Change }[]): void {
    for (const { id, change } of changes) {
      if (!endsCounter(change.kind)) this.openings.set(id, change);
      else {
        this.openings.delete(id);
        this.gone.push(id);
      }
    }
    this.#changes += changes.length;
  }
}

/** How many commits one slice looks at, at most. */
export const SLICE_COMMITS = 256;
const SLICE_CHANGES = 2_000;
