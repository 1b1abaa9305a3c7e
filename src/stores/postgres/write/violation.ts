import type { Context, decideBatch } from "../../../core/batch.ts";
import type { Batch } from "../../../core/columns.ts";
import { type Refusal, TallyError } from "../../../core/errors.ts";
import { Verb } from "../../../core/op.ts";
import { refusalOf } from "../../shared/bounds.ts";
import { oneByOne, type Step, UNDO_GROUP, type Write } from "../../shared/one-by-one.ts";
import type { Database } from "../connection/database.ts";
import { isSkipped, isUnexpected, objectionIn } from "../connection/errors.ts";
import type { Call, Session } from "../connection/session.ts";
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
 * @param spareIds  for the counters that are made; the first ones are taken
 * @returns         what was decided in the end, and by uid the ids of the counters that were made; the changes and the
 *                  answers are yet to be saved
 */
export async function writeOneByOne(
  { database, session, writes, decide }: StepWriting,
  batch: Batch,
  { facts, ids: found }: LoadedRows,
  spareIds: readonly bigint[],
  context: Omit<Context, "vetoed">,
): Promise<{ decided: ReturnType<typeof decideBatch>; made: ReadonlyMap<string, bigint> }> {
  await session.simply("SET CONSTRAINTS ALL IMMEDIATE"); // What is deferred could not be told apart at COMMIT.
  const named = database.statement("SELECT 1 AS there FROM @counters WHERE name = $1");
  const steps = oneByOne(decide, batch, facts, context, new Map<number, Refusal>());
  /** By name, the ids of the rows as they stand. */
  const ids = [...found];
  /** The uids of the counters that were made: the first one has the first of the spare ids. */
  const made: string[] = [];
  /** What was so before the all_or_nothing call that is being written. */
  let before = { ids: [...ids], made: 0 };
  let grouped = false;
  /** Sent, and not waited for: it travels with what comes next. */
  let undoing: Promise<void>[] = [];
  for (let next = steps.next(); ; ) {
    if (next.done) {
      await Promise.all(undoing);
      return { decided: next.value, made: new Map(made.map((uid, i) => [uid, spareIds[i]!])) };
    }
    next = steps.next(await tried(next.value));
  }

  async function tried(step: Step): Promise<Refusal | undefined> {
    if (step === UNDO_GROUP) {
      undoGroup();
      return undefined;
    }
    if (step.beginsGroup) before = { ids: [...ids], made: made.length };
    const makes = step.before === undefined || step.expired;
    const id = makes ? spareIds[made.length]! : ids[step.index]!;
    const name = facts.names[step.index]!;
    const begins = `${grouped ? "RELEASE tally_group; " : ""}SAVEPOINT tally_group`;
    grouped ||= step.beginsGroup;
    const sent: Promise<unknown>[] = [
      ...undoing,
      ...(step.beginsGroup ? [session.simply(begins)] : []),
      session.simply("SAVEPOINT tally_step"),
      ...callsOf(step, name, writes, ids[step.index], id).map((call) => session.send(...call)),
      session.simply("RELEASE tally_step"),
    ];
    undoing = [];
    const failed = (await Promise.allSettled(sent)).find((result) => result.status === "rejected");
    if (failed === undefined) {
      if (makes) made.push(step.after.uid);
      ids[step.index] = id;
      return undefined;
    }
    const error: unknown = failed.reason;
    const objection = objectionIn(error);
    const skipped = objection === undefined && (isSkipped(error) || isUnexpected(error));
    if (objection === undefined && !skipped) throw error;
    if (step.inGroup) undoGroup();
    else undo("tally_step");
    // The row is locked, so nobody else was quicker; but a new one may have come under the same name.
    if (skipped && step.before === undefined && (await session.send(named, [name])).length > 0) throw error;
    return refusalOf(objection ?? SKIPPED, step);
  }

  function undoGroup(): void {
    undo("tally_group");
    ids.splice(0, ids.length, ...before.ids);
    made.length = before.made;
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

/**
 * @param stood  the id of the row that is there under the name
 * @param id     the one that it has afterwards
 */
function callsOf(
  { op, before, expired, after, fixed }: Write,
  name: string,
  writes: CounterWrites,
  stood: bigint | undefined,
  id: bigint,
): Call[] {
  const save = {
    names: [name],
    changed: [0],
    values: BigInt64Array.of(after.value),
    revisions: Float64Array.of(after.revision),
    updateTimes: Float64Array.of(after.updateTime),
    timings: new Map(after.timing === before?.timing ? [] : [[0, after.timing]]),
    fixed: new Map(fixed === undefined ? [] : [[0, fixed]]),
    deleted: new Map<number, boolean>(),
  };
  const was = new Map(before?.fixed === undefined ? [] : [[0, before.fixed]]);
  const facts = { revisions: [before?.revision], fixed: was };
  const deletion = (history: boolean) => {
    const gone = { ...save, fixed: was, deleted: new Map([[0, history]]) };
    return writes.deletions([0], gone, { facts, ids: [stood] }, [stood]);
  };
  if (op.verb === Verb.DELETE) return deletion(op.keepHistory === true);
  const made = expired || before === undefined;
  const written = writes.of(save, { facts, ids: [made ? undefined : id] }, [id]);
  return expired ? [...deletion(true), ...written] : written;
}
