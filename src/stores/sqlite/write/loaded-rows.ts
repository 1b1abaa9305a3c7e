import type { Loaded, Save } from "../../../core/batch.ts";
import { CORRUPT, type Counter } from "../../../core/counter.ts";
import type { PolicySet } from "../../../core/policies.ts";
import { isSettled } from "../../../core/settling.ts";
import { expireTimeOf } from "../../../core/timing.ts";
import type { Row } from "../rows/rows.ts";

/** What was found for a batch, and the rows it came from. */
export interface LoadedRows<Facts = Loaded> {
  readonly facts: Facts;
  /** By index in `facts.names`. */
  readonly rows: readonly (Row | undefined)[];
}

/** What is known of counters that are to be tidied, or settled. */
export type FoundFacts = Pick<Loaded, "names" | "counters" | "fixed">;

/** What leads to a counter that is due. */
export interface DueEntry {
  readonly due_ms: bigint;
  readonly counter_id: bigint;
}

/** The row ids of the counters of a save that was written whole. */
export function idsOf(
  { names }: Pick<Save, "names">,
  { rows }: Pick<LoadedRows, "rows">,
  made: ReadonlyMap<number, Row>,
): (bigint | undefined)[] {
  return names.map((_, index) => (rows[index] ?? made.get(index))?.id);
}

/** Of one that is gone by now all is needed: the batch may delete it. */
export function isExpired(counter: Counter | undefined | typeof CORRUPT, now: number): boolean {
  if (counter === undefined || counter === CORRUPT || counter.idleTtlMs === undefined) return false;
  return now >= expireTimeOf(counter)!;
}

/** Of one that its policy is yet to settle all is needed as well. */
export function isUnsettled(
  counter: Counter | undefined | typeof CORRUPT,
  name: string,
  policies: PolicySet,
): boolean {
  if (counter === undefined || counter === CORRUPT || counter.policy === undefined) return false;
  return !isSettled(counter, name, policies);
}
