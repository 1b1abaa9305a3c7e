/**
 * Why Tally says no. The names are those of `tally.v1.ErrorReason`, where each is explained; they are stable.
 * Which status each becomes stands in one table, in transports/status.ts.
 */
export const ERROR_CODES = [
  "MALFORMED_MESSAGE",
  "INVALID_FIELD",
  "MESSAGE_TOO_LARGE",
  "REQUEST_ID_REUSED",
  "COUNTER_NOT_FOUND",
  "COUNTER_EXISTS",
  "ETAG_MISMATCH",
  "ZONE_UNKNOWN",
  "SETTINGS_CONFLICT",
  "POLICY_NOT_FOUND",
  "TOO_MANY_POLICIES",
  "POLICIES_NOT_KEPT",
  "MONOTONIC",
  "ABOVE_MAX",
  "BELOW_MIN",
  "VALUE_OUTSIDE_BOUNDS",
  "CONSTRAINT_VIOLATED",
  "ROW_CORRUPT",
  "QUEUE_FULL",
  "REQUEST_IDS_FULL",
  "DEADLINE_PASSED",
  "CALL_CANCELLED",
  "DRAINING",
  "STORE_UNAVAILABLE",
  "OUTCOME_UNKNOWN",
  "INTERNAL_ERROR",
  "REPLY_TOO_LARGE",
  "PATH_NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "MEDIA_TYPE_NOT_SUPPORTED",
  "ORIGIN_NOT_ALLOWED",
  "HOST_NOT_ALLOWED",
  "PRECONDITION_FAILED",
  "ENCODING_NOT_SUPPORTED",
  "PERMISSION_DENIED",
  "CREDENTIAL_MISSING",
  "CREDENTIAL_INVALID",
  "CREDENTIAL_AMBIGUOUS",
  "CREDENTIAL_EXPIRED",
  "CREDENTIAL_REVOKED",
  "RATE_LIMITED",
  "AUTH_UNAVAILABLE",
  "AUTH_STALE",
  "AUTH_OFF",
  "PRINCIPAL_NOT_FOUND",
  "PRINCIPAL_EXISTS",
  "TOO_MANY_PRINCIPALS",
  "API_KEY_NOT_FOUND",
  "TOO_MANY_KEYS",
  "BINDING_NOT_FOUND",
  "BINDING_EXISTS",
  "LIMIT_NOT_FOUND",
  "HISTORY_OFF",
  "HISTORY_EXPIRED",
  "HISTORY_TOO_LARGE",
  "NOT_ONE_MESSAGE",
  "COMPRESSION_UNSAID",
  "BACKUP_UNSUPPORTED",
  "BACKUP_FAILED",
  "VERIFY_UNSUPPORTED",
  "VERIFY_FAILED",
] as const;

/** One of them. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * A refusal that the caller can cause or mend: a value, not an exception. It changed nothing.
 *
 * Plain data, so that it crosses threads. Which numbers are there depends on the code; each is one that the
 * message mentions.
 */
export interface Refusal {
  readonly code: ErrorCode;
  /** The counter's value when it was judged. */
  readonly value?: bigint;
  /** The bound that was in the way (int64's own when the counter has none). */
  readonly min?: bigint;
  readonly max?: bigint;
  /** The amount or value that was asked for; of a message that is too large, its size in bytes (`max`: the most accepted, as for a reply). */
  readonly requested?: bigint;
  /** The field of the request that is at fault. */
  readonly field?: string;
  /** The part of the request that is malformed, where it is not its body: "query"; what there would be too many of; what is damaged: a DamagedPart. */
  readonly part?: string;
  /** The name of the counter that it is about, where that is told beside its number in a batch: of one that is damaged. */
  readonly name?: string;
  /** What the field must be, as a clause: "must be 1 to 64 characters of printable ASCII". */
  readonly expected?: string;
  /** What it was instead, shortened to at most 60 bytes. */
  readonly got?: string;
  /** The name of the database's own constraint that was in the way; at most 63 bytes in one line. */
  readonly constraint?: string;
  /** The time zone that is not known here: up to 64 bytes of ASCII. */
  readonly zone?: string;
  /** What a caller lacks: a word of core/permissions.ts. */
  readonly permission?: string;
  /** The prefixes on which it has that, up to ten. */
  readonly prefixes?: readonly string[];
  /** The counter's etag when it was judged. */
  readonly etag?: string;
  /** Its settings_etag, when it is that which differs. */
  readonly settingsEtag?: string;
  /** In an all_or_nothing batch: the position of the operation that was refused, from 0. */
  readonly index?: number;
  /** The first instant of which there is history for steps such as these: milliseconds since the Unix epoch. */
  readonly oldest?: number;
  /** When to try again, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The call was done in part, slice by slice: what it has told stands. */
  readonly midway?: true;
  /** The call would have changed nothing, so there is nothing to be sure of. */
  readonly reads?: true;
  /** Of a take: the limit is only tried out, and refuses nothing. */
  readonly shadow?: true;
}

/** What happened, what was expected, what to do: one or two sentences without the counter's name, at most 200 bytes. */
export function messageOf(refusal: Refusal): string {
  const { value, min, max, requested, field } = refusal;
  if (refusal.midway) return `${MIDWAY[refusal.code] ?? `The call ended (${refusal.code})`}${WHAT_STANDS}`;
  switch (refusal.code) {
    case "MALFORMED_MESSAGE":
    case "NOT_ONE_MESSAGE":
    case "COMPRESSION_UNSAID":
      if (refusal.expected !== undefined)
        return `The ${refusal.part ?? "body"} ${refusal.expected}; nothing was applied.`;
      return "The bytes are not a valid Protobuf message of this method's request type; nothing was applied.";
    case "INVALID_FIELD":
      return `${field} ${refusal.expected ?? "is not valid"}${refusal.got === undefined ? "" : `, got ${refusal.got}`}; nothing was applied.`;
    case "MESSAGE_TOO_LARGE":
      if (requested === undefined) {
        return `The message is above the ${max} bytes that this method accepts; nothing was applied. Split it.`;
      }
      return `The message has ${requested} bytes and this method accepts ${max}; nothing was applied. Split it.`;
    case "REQUEST_ID_REUSED":
      return `This request_id was used for another request, which differs in ${field}; use a new id for a new request.`;
    case "COUNTER_NOT_FOUND":
      if (refusal.expected !== undefined) return `No counter has this name; ${refusal.expected}.`;
      return "No counter has this name; create it first, or increment or set it without must_exist.";
    case "COUNTER_EXISTS":
      return "A counter with this name exists already; nothing was changed.";
    case "ETAG_MISMATCH":
      return refusal.settingsEtag === undefined
        ? "What this etag names has changed since it was read, or is gone; read it again and send the new etag."
        : "The settings changed since this settings_etag was read; read them again and send the new settings_etag.";
    case "ZONE_UNKNOWN":
      return `The counter's window has ended, and this server does not know its time zone ${refusal.zone}; nothing was changed. Give it another window.`;
    case "SETTINGS_CONFLICT":
      return `${field} ${refusal.expected}; nothing was changed.`;
    case "POLICY_NOT_FOUND":
      return `${refusal.expected ?? "No policy has this prefix"}; nothing was changed.`;
    case "TOO_MANY_POLICIES":
      return `There are ${max} policies already, and more are not kept; nothing was changed.`;
    case "POLICIES_NOT_KEPT":
      return "The store that keeps the counters keeps no policies; nothing was changed.";
    case "MONOTONIC":
      return `The counter is monotonic: its value ${value} never goes down${requested === undefined ? "" : ` to ${requested}`}.`;
    case "ABOVE_MAX":
      return `${value} + ${requested} is above the maximum ${max}; the value stays ${value}.`;
    case "BELOW_MIN":
      return `${value} - ${requested} is below the minimum ${min}; the value stays ${value}.`;
    case "VALUE_OUTSIDE_BOUNDS":
      return `${field ?? "value"} ${requested} is outside the bounds ${min ?? "-2^63"} to ${max ?? "2^63-1"}; nothing was changed.`;
    case "CONSTRAINT_VIOLATED":
      return `The database that keeps the counters has a constraint of its own against this: ${refusal.constraint}; nothing was changed.`;
    case "ROW_CORRUPT":
      if (refusal.part === "policies")
        return "A policy is damaged, so nobody can tell which one a new counter is to follow. Say its settings (if_missing, CreateCounter), or restore the store from a backup.";
      if (refusal.part === "principals")
        return "What is stored under this name or id is damaged, or of a newer version, and stands for nobody; delete it, or restore the store from a backup.";
      if (refusal.part === "request_id")
        return "What is kept under this request_id, or would be, is damaged: nobody can tell whether it was applied before, and it was not by this try. Restore the store from a backup.";
      if (refusal.part === "counters")
        return "What leads to these counters is damaged, and nobody can tell which are missing; `tally verify` says what is damaged, restore the store from a backup.";
      return "What is stored of this counter or request_id is damaged, or was changed by hand, so it is neither read nor written; restore it from a backup, or see `tally accept`.";
    case "QUEUE_FULL":
      return "Too many calls are waiting and this one was not applied; retry after the given delay.";
    case "REQUEST_IDS_FULL":
      return "The store of request ids is full and may not forget any yet; not applied. Retry after the given delay.";
    case "DEADLINE_PASSED":
      if (refusal.expected !== undefined) return `The request ${refusal.expected}; it was not applied.`;
      return "The deadline passed before the change was started; it was not applied.";
    case "CALL_CANCELLED":
      return "The call was cancelled before the change was started; it was not applied.";
    case "DRAINING":
      return "The service is shutting down and did not apply this; retry on another connection.";
    case "STORE_UNAVAILABLE":
      if (refusal.retryAfterMs !== undefined) {
        return "Another session of the database has locked this; it was certainly not applied. Retry with the same request_id, after the given delay.";
      }
      if (refusal.reads) return "The store could not be read just now; nothing was changed. Ask again.";
      return "The store could not take this and certainly did not apply it; retry with the same request_id.";
    case "OUTCOME_UNKNOWN":
      return "The store failed while committing: this may or may not be applied. Retry with the same request_id.";
    case "INTERNAL_ERROR":
      return "A defect in Tally; this was not applied. The server's log has the details.";
    case "REPLY_TOO_LARGE":
      return `The answer would be larger than the ${max} bytes that clients accept; ask for fewer counters.`;
    case "PATH_NOT_FOUND":
      if (refusal.expected !== undefined) return `Nothing is served at this path; ${refusal.expected}.`;
      return "Nothing is served at this path; /openapi.json lists what is.";
    case "METHOD_NOT_ALLOWED":
      return `This path does not take ${refusal.got}; ${refusal.expected}. Nothing was applied.`;
    case "MEDIA_TYPE_NOT_SUPPORTED":
      return `The content-type ${refusal.expected}, got ${refusal.got}; nothing was applied.`;
    case "ORIGIN_NOT_ALLOWED":
      return `Pages from ${refusal.got} may not call this server; allow their origin with --allow-origin. Nothing was applied.`;
    case "HOST_NOT_ALLOWED":
      return `This server does not answer to the name ${refusal.got}; ask by an IP address or as localhost, or list the name with --host-names. Nothing was applied.`;
    case "PRECONDITION_FAILED":
      return "The counter is not what If-Match names, so it is not sent; read it without a condition for what it is now.";
    case "ENCODING_NOT_SUPPORTED":
      return `The message is compressed with ${refusal.got}, and ${refusal.expected}; nothing was applied.`;
    case "CREDENTIAL_MISSING":
      return "No credential came with the request; send an API key or a token as `authorization: Bearer ...`. Nothing was applied by this try.";
    case "CREDENTIAL_INVALID":
      return "The credential is not one that is good here; check what is sent in `authorization`. Nothing was applied by this try.";
    case "CREDENTIAL_AMBIGUOUS":
      return "More than one credential came with the request; send one. Nothing was applied by this try.";
    case "CREDENTIAL_EXPIRED":
      return "The credential has expired; take a new one. Nothing was applied by this try.";
    case "CREDENTIAL_REVOKED":
      return "The API key was revoked, or its principal is disabled; ask who gave it to you. Nothing was applied by this try.";
    case "PERMISSION_DENIED":
      return `The caller may not do this: ${refusal.expected}. Nothing was applied by this try.`;
    case "RATE_LIMITED":
      return "The caller calls more often than it may; retry after the given delay. Nothing was applied by this try.";
    case "AUTH_UNAVAILABLE":
      return "The issuer of the token could not be asked for its keys yet, so the token cannot be checked; retry. Nothing was applied by this try.";
    case "AUTH_STALE":
      return "This server could not read for ten seconds who may call; retry, or ask another one. Nothing was applied by this try.";
    case "BACKUP_UNSUPPORTED":
      return `This store is not backed up by Tally; ${refusal.expected ?? "use the means of its database"}.`;
    case "BACKUP_FAILED":
      return `No backup was made: ${refusal.expected ?? "look into the server's log"}.`;
    case "VERIFY_UNSUPPORTED":
      return `This store is not verified by Tally; ${refusal.expected ?? "use the means of its database"}.`;
    case "VERIFY_FAILED":
      return `Not all of the store was looked at: ${refusal.expected ?? "look into the server's log"}. Nothing was changed.`;
    case "AUTH_OFF":
      return "This is served only where callers have to say who they are, and the server's setting auth is off; nothing was changed.";
    case "PRINCIPAL_NOT_FOUND":
      return "No principal has this name; nothing was changed.";
    case "PRINCIPAL_EXISTS":
      return "A principal with this name exists already; nothing was changed.";
    case "TOO_MANY_PRINCIPALS":
      return `There are ${max} principals already, and more are not kept; nothing was changed.`;
    case "API_KEY_NOT_FOUND":
      return "No API key has this id; nothing was changed.";
    case "TOO_MANY_KEYS":
      return `The principal has ${max} API keys that are neither revoked nor expired; revoke one first. Nothing was changed.`;
    case "BINDING_NOT_FOUND":
      return "Nothing is bound to this name; nothing was changed.";
    case "BINDING_EXISTS":
      return "The name is bound to another principal; take that binding away first. Nothing was changed.";
    case "LIMIT_NOT_FOUND":
      if (refusal.expected !== undefined)
        return `No counter has this name, so there is no limit; ${refusal.expected}. Nothing was changed.`;
      return "No counter with a max has this name, so there is no limit to take from or to give back to; nothing was changed.";
    case "HISTORY_OFF":
      return `There is no history here: ${refusal.expected}.`;
    case "HISTORY_EXPIRED":
      return `History is kept for a time, and for steps as fine as this from ${instantText(refusal.oldest ?? 0)} on; ${refusal.expected}.`;
    case "HISTORY_TOO_LARGE":
      return `This would take more than ${max} ${refusal.part}; ${refusal.expected}.`;
  }
}

/** What of a store is damaged where something is refused as ROW_CORRUPT. */
export type DamagedPart =
  /** What is stored of one counter, or would be. */
  | "counter"
  /** What leads to counters: which ones are concerned, nobody can tell. */
  | "counters"
  /** What is kept under a request id, or would be. */
  | "request_id"
  | "policies"
  | "principals"
  | "catalogue"
  | "change_log"
  | "history";

/** Of a counter of which what is stored is damaged. */
export function counterDamaged(name: string): Refusal {
  return { code: "ROW_CORRUPT", part: "counter", name };
}

/** Why a call was ended that had done some of its work. */
const MIDWAY: Partial<Record<ErrorCode, string>> = {
  DRAINING: "The service is shutting down",
  DEADLINE_PASSED: "The deadline passed",
  CALL_CANCELLED: "The call was cancelled",
  STORE_UNAVAILABLE: "The store could not go on",
  OUTCOME_UNKNOWN: "The store failed while committing",
  INTERNAL_ERROR: "A defect in Tally",
  PERMISSION_DENIED: "The caller may not do this any longer",
  CREDENTIAL_REVOKED: "The API key was revoked, or its principal is disabled",
  CREDENTIAL_EXPIRED: "The credential has expired",
};

const WHAT_STANDS =
  "; what was told as done stands, and up to one slice more may be done. Call again with `after` to go on.";

/** Milliseconds since the Unix epoch as RFC 3339 has them, to the second where they are whole ones: "2026-03-01T00:00:00Z". */
export function instantText(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/**
 * A failure of the world (disk, network, another process), as opposed to a refusal.
 *
 * `OUTCOME_UNKNOWN` says that a change may or may not be saved; every other code says that it is not.
 */
export class TallyError extends Error {
  override readonly name = "TallyError";
  readonly code: ErrorCode;
  /** Of ROW_CORRUPT: what is damaged, as far as it is known. */
  readonly part: DamagedPart | undefined;
  /** @param cause  for the log only; never shown to a caller */
  constructor(
    code: ErrorCode,
    message: string,
    { part, ...options }: { cause?: unknown; part?: DamagedPart | undefined } = {},
  ) {
    super(message, options);
    this.code = code;
    this.part = part;
  }
}
