import type { Context, decideBatch } from "../../core/batch.ts";
import type { Batch } from "../../core/columns.ts";
import { type Refusal, TallyError } from "../../core/errors.ts";
import { Verb } from "../../core/op.ts";
import { refusalOf } from "../shared/bounds.ts";
import { oneByOne, type Step, UNDO_GROUP, type Write } from "../shared/one-by-one.ts";
import type { Database } from "./database.ts";
import { isSkipped, isUnexpected, objectionIn } from "./errors.ts";
import type { Call, Session } from "./session.ts";
import type { CounterWrites, LoadedRows } from "./writes.ts";

/** What the operations of a batch are written with. */
export interface StepWriting {
  readonly database: Database;
  readonly session: Session;
  readonly writes: CounterWrites;
  readonly decide: typeof decideBatch;
}

/**
 * Write a batch's accepted operations one by one, each in a savepoint of its own: what a constraint of the database
 * refuses is refused with its name, and the others are written. Inside a transaction that has locked and loaded.
 *
 * New counters are made in the order of the operations here, and not in that of their names, so two processes that make
 * the same ones may come to wait for each other. PostgreSQL ends that after a second, and the batch is tried again.
 *
 * @param ids  by index in `facts.names`, those of counters that might be made included
 * @returns    what was decided in the end; its changes and answers are yet to be saved
 */
export async function writeOneByOne(
  { database, session, writes, decide }: StepWriting,
  batch: Batch,
  { facts }: LoadedRows,
  ids: readonly (bigint | undefined)[],
  context: Omit<Context, "vetoed">,
): Promise<ReturnType<typeof decideBatch>> {
  await session.simply("SET CONSTRAINTS ALL IMMEDIATE"); // What is deferred could not be told apart at COMMIT.
  const named = database.statement("SELECT 1 AS there FROM @counters WHERE name = $1");
  const steps = oneByOne(decide, batch, facts, context, new Map<number, Refusal>());
  let grouped = false;
  /** Sent, and not waited for: it travels with what comes next. */
  let undoing: Promise<void>[] = [];
  for (let next = steps.next(); ; ) {
    if (next.done) {
      await Promise.all(undoing);
      return next.value;
    }
    next = steps.next(await tried(next.value));
  }

  async function tried(step: Step): Promise<Refusal | undefined> {
    if (step === UNDO_GROUP) {
      undo("tally_group");
      return undefined;
    }
    const name = facts.names[step.index]!;
    const begins = `${grouped ? "RELEASE tally_group; " : ""}SAVEPOINT tally_group`;
    grouped ||= step.beginsGroup;
    const sent: Promise<unknown>[] = [
      ...undoing,
      ...(step.beginsGroup ? [session.simply(begins)] : []),
      session.simply("SAVEPOINT tally_step"),
      ...callsOf(step, name, writes, ids[step.index]!).map((call) => session.send(...call)),
      session.simply("RELEASE tally_step"),
    ];
    undoing = [];
    const failed = (await Promise.allSettled(sent)).find((result) => result.status === "rejected");
    if (failed === undefined) return undefined;
    const error: unknown = failed.reason;
    const objection = objectionIn(error);
    const skipped = objection === undefined && (isSkipped(error) || isUnexpected(error));
    if (objection === undefined && !skipped) throw error;
    undo(step.inGroup ? "tally_group" : "tally_step");
    // The row is locked, so nobody else was quicker; but a new one may have come under the same name.
    if (skipped && step.before === undefined && (await session.send(named, [name])).length > 0) throw error;
    return refusalOf(objection ?? SKIPPED, step);
  }

  function undo(savepoint: "tally_group" | "tally_step"): void {
    const undone = session.simply(`ROLLBACK TO ${savepoint}; RELEASE ${savepoint}`);
    undone.catch(() => {}); // Told when it is waited for.
    undoing.push(undone);
    if (savepoint === "tally_group") grouped = false;
  }
}

/** How a trigger or a rule of the table is called that has a row stay as it was, without a word. */
const SKIPPED = "a trigger or rule that skips the row";

/** @throws TallyError  for the constraint that refused a batch, and none of its operations */
export function unattributed(constraint: string, cause: unknown): TallyError {
  const sentence = `the database refuses what is saved beside the counters (${constraint}); nothing was saved`;
  return new TallyError("STORE_UNAVAILABLE", sentence, { cause });
}

function callsOf(
  { op, before, after, fixed }: Write,
  name: string,
  writes: CounterWrites,
  id: bigint,
): Call[] {
  const deletes = op.verb === Verb.DELETE;
  const save = {
    changed: deletes ? [] : [0],
    values: BigInt64Array.of(after.value),
    revisions: Float64Array.of(after.revision),
    updateTimes: Float64Array.of(after.updateTime),
    fixed: new Map(fixed === undefined ? [] : [[0, fixed]]),
    deleted: new Map(deletes ? [[0, op.keepHistory === true]] : []),
  };
  const was = new Map(before?.fixed === undefined ? [] : [[0, before.fixed]]);
  const facts = { names: [name], revisions: [before?.revision], fixed: was };
  return writes.of(save, { facts, ids: [before === undefined ? undefined : id] }, [id]);
}
