import type { decideBatch, Loaded } from "../../core/batch.ts";
import { type Batch, opAt } from "../../core/columns.ts";
import { Verb } from "../../core/op.ts";
import { type BoundsConstraint, madeBy, refusalOf, type Violation } from "../bounds.ts";
import type { Row, RowWriter } from "./rows.ts";

/** What was found for a batch, and the rows it came from. */
export interface LoadedRows {
  readonly facts: Loaded;
  /** By index in `facts.names`. */
  readonly rows: readonly (Row | undefined)[];
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
      return { op: i, refusal: refusalOf(constraintIn(error), op, bounds, outcomes.previous[i]!, value) };
    }
  }
  return undefined;
}

/** The constraint that SQLite's message names; the name is all that the error has of it. */
function constraintIn(error: unknown): BoundsConstraint {
  const [name] = /\bvalue_at_(?:least_min|most_max)\b/.exec((error as Error).message) ?? [];
  if (name === undefined) throw error;
  return name as BoundsConstraint;
}
