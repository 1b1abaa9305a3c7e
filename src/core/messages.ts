import type { ErrorCode, Refusal } from "./errors.ts";

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
