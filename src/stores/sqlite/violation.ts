import type { decideBatch, Loaded } from "../../core/batch.ts";
import { type Batch, opAt } from "../../core/columns.ts";
import { type Fixed, NO_DETAILS, PLAIN } from "../../core/counter.ts";
import type { Refusal } from "../../core/errors.ts";
import { type Op, Verb } from "../../core/op.ts";
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
  { outcomes, save: { changed, fixed, updateTimes } }: ReturnType<typeof decideBatch>,
): Violation | undefined {
  const probe = [...rows];
  const written = new Set(changed); // An operation on another counter is a replay.
  let id = lastId;
  for (let i = 0; i < batch.ops.count; i++) {
    const index = facts.counterOf[i]!;
    const revision = outcomes.revisions[i]!;
    if (revision === 0 || !written.has(index)) continue;
    const name = facts.names[index]!;
    const op = opAt(batch.ops, i, name);
    if (op.verb === Verb.DELETE) continue; // Nothing is left to check.
    const value = outcomes.values[i]!;
    const count = { value, revision, updateTime: updateTimes[index]! };
    const row = probe[index];
    const after = outcomes.counters.get(i) ?? (row === undefined ? madeBy(op, fixed.get(index)!) : undefined);
    try {
      if (after === undefined) writes.update(row!, value, revision, count.updateTime);
      else if (row === undefined) probe[index] = writes.insert(++id, name, after, count);
      else probe[index] = writes.updateSettings(row, name, after.labels, after, count);
    } catch (error) {
      const bounds = after ?? row!.counter;
      return { op: i, refusal: refusalOf(error, op, bounds, outcomes.previous[i]!, value) };
    }
  }
  return undefined;
}

/** A counter as the operation made it, which an update in the same batch may have changed since. */
function madeBy({ settings }: Op, { uid, createTime }: Fixed): Fixed {
  return { ...(settings ?? { ...PLAIN, ...NO_DETAILS }), uid, createTime, settingsRevision: 1 };
}

/** What the violated constraint says. The counter's bounds are in the database, so it has them. */
function refusalOf(
  error: unknown,
  { verb }: Op,
  { min, max }: Pick<Fixed, "min" | "max">,
  value: bigint,
  target: bigint,
): Refusal {
  const { message } = error as Error;
  if (verb === Verb.UPDATE && /value_at_(most_max|least_min)/.test(message)) {
    const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
    return { code: "VALUE_OUTSIDE_BOUNDS", field: "value", requested: value, ...bounds };
  }
  if (message.includes("value_at_most_max"))
    return { code: "ABOVE_MAX", value, max: max!, requested: target - value };
  if (message.includes("value_at_least_min"))
    return { code: "BELOW_MIN", value, min: min!, requested: value - target };
  throw error;
}
