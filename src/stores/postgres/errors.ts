import { TallyError } from "../../core/errors.ts";

/** What PostgreSQL answers with; of a lost connection there is no SQLSTATE. */
interface ServerError extends Error {
  /** An SQLSTATE of five characters, or Node's code for a network error. */
  readonly code?: string;
  readonly severity?: string;
  readonly constraint?: string;
  /** The function in the server's source that said it. */
  readonly routine?: string;
}

/** The server's own answer, as opposed to a connection that failed: the statement certainly did nothing. */
export function isAnswer(error: unknown): boolean {
  return (error as ServerError).severity !== undefined;
}

/**
 * Another process was quicker, a pooler mixed up prepared statements, or the tables have changed: nothing was saved,
 * and the same again may well succeed.
 */
export function isConflict(error: unknown): boolean {
  return CONFLICTS.has((error as ServerError).code ?? "") || isUnprepared(error) || isStale(error);
}

/** A statement that was prepared on this connection is not there, or one that was not is. */
export function isUnprepared(error: unknown): boolean {
  return UNPREPARED.has((error as ServerError).code ?? "");
}

/** What a statement was prepared for is not there as it was: a column has another type, say. */
export function isStale(error: unknown): boolean {
  const { code, routine } = error as ServerError;
  return code === "0A000" && routine === "RevalidateCachedQuery"; // The code has many other meanings.
}

/** The name of the CHECK that refused, if one did. */
export function checkViolated(error: unknown): string | undefined {
  const { code, constraint } = error as ServerError;
  return code === "23514" ? (constraint ?? "") : undefined;
}

/** An error of the driver or the server, after which nothing was saved. */
export function toStoreError(error: unknown): unknown {
  if (error instanceof TallyError || error instanceof TypeError) return error; // A TypeError is a defect of ours.
  const { code, message } = error as ServerError;
  if (code === undefined && !(error instanceof Error && DRIVER.test(message))) return error; // And so is this.
  return new TallyError(
    "STORE_UNAVAILABLE",
    `PostgreSQL could not do it (${code ?? message}); nothing was saved`,
    {
      cause: error,
    },
  );
}

/** See https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONFLICTS = new Set([
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "23505", // unique_violation: a request id, or a counter, that another process saved meanwhile
  "22012", // division_by_zero: how our statements say that they did not find what they were to change
]);

const UNPREPARED = new Set([
  "26000", // invalid_sql_statement_name
  "42P05", // duplicate_prepared_statement
]);

/** What pg says of connections without a code. */
const DRIVER = /connection|timeout|client|socket|pool/i;
