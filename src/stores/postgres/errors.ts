import { TallyError } from "../../core/errors.ts";

/** What PostgreSQL answers with; of a lost connection there is no SQLSTATE. */
interface ServerError extends Error {
  /** An SQLSTATE of five characters, or Node's code for a network error. */
  readonly code?: string;
  readonly severity?: string;
  readonly constraint?: string;
}

/** The server's own answer, as opposed to a connection that failed: the statement certainly did nothing. */
export function isAnswer(error: unknown): boolean {
  return (error as ServerError).severity !== undefined;
}

/**
 * Another process was quicker, or a pooler mixed up prepared statements: nothing was saved, and the same again may
 * well succeed.
 */
export function isConflict(error: unknown): boolean {
  return CONFLICTS.has((error as ServerError).code ?? "") || isUnprepared(error);
}

/** A statement that was prepared on this connection is not there, or one that was not is. */
export function isUnprepared(error: unknown): boolean {
  return UNPREPARED.has((error as ServerError).code ?? "");
}

/**
 * The connection has ended, and what it was asked was not answered. Before COMMIT was sent, that certainly did nothing.
 * Not when the time for an answer was over: to ask again would take as long.
 */
export function isLost(error: unknown): boolean {
  if (error instanceof TallyError || error instanceof TypeError) return false;
  const { code = "", message, severity } = error as ServerError;
  if (severity !== undefined) return ENDED.test(code) || severity === "FATAL" || severity === "PANIC";
  return error instanceof Error && !/timeout/i.test(message) && (NETWORK.test(code) || DRIVER.test(message));
}

/** The connection had ended before a statement was to be sent: the server has not got it. */
export function isUnsent(error: unknown): boolean {
  return isLost(error) && (error as ServerError).message === UNSENT;
}

/** Nobody is there to connect to, or he takes no connections now: it may be otherwise in a moment. */
export function isAway(error: unknown): boolean {
  const { code = "" } = error as ServerError;
  return isLost(error) && !REFUSED.test(code);
}

/** A lock that another session holds was waited for as long as it may be: nothing was saved. */
export function isLockTimeout(error: unknown): boolean {
  return (error as ServerError).code === "55P03";
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
  return new TallyError("STORE_UNAVAILABLE", `${reasonOf(error)}; nothing was saved`, { cause: error });
}

/** What is in the way, in a phrase for everybody: nothing of the server's own words, which name people and hosts. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as ServerError;
  const known = REASONS.find(([codes]) => codes.test(code ?? ""))?.[1];
  if (known !== undefined) return `PostgreSQL ${known} (${code})`;
  if (code !== undefined) return `PostgreSQL could not do it (${code})`;
  return /timeout/i.test(message) ? "PostgreSQL does not answer in time" : "PostgreSQL ended the connection";
}

/** By SQLSTATE, or Node's code for a network error. */
const REASONS: readonly (readonly [codes: RegExp, phrase: string])[] = [
  [/^53100$/, "has no room left on its disk"],
  [/^53300$/, "has no connection free"],
  [/^53/, "lacks resources"],
  [/^57P03$/, "is starting or stopping"],
  [/^(57P0[1-5]|25P0[34]|08...|ECONNRESET|EPIPE)$/, "ended the connection"],
  [/^57014$/, "was told to cancel it"],
  [/^(28...)$/, "does not let this server in"],
  [/^(3D000|3F000|42P01|42703)$/, "does not have the database or the tables as they were"],
  [/^42501$/, "does not give the privileges that are needed; the log names them"],
  [/^25006$/, "takes no writes: it is a standby, or read-only"],
  [/^55P03$/, "has a lock on it that another session does not let go of"],
  [/^E[A-Z_]+$/, "cannot be reached"],
];

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

/** The server, or a pooler, ends the connection with this. */
const ENDED = /^(08...|57P0[1-5]|25P0[34])$/;

const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EAI_AGAIN)/;

/** Who is let in, and into which database. */
const REFUSED = /^(28...|3D000|42501)$/;

/** What pg says of a connection that it knows to have ended. */
const UNSENT = "Client has encountered a connection error and is not queryable";

/** What pg says of connections without a code. */
const DRIVER = /connection|timeout|client|socket|pool/i;
