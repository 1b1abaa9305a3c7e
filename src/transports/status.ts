import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "../../gen/google/rpc/code_pb.ts";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { type Refusal as RefusalMessage, RefusalSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { type ErrorCode, type Refusal, TallyError } from "../core/errors.ts";
import { instantText, messageOf } from "../core/messages.ts";
import type { Refused } from "./calls/call.ts";

/** What each error code is on the wire: the status of gRPC and the one of HTTP. */
export const STATUS: Readonly<Record<ErrorCode, { readonly grpc: Code; readonly http: number }>> = {
  MALFORMED_MESSAGE: { grpc: Code.INVALID_ARGUMENT, http: 400 },
  INVALID_FIELD: { grpc: Code.INVALID_ARGUMENT, http: 400 },
  MESSAGE_TOO_LARGE: { grpc: Code.RESOURCE_EXHAUSTED, http: 413 },
  REQUEST_ID_REUSED: { grpc: Code.INVALID_ARGUMENT, http: 400 },
  COUNTER_NOT_FOUND: { grpc: Code.NOT_FOUND, http: 404 },
  COUNTER_EXISTS: { grpc: Code.ALREADY_EXISTS, http: 409 },
  ETAG_MISMATCH: { grpc: Code.ABORTED, http: 409 },
  ZONE_UNKNOWN: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  SETTINGS_CONFLICT: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  POLICY_NOT_FOUND: { grpc: Code.NOT_FOUND, http: 404 },
  TOO_MANY_POLICIES: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  POLICIES_NOT_KEPT: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  MONOTONIC: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  ABOVE_MAX: { grpc: Code.OUT_OF_RANGE, http: 400 },
  BELOW_MIN: { grpc: Code.OUT_OF_RANGE, http: 400 },
  VALUE_OUTSIDE_BOUNDS: { grpc: Code.OUT_OF_RANGE, http: 400 },
  CONSTRAINT_VIOLATED: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  ROW_CORRUPT: { grpc: Code.DATA_LOSS, http: 500 },
  QUEUE_FULL: { grpc: Code.RESOURCE_EXHAUSTED, http: 429 },
  REQUEST_IDS_FULL: { grpc: Code.RESOURCE_EXHAUSTED, http: 429 },
  DEADLINE_PASSED: { grpc: Code.DEADLINE_EXCEEDED, http: 504 },
  CALL_CANCELLED: { grpc: Code.CANCELLED, http: 499 },
  DRAINING: { grpc: Code.UNAVAILABLE, http: 503 },
  STORE_UNAVAILABLE: { grpc: Code.UNAVAILABLE, http: 503 },
  OUTCOME_UNKNOWN: { grpc: Code.UNAVAILABLE, http: 503 },
  INTERNAL_ERROR: { grpc: Code.INTERNAL, http: 500 },
  REPLY_TOO_LARGE: { grpc: Code.RESOURCE_EXHAUSTED, http: 413 },
  PATH_NOT_FOUND: { grpc: Code.NOT_FOUND, http: 404 },
  METHOD_NOT_ALLOWED: { grpc: Code.UNIMPLEMENTED, http: 405 },
  MEDIA_TYPE_NOT_SUPPORTED: { grpc: Code.INVALID_ARGUMENT, http: 415 },
  ORIGIN_NOT_ALLOWED: { grpc: Code.PERMISSION_DENIED, http: 403 },
  HOST_NOT_ALLOWED: { grpc: Code.PERMISSION_DENIED, http: 403 },
  PRECONDITION_FAILED: { grpc: Code.FAILED_PRECONDITION, http: 412 },
  ENCODING_NOT_SUPPORTED: { grpc: Code.UNIMPLEMENTED, http: 415 },
  PERMISSION_DENIED: { grpc: Code.PERMISSION_DENIED, http: 403 },
  CREDENTIAL_MISSING: { grpc: Code.UNAUTHENTICATED, http: 401 },
  CREDENTIAL_INVALID: { grpc: Code.UNAUTHENTICATED, http: 401 },
  CREDENTIAL_AMBIGUOUS: { grpc: Code.UNAUTHENTICATED, http: 401 },
  CREDENTIAL_EXPIRED: { grpc: Code.UNAUTHENTICATED, http: 401 },
  CREDENTIAL_REVOKED: { grpc: Code.UNAUTHENTICATED, http: 401 },
  RATE_LIMITED: { grpc: Code.RESOURCE_EXHAUSTED, http: 429 },
  AUTH_UNAVAILABLE: { grpc: Code.UNAVAILABLE, http: 503 },
  AUTH_STALE: { grpc: Code.UNAVAILABLE, http: 503 },
  AUTH_OFF: { grpc: Code.UNIMPLEMENTED, http: 501 },
  PRINCIPAL_NOT_FOUND: { grpc: Code.NOT_FOUND, http: 404 },
  PRINCIPAL_EXISTS: { grpc: Code.ALREADY_EXISTS, http: 409 },
  TOO_MANY_PRINCIPALS: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  API_KEY_NOT_FOUND: { grpc: Code.NOT_FOUND, http: 404 },
  TOO_MANY_KEYS: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  BINDING_NOT_FOUND: { grpc: Code.NOT_FOUND, http: 404 },
  BINDING_EXISTS: { grpc: Code.ALREADY_EXISTS, http: 409 },
  LIMIT_NOT_FOUND: { grpc: Code.NOT_FOUND, http: 404 },
  HISTORY_OFF: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  HISTORY_EXPIRED: { grpc: Code.OUT_OF_RANGE, http: 400 },
  HISTORY_TOO_LARGE: { grpc: Code.RESOURCE_EXHAUSTED, http: 413 },
  // As the documents of gRPC and Connect have it for what only a fault of a client's library sends.
  NOT_ONE_MESSAGE: { grpc: Code.UNIMPLEMENTED, http: 400 },
  COMPRESSION_UNSAID: { grpc: Code.INTERNAL, http: 400 },
  BACKUP_UNSUPPORTED: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  BACKUP_FAILED: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  VERIFY_UNSUPPORTED: { grpc: Code.FAILED_PRECONDITION, http: 400 },
  VERIFY_FAILED: { grpc: Code.FAILED_PRECONDITION, http: 400 },
};

/** The `domain` of every ErrorInfo of Tally's own. */
export const ERROR_DOMAIN = "tally";

/**
 * A refusal as google.rpc.Status, what the trailer grpc-status-details-bin carries: ErrorInfo always, BadRequest for a
 * field at fault, RetryInfo where there is a time to wait.
 */
export function toStatus(refused: Refused): Status {
  if (refused.status !== undefined) return refused.status;
  const { code, field, expected, got, retryAfterMs } = refused;
  const metadata = metadataOf(refused);
  const details = [pack(ErrorInfoSchema, { domain: ERROR_DOMAIN, reason: code, metadata })];
  if (code === "INVALID_FIELD") {
    const description = got === undefined ? `${expected}` : `${expected}, got ${got}`;
    const violation = { field: field ?? "", description, reason: code };
    details.push(pack(BadRequestSchema, { fieldViolations: [violation] }));
  }
  if (retryAfterMs !== undefined)
    details.push(pack(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) }));
  return create(StatusSchema, { code: STATUS[code].grpc, message: messageOf(refused), details });
}

/** A refusal as a part of an answer. */
export function toRefusal(refusal: Refusal): RefusalMessage {
  const { code: reason, retryAfterMs } = refusal;
  return create(RefusalSchema, {
    code: STATUS[reason].grpc,
    reason,
    message: messageOf(refusal),
    metadata: metadataOf(refusal),
    ...(retryAfterMs !== undefined && { retryDelay: durationFromMs(retryAfterMs) }),
  });
}

/** The same in bytes. */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  return toBinary(RefusalSchema, toRefusal(refusal));
}

/** The numbers and names of a refusal as text, by the names that tally.v1.ErrorReason gives them. */
export function metadataOf(refused: Refused): Record<string, string> {
  const {
    code,
    name,
    part,
    field,
    constraint,
    zone,
    permission,
    prefixes,
    etag,
    settingsEtag,
    index,
    value,
    min,
    max,
    requested,
    oldest,
  } = refused;
  const size = code === "MESSAGE_TOO_LARGE" || code === "REPLY_TOO_LARGE";
  const metadata: Record<string, string> = {};
  if (name !== undefined) metadata.name = name;
  if (part !== undefined && code === "ROW_CORRUPT") metadata.part = part;
  if (field !== undefined) metadata.field = field;
  if (constraint !== undefined) metadata.constraint = constraint;
  if (zone !== undefined) metadata.zone = zone;
  if (permission !== undefined) metadata.permission = permission;
  if (prefixes !== undefined) metadata.prefixes = prefixes.join(" ");
  if (etag !== undefined) metadata.etag = etag;
  if (settingsEtag !== undefined) metadata.settings_etag = settingsEtag;
  if (index !== undefined) metadata.index = `${index}`;
  if (value !== undefined) metadata.value = `${value}`;
  if (min !== undefined) metadata.min = `${min}`;
  if (max !== undefined) metadata[size ? "max_size" : "max"] = `${max}`;
  if (requested !== undefined) metadata[size ? "size" : "requested"] = `${requested}`;
  if (oldest !== undefined) metadata.oldest = instantText(oldest);
  return metadata;
}

/**
 * What a handler threw, as a refusal.
 *
 * @param mayHaveApplied  whether a change may have been on its way when it was thrown: a defect then cannot say
 *                        that nothing was applied
 */
export function refusalOf(error: unknown, mayHaveApplied: boolean): Refusal {
  if (error instanceof TallyError) {
    const { code, part } = error;
    return { code, ...(part !== undefined && { part }), ...(!mayHaveApplied && { reads: true }) };
  }
  return { code: mayHaveApplied ? "OUTCOME_UNKNOWN" : "INTERNAL_ERROR" };
}

function pack<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  const typeUrl = `type.googleapis.com/${schema.typeName}`;
  return create(AnySchema, { typeUrl, value: toBinary(schema, create(schema, init)) });
}
