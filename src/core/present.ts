import type { Counter } from "./counter.ts";

/** What a counter is seen as of. */
export interface AsOf {
  /** Milliseconds since the Unix epoch, by the store's clock; one for all that is seen in one batch, or on one page. */
  readonly now: number;
}

/**
 * A counter as of now: the only place that knows what time does to one. Every read presents, and every operation judges
 * what is presented; nothing has to run at a boundary for an answer to be right.
 *
 * Time does nothing to counters yet, so it is the counter as it stands. Sums, and which counters a ranking has, are reckoned
 * by SQL from what is stored: whoever gives time a rule changes those of Scanner and CounterReads too.
 *
 * Presenting what was presented earlier gives the same as presenting what is stored; and it never leaves the bounds.
 *
 * @param counter  as it is stored
 * @returns        undefined when by now there is none any more
 */
export function present<Of extends Counter>(counter: Of, _asOf: AsOf): Of | undefined {
  return counter;
}

/** Those of some counters that there are as of now, and as they are. */
export function presentAll<Of extends Counter>(counters: Iterable<Of>, asOf: AsOf): Of[] {
  const presented: Of[] = [];
  for (const each of counters) {
    const counter = present(each, asOf);
    if (counter !== undefined) presented.push(counter);
  }
  return presented;
}
