import type { decideBatch } from "../../core/batch.ts";
import { type Batch, opAt } from "../../core/columns.ts";
import type { Counter, Fixed } from "../../core/counter.ts";
import { Verb } from "../../core/op.ts";
import { type BoundsConstraint, madeBy, refusalOf, type Violation } from "../bounds.ts";
import type { Database } from "./database.ts";
import { checkViolated } from "./errors.ts";
import type { Session } from "./session.ts";
import type { LoadedRows } from "./writes.ts";

/**
 * Have the database judge a batch's accepted operations one by one, to find the first that a CHECK refuses: the rule
 * let it through, and the database did not. Inside a transaction that the caller rolls back.
 *
 * Each value is written with the bounds that the counter has by then, into one row that stands in for all of them: no
 * counter has its id and name.
 */
export async function findViolation(
  database: Database,
  session: Session,
  batch: Batch,
  { facts }: LoadedRows,
  { outcomes, save: { changed, fixed } }: ReturnType<typeof decideBatch>,
): Promise<Violation | undefined> {
  const probe = database.statement(PROBE);
  const bounds = new Map<number, Pick<Fixed, "min" | "max">>();
  const written = new Set(changed); // An operation on another counter is a replay.
  for (let i = 0; i < batch.ops.count; i++) {
    const index = facts.counterOf[i]!;
    if (outcomes.revisions[i] === 0 || !written.has(index)) continue;
    const op = opAt(batch.ops, i, facts.names[index]!);
    if (op.verb === Verb.DELETE) continue; // Nothing is left to check.
    const found = facts.counters[index] as Counter | undefined;
    const after = outcomes.counters.get(i) ?? bounds.get(index) ?? found ?? madeBy(op, fixed.get(index)!);
    bounds.set(index, after);
    const value = outcomes.values[i]!;
    try {
      await session.send(probe, [value, after.min ?? null, after.max ?? null]);
    } catch (error) {
      const constraint = checkViolated(error);
      if (constraint === undefined) throw error;
      const refusal = refusalOf(constraint as BoundsConstraint, op, after, outcomes.previous[i]!, value);
      return { op: i, refusal };
    }
  }
  return undefined;
}

const PROBE = `INSERT INTO @counters (id, name, uid, value, initial, min_value, max_value, clamp, monotonic, revision,
    settings_revision, create_ms, update_ms)
  VALUES (-1, '', '00000000-0000-0000-0000-000000000000', $1, 0, $2, $3, false, false, 0, 0, 0, 0)
  ON CONFLICT (id) DO UPDATE
  SET value = excluded.value, min_value = excluded.min_value, max_value = excluded.max_value`;
