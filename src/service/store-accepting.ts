import type { FullCounter } from "../core/counter.ts";
import type { CounterPage } from "./store-pages.ts";

/**
 * Taking what somebody changed in the database itself as it stands. See docs/SCALING.md, "After a change by hand".
 */
export interface Accepting {
  /**
   * Read a page of all counters by their rows, whether or not anything leads to them. Undefined where the database keeps
   * its indexes itself: there `list` finds every row.
   *
   * @param from   "" for the first page, then the `next` of the one before, which is opaque
   * @returns      among the corrupt names, also those that nothing leads to
   */
  look?(from: string, limit: number): Promise<LookedPage>;

  /**
   * Have the change log begin anew for some counters, with what their rows say now: an opening, at a revision that no
   * caller has seen. What it had of them before is given out no more. In one atomic durable step.
   *
   * @param names      of the counters
   * @param revisions  by name, the highest revisions that the change log has
   * @param lost       see ChangePage.lost; what the log has of these is given out no more either
   * @returns          the counters, same length, same order; or a clause that says why one cannot be taken
   */
  accept(
    names: readonly string[],
    revisions: ReadonlyMap<string, number>,
    lost: readonly string[],
  ): Promise<(FullCounter | string)[]>;
}

/** A page of counters as their rows have them. */
export interface LookedPage extends CounterPage {
  /** See ChangePage.lost: what leads to counters whose rows are gone. On the last page. */
  readonly lost: readonly string[];
}
