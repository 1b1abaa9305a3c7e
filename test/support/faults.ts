/**
 * What lies below a store fails, at the seam that the store has to it: a statement of SQLite's, a message to PostgreSQL,
 * the clock that memory goes by. Nothing of the product knows of it.
 */
import Database from "better-sqlite3";
import pg from "pg";
import type { HandClock } from "./clock.ts";

export interface Faults {
  /**
   * Do something, of which the step number `n` fails, from 1; the steps before have been done.
   *
   * @returns  what it threw, and which step failed; or "whole" when it has fewer steps
   */
  during(n: number, work: () => Promise<unknown>): Promise<{ error: unknown; step: string } | "whole">;
  /** Have nothing fail any more. */
  end(): void;
}

/** @param kind  the name of one of STORES, in this process: see openHere */
export function faultsBelow(kind: string, clock: HandClock): Faults {
  let left = Number.POSITIVE_INFINITY;
  let failed: string | undefined;
  /** Whether this step is the one that fails. */
  const fails = (step: string): boolean => {
    if (--left !== 0) return false;
    failed = step;
    return true;
  };
  const end = { memory: belowMemory, sqlite: belowSqlite, postgres: belowPostgres }[kind as "memory"](
    fails,
    clock,
  );
  return {
    async during(n, work) {
      left = n;
      failed = undefined;
      let error: unknown;
      try {
        await work();
      } catch (thrown) {
        error = thrown;
      } finally {
        left = Number.POSITIVE_INFINITY;
      }
      if (failed === undefined && error !== undefined) throw error;
      return failed === undefined ? "whole" : { error, step: failed };
    },
    end,
  };
}

type Fails = (step: string) => boolean;

function belowMemory(fails: Fails, clock: HandClock): () => void {
  for (const hand of ["now", "monotonic"] as const) {
    const real = clock[hand].bind(clock);
    clock[hand] = () => {
      if (fails(hand)) throw new Error(`the clock fails (${hand})`);
      return real();
    };
  }
  return () => {};
}

function belowSqlite(fails: Fails): () => void {
  const db = new Database(":memory:");
  const statement = Object.getPrototypeOf(db.prepare("SELECT 1")) as Record<
    string,
    (...args: unknown[]) => unknown
  >;
  const database = Database.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  db.close();
  const undo: (() => void)[] = [];
  const wrap = (of: typeof statement, method: string, nameOf: (that: object, args: unknown[]) => string) => {
    const real = of[method]!;
    of[method] = function (this: object, ...args: unknown[]) {
      // The one error of which it is certain, at COMMIT too, that nothing was written.
      if (fails(nameOf(this, args)))
        throw new Database.SqliteError("database or disk is full", "SQLITE_FULL");
      return real.apply(this, args);
    };
    undo.push(() => {
      of[method] = real;
    });
  };
  for (const method of ["run", "get", "all"])
    wrap(statement, method, (that) => (that as { source: string }).source);
  wrap(database, "exec", (_, [sql]) => sql as string);
  return () => {
    for (const each of undo) each();
  };
}

/** The server refuses it, as it would for want of room. */
const DISK_FULL = "DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$";

function belowPostgres(fails: Fails): () => void {
  const client = pg.Client.prototype as unknown as { query(asked: unknown, ...more: unknown[]): unknown };
  const real = client.query;
  client.query = function (asked, ...more) {
    const text = typeof asked === "string" ? asked : (asked as { text: string }).text;
    if (!fails(text)) return real.call(this, asked, ...more);
    return real.call(this, typeof asked === "string" ? DISK_FULL : { text: DISK_FULL }, ...more);
  };
  return () => {
    client.query = real;
  };
}
