import type { decideBatch, Loaded } from "../../core/batch.ts";
import type { Batch } from "../../core/columns.ts";
import type { Counter } from "../../core/counter.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Row, RowWriter } from "./rows.ts";

/** What was found for a batch, and the rows it came from. */
export interface LoadedRows {
  readonly facts: Loaded;
  /** By index in `facts.names`. */
  readonly rows: readonly (Row | undefined)[];
}

/** An operation that a CHECK refuses, and what it is told. */
export interface Violation {
  readonly op: number;
  readonly refusal: Refusal;
}

/**
 * Run a batch's accepted operations one statement each, to find the first that a CHECK refuses: the rule let it
 * through, and the database did not. Inside a transaction that the caller rolls back.
 *
 * @param lastId  the id of the counter made last
 */
export function findViolation(
  writes: RowWriter,
  lastId: bigint,
  batch: Batch,
  { facts, rows }: LoadedRows,
  { outcomes, save: { changed, created, updateTimes } }: ReturnType<typeof decideBatch>,
): Violation | undefined {
  const probe = [...rows];
  const written = new Set(changed); // An operation on another counter is a replay.
  let id = lastId;
  for (let op = 0; op < batch.ops.count; op++) {
    const index = facts.counterOf[op]!;
    const revision = outcomes.revisions[op]!;
    if (revision === 0 || !written.has(index)) continue;
    const value = outcomes.values[op]!;
    const updateTime = updateTimes[index]!;
    const row = probe[index];
    try {
      if (row !== undefined) writes.update(row, value, revision, updateTime);
      else {
        const count = { value, revision, updateTime };
        probe[index] = writes.insert(++id, facts.names[index]!, created.get(index)!, count);
      }
    } catch (error) {
      const bounds = rows[index]?.counter ?? created.get(index)!;
      return { op, refusal: refusalOf(error, bounds, outcomes.previous[op]!, value) };
    }
  }
  return undefined;
}

/** What the violated constraint says. The counter's bounds are in the database, so it has them. */
function refusalOf(
  error: unknown,
  { min, max }: Pick<Counter, "min" | "max">,
  value: bigint,
  target: bigint,
): Refusal {
  const { message } = error as Error;
  if (message.includes("value_at_most_max"))
    return { code: "ABOVE_MAX", value, max: max!, requested: target - value };
  if (message.includes("value_at_least_min"))
    return { code: "BELOW_MIN", value, min: min!, requested: value - target };
  throw error;
}
