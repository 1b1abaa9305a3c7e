import { randomBytes, randomUUID } from "node:crypto";
import { TallyError } from "../../core/errors.ts";
import { beginWaiting, type Database } from "./connection/database.ts";
import { reasonOf } from "./connection/errors.ts";
import type { Row, Session, Statement } from "./connection/session.ts";
import {
  accessStatement,
  accessValues,
  assertReads,
  assertWrites,
  Hindered,
  toAccess,
} from "./schema/access.ts";

/**
 * Finds out whether reads are answered and changes taken: a round trip each, on a connection of those that reads and
 * commits have, so that what keeps them waiting is met here too.
 */
export class Probe {
  readonly #database: Database;
  readonly #access: Statement;
  readonly #read: Statement;
  readonly #lock: Statement;
  readonly #lookInto: Statement;
  readonly #write: Statement;

  constructor(database: Database) {
    this.#database = database;
    this.#access = accessStatement(database);
    this.#read = database.statement("SELECT (SELECT id FROM @counters LIMIT 1), run_ms FROM @service_state");
    this.#lock = database.statement(`LOCK TABLE ${WRITTEN.join(", ")} IN ROW EXCLUSIVE MODE`);
    this.#lookInto = database.statement(`LOCK TABLE ${LOOKED_INTO.join(", ")} IN ACCESS SHARE MODE`);
    this.#write = database.statement(
      "INSERT INTO @request_ids (key, generation, record) VALUES ($1, -1, $2)",
    );
  }

  /** See Store.probeReads. */
  async reads(): Promise<void> {
    const { schema } = this.#database;
    await this.#ask("reads", async (session) => {
      const [access, found] = await Promise.allSettled([
        session.send(this.#access, accessValues(this.#database), ASKED),
        session.send(this.#read, [], ASKED),
      ]);
      assertReads(toAccess(settledValue(access)), schema);
      settledValue(found);
    });
  }

  /**
   * See Store.probeWrites. That a table is locked, or the server a standby, shows without writing; that its disk is
   * full does not, so that where this is to be found out something is written that reaches new pages, and rolled back.
   *
   * It goes by what every change needs, for balancers take away whoever is not ready: who locks what labels, deletions or
   * upkeep alone write to keeps those waiting, and nothing else.
   */
  async writes(thorough: boolean): Promise<void> {
    const { schema } = this.#database;
    await this.#ask("commits", async (session) => {
      const [access, began, locked, lookedInto, written] = await Promise.allSettled([
        session.send(this.#access, accessValues(this.#database), ASKED),
        session.simply(beginWaiting(LOCK_MS), TIMEOUT_MS),
        session.send(this.#lock, [], ASKED),
        session.send(this.#lookInto, [], ASKED),
        thorough && session.send(this.#write, [`probe ${randomUUID()}`, randomBytes(PROBE_BYTES)], ASKED),
      ]);
      await session.rollback();
      assertWrites(toAccess(settledValue(access)), schema);
      for (const each of [began, locked, lookedInto, written]) settledValue<unknown>(each);
    });
  }

  async #ask(as: "reads" | "commits", work: (session: Session) => Promise<void>): Promise<void> {
    try {
      await this.#database.probe(as, work);
    } catch (error) {
      const cause = error instanceof TallyError ? error.cause : error;
      if (cause === undefined || error instanceof Hindered) throw error; // It is a sentence already.
      throw new TallyError("STORE_UNAVAILABLE", reasonOf(cause), { cause });
    }
  }
}

function settledValue<T = readonly Row[]>(settled: PromiseSettledResult<T>): T {
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}

/** What a change with a request id writes to, whatever it does to which counter. */
const WRITTEN = ["@counters", "@change_log", "@request_ids"];

/** What it reads besides. A role with only what Tally needs may lock these, and those, so. */
const LOOKED_INTO = ["@request_id_generations", "@catalogue_state", "@copying"];

/** Longer than a lock is waited for, by reads too. */
const TIMEOUT_MS = 3_000;
const LOCK_MS = 1_000;
const ASKED = { prepared: false, timeoutMs: TIMEOUT_MS };

/** More than the pages of a table have free. */
const PROBE_BYTES = 65_536;
