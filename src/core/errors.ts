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
