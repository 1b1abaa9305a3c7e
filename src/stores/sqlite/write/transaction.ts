import type { Database, Statement } from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import type { WalBinding } from "../file/wal-binding.ts";
import type { Whereabouts } from "../file/whereabouts.ts";
import { damagedIn, isCorrupt } from "../rows/damage.ts";

/** The transaction of the connection that writes. */
export class Transaction {
  readonly #db: Database;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #whereabouts: Whereabouts;
  readonly #binding: WalBinding;

  constructor(db: Database, whereabouts: Whereabouts, binding: WalBinding) {
    this.#db = db;
    this.#whereabouts = whereabouts;
    this.#binding = binding;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#rollback = db.prepare("ROLLBACK");
  }

  /**
   * Before the first read: a SELECT on its own takes and drops a dozen file locks.
   *
   * @throws TallyError OUTCOME_UNKNOWN when the files are not those any more that were opened
   */
  begin(): void {
    this.#begin.run();
    this.#whereabouts.beforeWriting();
  }

  /**
   * @throws TallyError OUTCOME_UNKNOWN, also when what was committed is not in the files that are found at its path; or
   *   SQLite's error when the commit is certainly not on disk
   */
  commit(): void {
    const renews = this.#binding.isDue;
    if (renews) this.#binding.renew();
    try {
      this.#commit.run();
    } catch (cause) {
      // A write that found no room: the frame that commits is the last one, so the disk has no commit. Any other
      // failure may have come after it.
      const { code } = cause as { code?: string };
      if (code === "SQLITE_FULL") throw cause;
      if (code?.startsWith("SQLITE_CONSTRAINT")) throw cause; // What was deferred until then: nothing was written.
      if (code === "SQLITE_CORRUPT") throw cause; // It was read before: see `renew`. SQLite has rolled back.
      throw this.#whereabouts.lost(
        new TallyError("OUTCOME_UNKNOWN", "the commit failed, and may or may not be on disk", { cause }),
      );
    }
    this.#whereabouts.afterWriting();
    if (renews) this.#binding.isDue = false;
  }

  /**
   * After a read that met damage: in that transaction SQLite writes nothing any more, and refuses to commit. What was read
   * stays true, for nobody else writes; `begin` looks whether somebody did.
   */
  renew(): void {
    this.rollback();
    this.begin();
  }

  /** Also after an error: some of them have rolled back already. */
  rollback(): void {
    if (this.#db.inTransaction) this.#rollback.run();
    this.#whereabouts.rolledBack();
  }
}

/** What went wrong in a transaction, as a TallyError: errors before COMMIT saved nothing. */
export function asTallyError(error: unknown): unknown {
  const code = (error as { code?: string }).code;
  if (error instanceof TallyError || !code?.startsWith("SQLITE_")) return error;
  const message = isCorrupt(error)
    ? `the file is damaged in ${damagedIn(error) ?? "what this is written to"} (${code}), and nothing was saved: restore it ` +
      "from a backup, tally verify says what is damaged"
    : `SQLite refused to write (${code}); nothing was saved`;
  return new TallyError("STORE_UNAVAILABLE", message, { cause: error });
}
