import { TallyError } from "../../core/errors.ts";
import type { Database } from "./connection/database.ts";
import type { Row } from "./connection/session.ts";

/**
 * Keeps whoever serves a store and who copies it apart.
 *
 * A copy holds an advisory lock of PostgreSQL alone, in a transaction that lasts as long as the copy; each transaction
 * that serves takes it shared. In transactions, because a lock of a session is nobody's behind a pooler. So servers that
 * run while a copy does are told so at their next commit, and one that starts, at once.
 */
export const COPY_LOCK = (schema: string) => `hashtextextended('tally copy ${schema}', 0)`;

/** The columns by which a transaction that serves knows whether it may: see `assertServed`. */
export const SERVING_COLUMNS = (schema: string) =>
  `pg_try_advisory_xact_lock_shared(${COPY_LOCK(schema)}) AS free, (SELECT ended FROM @copying) AS copied`;

/** Refuse to serve while a copy has the store, or has left it half. @throws TallyError STORE_UNAVAILABLE */
export function assertServed({ free, copied }: Row): void {
  if (free !== true) {
    throw new TallyError("STORE_UNAVAILABLE", "a copy has the store; nothing was saved", {
      cause: taken(),
    });
  }
  if (copied === false) throw halfCopied();
}

/** Refuse a store that has half a copy, and to serve one that a copy has. @param held  by this process, for its copy */
export async function assertServable(database: Database, held: boolean): Promise<void> {
  const [row] = await database.read(database.statement(`SELECT ${SERVING_COLUMNS(database.schema)}`));
  assertServed(held ? { ...row, free: true } : row!);
}

export function halfCopied(): TallyError {
  return new TallyError("STORE_UNAVAILABLE", HALF);
}

/** There is more in the store now than what was copied into it. */
export const SERVED =
  "UPDATE @copying SET source_id = NULL, source_state = NULL, progress = NULL, ended = NULL";

/** PostgreSQL's own code for object_in_use. */
function taken(): Error {
  return Object.assign(new Error("the copy lock is taken"), { code: "55006" });
}

const HALF =
  "A copy into this store was begun and has not ended: run the same `tally copy` again to end it, or give Tally " +
  "another store.";

/** The store, held for a copy. */
export interface CopyHold {
  /** @throws TallyError STORE_UNAVAILABLE  when the connection that held it was lost */
  assertHeld(): Promise<void>;
  release(): Promise<void>;
}

/** @throws the server's error, or TallyError, when another process copies the store */
export async function holdForCopy(database: Database): Promise<CopyHold> {
  const session = await database.commitSession();
  const released = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const lock = database.statement(`SELECT pg_advisory_xact_lock(${COPY_LOCK(database.schema)})`);
  const alive = database.statement("SELECT 1");
  const used = session.use(async () => {
    await session.simply(
      "BEGIN; SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = 0",
    );
    await session.send(lock);
    held.resolve();
    await released.promise;
    await session.rollback();
  });
  used.catch((error) => held.reject((error as { code?: string }).code === "55P03" ? taken() : error));
  await held.promise;
  return {
    async assertHeld() {
      try {
        await session.send(alive);
      } catch (cause) {
        throw new TallyError("STORE_UNAVAILABLE", "the connection that kept servers away was lost", {
          cause,
        });
      }
    },
    async release() {
      released.resolve();
      await used;
    },
  };
}
