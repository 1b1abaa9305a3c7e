import type { Change } from "../core/change.ts";
import type { FullCounter } from "../core/counter.ts";

/** Counters that were looked for. */
export interface Counters {
  readonly counters: readonly FullCounter[];
  /** Those that would be among them, were they not damaged on disk. */
  readonly corruptNames: readonly string[];
}

/** A page of a list of counters, in the order of their names. */
export interface CounterPage extends Counters {
  /** Where the next page begins; undefined after the last. A legal name, though not always one of a counter. */
  readonly next: string | undefined;
  /** Where the change log was when the page was read, if that was asked for: see Store.covers. */
  readonly mark?: string;
}

/** A page of the change log, from a cursor on. */
export interface ChangePage {
  readonly changes: readonly StoredChange[];
  /** Where to go on. Equal to the cursor given when there was nothing new. */
  readonly cursor: string;
  /**
   * What the store knows counters by, of those that changes on this page are of and that are gone, without having been
   * deleted: somebody took their rows away by hand. Their changes are not given out.
   */
  readonly lost?: readonly string[];
  /** Of counters whose rows are damaged, or were changed by hand: their changes are given out under what those say. */
  readonly corruptNames?: readonly string[];
}

/** A change as the log has it: of which counter, and in which commit. */
export interface StoredChange extends Change {
  readonly name: string;
  readonly uid: string;
  /** Orders commits; opaque to callers, compared as text only for equality. */
  readonly position: string;
}
