import type { DescEnum } from "@bufbuild/protobuf";
import type { ErrorCode } from "../../src/core/errors.ts";
import type { Refused } from "../../src/transports/calls/call.ts";
import { errorOf } from "../../src/transports/http/message.ts";
import { STATUS } from "../../src/transports/status.ts";
import { commentOf } from "./comments.ts";
import type { Schema } from "./schema.ts";

/** What each refusal says, as an example. */
const SAMPLES: Partial<Record<ErrorCode, Omit<Refused, "code">>> = {
  MALFORMED_MESSAGE: { expected: "is not JSON: Unexpected end of JSON input" },
  INVALID_FIELD: { field: "amount", expected: "must be 1 to 9223372036854775807", got: "0" },
  MESSAGE_TOO_LARGE: { requested: 70_000n, max: 65_536n },
  REPLY_TOO_LARGE: { max: 4_194_304n },
  REQUEST_ID_REUSED: { field: "amount" },
  COUNTER_NOT_FOUND: { name: "seats" },
  COUNTER_EXISTS: { name: "seats" },
  ETAG_MISMATCH: { name: "seats", etag: "0199d3a7-5f0e-7c3b-8a43-2f6d1f0f8a51.4" },
  ZONE_UNKNOWN: { name: "seats", zone: "America/Coyhaique" },
  SETTINGS_CONFLICT: { name: "seats", field: "refill", expected: "does not go with window" },
  TOO_MANY_POLICIES: { max: 10_000n },
  MONOTONIC: { name: "seats", value: 8n, requested: 3n },
  ABOVE_MAX: { name: "seats", value: 8n, max: 10n, requested: 5n },
  BELOW_MIN: { name: "seats", value: 8n, min: 0n, requested: 9n },
  VALUE_OUTSIDE_BOUNDS: { name: "seats", field: "value", requested: 12n, min: 0n, max: 10n },
  CONSTRAINT_VIOLATED: { name: "seats", constraint: "seats_below_100" },
  ROW_CORRUPT: { name: "seats" },
  QUEUE_FULL: { retryAfterMs: 1_000 },
  REQUEST_IDS_FULL: { retryAfterMs: 60_000 },
  MEDIA_TYPE_NOT_SUPPORTED: { expected: "must be application/json", got: "text/plain" },
  METHOD_NOT_ALLOWED: { expected: "use GET", got: "PUT" },
  PERMISSION_DENIED: {
    name: "seats",
    permission: "increment",
    expected: "it needs increment on this name",
  },
  RATE_LIMITED: { retryAfterMs: 200 },
  TOO_MANY_PRINCIPALS: { max: 100_000n },
  TOO_MANY_KEYS: { max: 50n },
  LIMIT_NOT_FOUND: { name: "mails:ada" },
  ORIGIN_NOT_ALLOWED: { got: "https://elsewhere.example" },
  HOST_NOT_ALLOWED: { got: "elsewhere.example" },
  PRECONDITION_FAILED: { etag: "0199d3a7-5f0e-7c3b-8a43-2f6d1f0f8a51.4.s1" },
  BACKUP_UNSUPPORTED: { expected: "PostgreSQL's own means do it: pg_basebackup, or pg_dump" },
  BACKUP_FAILED: { expected: "another one is being made; ask again once it has ended" },
  VERIFY_UNSUPPORTED: { expected: "PostgreSQL's own means do it: pg_amcheck" },
  VERIFY_FAILED: { expected: "another verification runs; ask again once it has ended" },
  HISTORY_OFF: { name: "seats", expected: "the counter has it turned off" },
  HISTORY_EXPIRED: {
    oldest: Date.UTC(2026, 0, 1, 12),
    expected: "ask from then on, or for steps of whole quarters of an hour",
  },
  HISTORY_TOO_LARGE: {
    max: 11_000n,
    part: "points",
    expected: "ask for steps of 5 minutes, or for less time",
  },
  ENCODING_NOT_SUPPORTED: { expected: "here it is taken as it is, without compression", got: "gzip" },
};

/** What any call can be refused with, whatever it does. */
const ALWAYS: readonly ErrorCode[] = [
  "INVALID_FIELD",
  "CREDENTIAL_MISSING",
  "CREDENTIAL_INVALID",
  "CREDENTIAL_AMBIGUOUS",
  "CREDENTIAL_EXPIRED",
  "CREDENTIAL_REVOKED",
  "PERMISSION_DENIED",
  "RATE_LIMITED",
  "AUTH_UNAVAILABLE",
  "AUTH_STALE",
  "HOST_NOT_ALLOWED",
  "DRAINING",
  "STORE_UNAVAILABLE",
  "INTERNAL_ERROR",
];
/** And those that bring a body. */
const WITH_BODY: readonly ErrorCode[] = [
  "MALFORMED_MESSAGE",
  "MESSAGE_TOO_LARGE",
  "MEDIA_TYPE_NOT_SUPPORTED",
  "ENCODING_NOT_SUPPORTED",
];
/** And those that change something. */
const CHANGES: readonly ErrorCode[] = [
  "CONSTRAINT_VIOLATED",
  "QUEUE_FULL",
  "REQUEST_IDS_FULL",
  "OUTCOME_UNKNOWN",
];

/** What a call is, as far as it says which refusals it can have. */
interface Call {
  /** Of HTTP. */
  readonly method: string;
  readonly hasBody: boolean;
  /** Whether it changes something. */
  readonly changes: boolean;
  /** Whether it has conditions of HTTP. */
  readonly conditional: boolean;
  /** Whether it is about who may call. */
  readonly admin?: boolean;
}

/**
 * The responses to what a call can be refused with, one a status.
 *
 * @param own  the reasons that the method's comment lists, each with what it says of it
 */
export function errorResponses(
  reasons: DescEnum,
  own: ReadonlyMap<string, string>,
  { method, hasBody, changes, conditional, admin = false }: Call,
): Record<string, Schema> {
  const codes = new Set<string>([
    ...own.keys(),
    ...ALWAYS,
    ...(admin ? ["AUTH_OFF"] : []),
    ...(hasBody ? WITH_BODY : []),
    ...(changes ? CHANGES : []),
    ...(method === "GET" ? [] : ["ORIGIN_NOT_ALLOWED"]),
    ...(conditional ? ["PRECONDITION_FAILED"] : []),
  ]);
  const byStatus = new Map<number, ErrorCode[]>();
  for (const { name } of reasons.values) {
    if (!codes.delete(name)) continue;
    const { http } = STATUS[name as ErrorCode];
    byStatus.set(http, [...(byStatus.get(http) ?? []), name as ErrorCode]);
  }
  if (codes.size > 0) throw new TypeError(`expected names of ${reasons.name}, got ${[...codes]}`);
  const sorted = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(sorted.map(([status, names]) => [`${status}`, responseOf(names, reasons, own)]));
}

/** What may pass by itself, at a time that is known: then the answer says when. */
const COME_AGAIN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "QUEUE_FULL",
  "RATE_LIMITED",
  "REQUEST_IDS_FULL",
  "ABOVE_MAX",
  "BELOW_MIN",
]);

function responseOf(
  codes: readonly ErrorCode[],
  reasons: DescEnum,
  own: ReadonlyMap<string, string>,
): Schema {
  const lines = codes.map((code) => {
    const why = own.get(code) ? ` (${own.get(code)})` : "";
    return `- \`${code}\`${why}: ${reasonText(reasons, code)}`;
  });
  const examples = codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]);
  return {
    description: lines.join("\n"),
    ...(codes.some((code) => COME_AGAIN.has(code)) && {
      headers: { "Retry-After": { $ref: "#/components/headers/RetryAfter" } },
    }),
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/Error" },
        examples: Object.fromEntries(examples),
      },
    },
  };
}

/** The reasons that are given: one that is not any more keeps its name and its number. */
function givenOf(reasons: DescEnum): ErrorCode[] {
  return reasons.values.map(({ name }) => name as ErrorCode).filter((name) => name in STATUS);
}

/** An error for each reason that a response is listed for. */
export function errorExamples(reasons: DescEnum): Record<string, Schema> {
  const codes = givenOf(reasons);
  return Object.fromEntries(codes.map((code) => [code, { value: { error: exampleOf(code) } }]));
}

function exampleOf(code: ErrorCode): ReturnType<typeof errorOf> {
  const error = errorOf({ code, ...SAMPLES[code] });
  if (/\bundefined\b/.test(JSON.stringify(error)))
    throw new TypeError(`expected an example of ${code} in SAMPLES, got "${error.message}"`);
  return error;
}

/** What a reason means: its comment behind the status, which stands first. */
function reasonText(reasons: DescEnum, code: string): string {
  const value = reasons.values.find(({ name }) => name === code)!;
  return commentOf(value).replace(/^[A-Z_]+(?: \([^)]*\))?\. /, "");
}

/** The body of every error, as AIP-193 has it. */
export function errorSchemas(reasons: DescEnum): Record<string, Schema> {
  const names = givenOf(reasons);
  const statuses = new Set(names.map((name) => errorOf({ code: name }).status));
  const detail = (
    type: string,
    description: string,
    properties: Record<string, Schema>,
    required: string[],
  ) => ({
    type: "object",
    description,
    properties: { "@type": { const: `type.googleapis.com/google.rpc.${type}` }, ...properties },
    required: ["@type", ...required],
  });
  const text = { type: "string" };
  return {
    Error: {
      type: "object",
      description:
        "Every error of Tally's own, in the form of AIP-193. It says that nothing was applied, with the one exception of OUTCOME_UNKNOWN; in the last line of a stream that what was told before it stands. An error without it (a broken connection, a proxy's answer) says nothing: retry with the same Idempotency-Key.",
      properties: {
        error: {
          type: "object",
          properties: {
            code: { type: "integer", description: "The HTTP status once more." },
            status: { type: "string", enum: [...statuses].sort(), description: "The status of gRPC." },
            message: { ...text, description: "What happened, what was expected and what to do, for people." },
            details: {
              type: "array",
              description:
                "ErrorInfo always and first; BadRequest with INVALID_FIELD; RetryInfo where there is a time to wait.",
              items: {
                anyOf: ["ErrorInfo", "BadRequest", "RetryInfo"].map((name) => ({
                  $ref: `#/components/schemas/${name}`,
                })),
              },
              minItems: 1,
            },
          },
          required: ["code", "status", "message", "details"],
        },
      },
      required: ["error"],
    },
    ErrorInfo: detail(
      "ErrorInfo",
      "Why, for programs.",
      {
        reason: { $ref: "#/components/schemas/ErrorReason" },
        domain: { const: "tally" },
        metadata: {
          type: "object",
          additionalProperties: text,
          description: "The names and numbers of the message, by the names that ErrorReason gives them.",
        },
      },
      ["reason", "domain"],
    ),
    BadRequest: detail(
      "BadRequest",
      "Which field is at fault.",
      {
        fieldViolations: {
          type: "array",
          items: {
            type: "object",
            properties: {
              field: {
                ...text,
                description: "Its path, by the names of the .proto files: `operations[3].name`.",
              },
              description: { ...text, description: "What it must be, and what it was." },
              reason: text,
            },
            required: ["description", "reason"], // A key may be "", and JSON leaves that out.
          },
        },
      },
      ["fieldViolations"],
    ),
    RetryInfo: detail(
      "RetryInfo",
      "When to try again.",
      {
        retryDelay: {
          ...text,
          pattern: "^[0-9]+(\\.[0-9]+)?s$",
          description: "In seconds; Retry-After is the same in whole ones.",
        },
      },
      ["retryDelay"],
    ),
    ErrorReason: {
      type: "string",
      description: `${commentOf(reasons)}\n\n${names.map((name) => `- \`${name}\`: ${reasonText(reasons, name)}`).join("\n")}`,
      enum: names,
    },
  };
}
