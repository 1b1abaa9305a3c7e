import type { Database, Statement } from "better-sqlite3";
import type { Context, decideBatch } from "../../../core/batch.ts";
import type { Batch } from "../../../core/columns.ts";
import { counterDamaged } from "../../../core/errors.ts";
import { refusalOf } from "../../shared/bounds.ts";
import { oneByOne, UNDO_GROUP } from "../../shared/one-by-one.ts";
import { Missed, MissedTiming } from "../rows/counts.ts";
import { isCorrupt, unlessCorrupt } from "../rows/damage.ts";
import type { Row } from "../rows/rows.ts";
import type { BatchRows, LoadedRows } from "./batch-rows.ts";
import type { Careful } from "./careful.ts";

/** What comes of a batch that was written one by one. */
export type Written =
  | {
      readonly decided: ReturnType<typeof decideBatch>;
      /** By uid, the row ids of the counters that were made. */
      readonly made: ReadonlyMap<string, bigint>;
    }
  /**
   * A trigger has rolled the whole transaction back, or it met damage and is to be rolled back: for which operation that was
   * is among the vetoed, and it is begun anew.
   */
  | "rolled back";

/** Writes batches that SQLite refuses as a whole, or finds damaged where some of it goes. The caller owns the transaction. */
export class OneByOne {
  readonly #db: Database;
  readonly #group: Savepoint;
  readonly #step: Savepoint;
  readonly #count: Statement<{ id: bigint }, bigint>;
  readonly #orphan: Statement<[], unknown>;
  readonly #triggers: Statement<[], bigint>;

  constructor(db: Database) {
    this.#db = db;
    this.#group = new Savepoint(db, "tally_group");
    this.#step = new Savepoint(db, "tally_step");
    this.#count = db
      .prepare<{ id: bigint }, bigint>(
        "SELECT EXISTS (SELECT 1 FROM counts WHERE id = $id UNION ALL SELECT 1 FROM recent_counts WHERE id = $id)",
      )
      .pluck();
    this.#orphan = db.prepare("PRAGMA foreign_key_check");
    this.#triggers = db
      .prepare<[], bigint>("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'trigger')")
      .pluck();
  }

  /**
   * Write a batch's accepted operations one by one, each in a savepoint of its own: what a constraint or a trigger
   * refuses is refused with its name, what meets damage with ROW_CORRUPT, and the others are written.
   *
   * @param given.careful  what was refused before; what is refused now is put in here
   */
  write(
    rows: BatchRows,
    batch: Batch,
    loaded: LoadedRows,
    given: {
      readonly decide: typeof decideBatch;
      readonly context: Omit<Context, "vetoed">;
      readonly careful: Careful;
    },
  ): Written {
    const { facts } = loaded;
    const standing = [...loaded.rows];
    const made = new Map<string, bigint>();
    /** The rows before the all_or_nothing call that is being written, or was last. */
    let before: (Row | undefined)[] | undefined;
    const undoGroup = () => {
      this.#group.undo();
      standing.splice(0, standing.length, ...before!);
      before = undefined;
    };
    const steps = oneByOne(given.decide, batch, facts, given.context, given.careful.vetoed);
    for (let next = steps.next(); ; ) {
      if (next.done) return { decided: next.value, made };
      const step = next.value;
      if (step === UNDO_GROUP) {
        undoGroup();
        next = steps.next();
        continue;
      }
      if (step.beginsGroup) {
        if (before !== undefined) this.#group.release();
        before = [...standing];
        this.#group.set();
      }
      this.#step.set();
      const { index } = step;
      const row = standing[index];
      try {
        const written = rows.writeStep(step, facts.names[index]!, row);
        standing[index] = written;
        if (row === undefined || step.expired) made.set(written!.counter.uid, written!.id);
        if (given.careful.deferred && this.#orphan.get() !== undefined) throw new Deferred();
        this.#step.release();
        next = steps.next();
      } catch (error) {
        let objection = objectionIn(error);
        if (objection === undefined && !isCorrupt(error)) throw error;
        let lost = !this.#db.inTransaction;
        if (!lost) {
          this.#step.undo();
          // Before its group is undone, which may have made the row.
          if (this.#isSkipped(error, row)) objection = SKIPPED;
          lost = objection === undefined; // After damage SQLite writes nothing more in a transaction.
          if (!lost && step.inGroup) undoGroup();
        }
        next = steps.next(
          objection === undefined ? counterDamaged(step.op.name) : refusalOf(objection, step),
        );
        if (objection === undefined) given.careful.metByLast(batch);
        if (lost) return "rolled back";
      }
    }
  }

  /** Whether a row was not written because a trigger keeps it: one that should be there is, or it has rotted. */
  #isSkipped(error: unknown, row: Row | undefined): boolean {
    // A row of a timing was found when it was read: it has rotted, whatever else is there.
    if (!(error instanceof Missed) || error instanceof MissedTiming || this.#triggers.get() !== 1n)
      return false;
    return row === undefined || unlessCorrupt(() => this.#count.get({ id: row.id })) === 1n;
  }
}

class Savepoint {
  readonly #set: Statement;
  readonly #release: Statement;
  readonly #back: Statement;

  constructor(db: Database, name: string) {
    this.#set = db.prepare(`SAVEPOINT ${name}`);
    this.#release = db.prepare(`RELEASE ${name}`);
    this.#back = db.prepare(`ROLLBACK TO ${name}`);
  }

  set(): void {
    this.#set.run();
  }

  release(): void {
    this.#release.run();
  }

  undo(): void {
    this.#back.run();
    this.#release.run();
  }
}

/** RAISE(IGNORE) */
const SKIPPED = "a trigger that skips the row";

class Deferred extends Error {
  readonly code = "SQLITE_CONSTRAINT_FOREIGNKEY";
}

/**
 * What of the database's own has an objection to a row: the constraint, as far as SQLite's message tells, or what a
 * trigger says. Undefined when it is no objection.
 */
export function objectionIn(error: unknown): string | undefined {
  const { code, message } = error as { code?: string; message: string };
  if (code === "SQLITE_CONSTRAINT_FOREIGNKEY") return "a foreign key";
  if (!code?.startsWith("SQLITE_CONSTRAINT") && code !== "SQLITE_MISMATCH") return undefined;
  if (isCorrupt(error)) return undefined;
  return message.replace(/^CHECK constraint failed: /, "");
}
