import type { Database } from "better-sqlite3";
import type { StoredHead } from "../history/head.ts";
import { corrupt } from "../rows/damage.ts";
import type { Findings } from "./findings.ts";

/**
 * One part of a verification, in slices of some milliseconds. Each is whole by itself, so that each may see the file as of
 * another moment.
 */
export interface Walk {
  /** What it looks at, as people are told. */
  readonly part: string;
  /** How many rows it has looked at. */
  readonly rows: number;
  /** Look at some more. @returns  whether there is more */
  step(): boolean;
}

/** What walks are made of. */
export interface Looked {
  /** A connection that cannot write; the caller owns the transactions. */
  readonly db: Database;
  readonly findings: Findings;
}

/** What the walks through a history are made of. */
export interface LookedHistory {
  /** A connection to the history that cannot write, in one read transaction for all of them. */
  readonly db: Database;
  readonly head: StoredHead;
  readonly findings: Findings;
}

/**
 * Where to go on behind: the key of the last row that was looked at.
 *
 * @throws SQLITE_CORRUPT  where a b-tree gave what it had given before: the walk would never end
 */
export function behind(before: bigint, now: bigint | undefined): bigint {
  if (now === undefined || now > before) return now ?? before;
  throw outOfOrder();
}

/** The same of keys of texts. */
export function behindTexts(before: readonly string[], now: readonly string[]): void {
  for (const [i, text] of now.entries()) {
    const order = typeof text === "string" ? Buffer.compare(Buffer.from(text), Buffer.from(before[i]!)) : -1;
    if (order > 0) return;
    if (order < 0) break;
  }
  throw outOfOrder();
}

/** A b-tree gives what it had given before: as SQLite tells of damage that it finds. */
export function outOfOrder(): Error {
  return corrupt("rows are out of order");
}

/** Rows a slice; some 5 milliseconds. */
export const SLICE_ROWS = 500;

/** The lowest id that a row can have. */
export const LOWEST_ID = -(2n ** 63n);
