import { TallyError } from "../../../core/errors.ts";

/** What PostgreSQL answers with; of a lost connection there is no SQLSTATE. */
interface ServerError extends Error {
  /** An SQLSTATE of five characters, or Node's code for a network error. */
  readonly code?: string;
  readonly severity?: string;
  readonly constraint?: string;
  readonly column?: string;
  /** Where in a function of the database it was. */
  readonly where?: string;
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
  const { code = "", constraint } = error as ServerError;
  if (code === "23505") return isOurs(constraint); // A request id, or a counter, that another saved meanwhile.
  return CONFLICTS.has(code) || isUnprepared(error) || isStale(error);
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

/** What a statement was prepared for is not there as it was: a column has another type, say. */
export function isStale(error: unknown): boolean {
  const { code, routine } = error as ServerError;
  return code === "0A000" && routine === "RevalidateCachedQuery"; // The code has many other meanings.
}

/** One of our statements did not make the row that it was to make, and divided by zero: another process has, or a trigger keeps it. */
export function isUnexpected(error: unknown): boolean {
  return (error as ServerError).code === "22012";
}

/** It did not change a row that is there and locked, and took the root of -1: a trigger or rule keeps it. */
export function isSkipped(error: unknown): boolean {
  return (error as ServerError).code === "2201F";
}

/**
 * What of the database's own has an objection to a row: the name of a constraint; or of a trigger's function and what
 * it says, a policy or a column, which have no such name. Undefined when it is no objection.
 */
export function objectionIn(error: unknown): string | undefined {
  const { code = "", message, constraint, column, where = "", routine, severity } = error as ServerError;
  if (severity === undefined || code === "40P01" || (code === "23505" && isOurs(constraint)))
    return undefined;
  if (code.startsWith("23") && constraint) return constraint;
  if (code === "23502") return `NOT NULL of the column ${column}`;
  if (routine === "ExecWithCheckOptions") return message; // Row level security; 42501 is also said of privileges.
  const [, called] = /^(?:PL\/\w+|SQL) function ("[^"]*"|[^\s(]+)/m.exec(where) ?? [];
  if (called !== undefined && !OF_THE_MOMENT.test(code)) return `${called}: ${message}`;
  return /^(?:23|22|44|P0)/.test(code) && code !== "22012" && code !== "2201F" ? message : undefined;
}

/** What says nothing of the row, wherever it comes from: a lock, a lack, the end of a connection. */
const OF_THE_MOMENT = /^(?:08|25|40|53|55|57|58|XX)/;

/** Whether it is the key of a table of ours, where another process may have been quicker. */
function isOurs(constraint = ""): boolean {
  return /^(?:counters|counter_labels|change_log|change_openings|deleted_counters|request_ids|request_id_generations)_(?:pkey|by_name|by_position)$/.test(
    constraint,
  );
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
