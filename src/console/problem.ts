import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/browser/google/rpc/error_details_pb.ts";
import { INT64_MAX, INT64_MIN } from "../core/int64.ts";
import { formatCount } from "./numbers.ts";
import { whenText } from "./times.ts";

/** An error as a person wants it: what happened, what it is called, what to do. */
export interface Problem {
  /** What happened, in a sentence or two. */
  readonly message: string;
  /** What to do about it; "" when there is nothing. */
  readonly advice: string;
  /** Its stable name, of ErrorReason or else of the status: what to look up, and to tell others. */
  readonly reason: string;
  /** The field of the request that is at fault, as the .proto names it. */
  readonly field: string | undefined;
  /** What is wrong with that field, to stand beside it; "" without one. */
  readonly atField: string;
  /** Whether Tally says that nothing was applied. If not, what was asked for may have been done. */
  readonly notApplied: boolean;
  /** Whether the same request, with the same request id, may well succeed when it is sent again. */
  readonly passing: boolean;
  /** Whether it was judged before anybody looked whether the change was made already: an attempt before may have been. */
  readonly beforeReplay: boolean;
}

/** What a call was rejected with. */
export function problemOf(error: unknown): Problem {
  const found = ConnectError.from(error);
  const info = found.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "tally");
  if (info === undefined) return withoutInfo(found);
  const { reason, metadata } = info;
  const field = reason === "COUNTER_EXISTS" ? "name" : metadata.field;
  return {
    message: OWN_MESSAGES[reason] ?? found.rawMessage,
    advice:
      deniedAdvice(reason, metadata) ??
      roomLater(found) ??
      (isAtTheEnd(reason, metadata) ? AT_THE_END : (ADVICE[reason] ?? "")),
    reason,
    field,
    atField: field === undefined ? "" : atField(found, reason, metadata),
    notApplied: reason !== "OUTCOME_UNKNOWN",
    passing: PASSING.has(reason),
    beforeReplay: reason.startsWith("CREDENTIAL_") || reason === "PERMISSION_DENIED",
  };
}

/** Whether another key would help. */
export function isForTheKey({ reason }: Problem): boolean {
  return reason.startsWith("CREDENTIAL_");
}

/** When the end of a window or a refill will have made room at a bound. */
function roomLater(found: ConnectError): string | undefined {
  if (found.code !== Code.OutOfRange) return undefined;
  const [delay] = found.findDetails(RetryInfoSchema).map(({ retryDelay }) => retryDelay);
  if (delay === undefined) return undefined;
  const now = new Date();
  return `There will be room for it at ${whenText(new Date(now.getTime() + durationMs(delay)), now)}. Until then, use a smaller step.`;
}

/** Where the caller has the permission, there are counters to look at. */
function deniedAdvice(reason: string, { permission, prefixes = "" }: Metadata): string | undefined {
  if (reason !== "PERMISSION_DENIED" || permission === undefined) return undefined;
  const ask = `Ask who runs the server for the permission ${permission}`;
  return prefixes === ""
    ? `${ask}.`
    : `Search for ${prefixes.split(" ").join(" or ")}; or ${ask.replace("A", "a")}.`;
}

type Metadata = Readonly<Record<string, string>>;

/** Where the bound is not of the counter, but of all numbers, nobody can move it. */
function isAtTheEnd(reason: string, { min, max }: Metadata): boolean {
  return (
    (reason === "ABOVE_MAX" && max === `${INT64_MAX}`) || (reason === "BELOW_MIN" && min === `${INT64_MIN}`)
  );
}

const AT_THE_END = "No counter can go further. Use a smaller step, or reset it.";

function atField(found: ConnectError, reason: string, { field, requested, min, max }: Metadata): string {
  if (reason === "COUNTER_EXISTS") return "There is a counter of this name already. Choose another.";
  if (reason === "VALUE_OUTSIDE_BOUNDS" && requested !== undefined) {
    const bound = (text: string | undefined, none: string) =>
      text === undefined ? none : formatCount(BigInt(text));
    return `${formatCount(BigInt(requested))} is outside the bounds ${bound(min, "none")} to ${bound(max, "none")}.`;
  }
  if (reason === "SETTINGS_CONFLICT") return CONFLICT;
  const own = field === undefined ? undefined : OWN_WORDS[field];
  if (reason === "INVALID_FIELD" && own !== undefined) return own;
  const [violation] = found.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  const said = violation?.description ?? found.rawMessage;
  if (field?.startsWith("labels["))
    return said.includes("have a key")
      ? "A key is of 1 to 63 small letters, digits, _, . and -."
      : "The value is too long: 200 letters at most, of which those with accents count as two or more.";
  return `${said.slice(0, 1).toUpperCase()}${said.slice(1).replace(/\.$/, "")}.`;
}

/** Where the API speaks of bytes and of other fields by their names. */
const OWN_WORDS: Readonly<Record<string, string>> = {
  name: "1 to 200 letters, digits and signs without spaces or accents, and no - at the beginning.",
  prefix: "A name has no spaces or accents, no - at the beginning, and 200 letters at most.",
  description: "It is too long: 1,000 letters at most, of which those with accents count as two or more.",
  labels: "32 labels at most.",
  min: "The minimum is above the maximum.",
  max: "The maximum is below the minimum.",
  "window.every": "From 1 second to 366 days.",
  "window.time_zone": "The server knows no such time zone. Choose one from the list, such as Europe/Berlin.",
  "window.day": "A day from 1 to 31.",
  "refill.every": "From 1 millisecond to 366 days.",
  idle_ttl: "From 1 second to 3,650 days.",
};

const CONFLICT =
  "It needs a minimum and a maximum, brings back at most what lies between them, and is not for what never goes down.";

/** The server cannot take it now, whatever it is. */
const PASSING: ReadonlySet<string> = new Set([
  "QUEUE_FULL",
  "DEADLINE_PASSED",
  "CALL_CANCELLED",
  "DRAINING",
  "STORE_UNAVAILABLE",
  "OUTCOME_UNKNOWN",
  "RATE_LIMITED",
  "AUTH_UNAVAILABLE",
  "AUTH_STALE",
]);

/** Where the API speaks of headers, which nobody sees at a page. */
const OWN_MESSAGES: Readonly<Record<string, string>> = {
  CREDENTIAL_MISSING: "The server wants to know who you are.",
  CREDENTIAL_INVALID: "The server does not take this key.",
};

const ADVICE: Readonly<Record<string, string>> = {
  INVALID_FIELD: "Correct it and try again.",
  COUNTER_NOT_FOUND: "It was deleted meanwhile. Create it anew if it is still wanted.",
  COUNTER_EXISTS: "Choose another name, or search for the counter that has this one.",
  ETAG_MISMATCH: "Somebody else changed it first. Look at what it is now, and decide again.",
  ZONE_UNKNOWN: "Choose another time zone under Edit, or bring the server's time zone data up to date.",
  SETTINGS_CONFLICT: "Correct it and try again.",
  MONOTONIC: "Count up instead, or delete the counter and create it anew.",
  ABOVE_MAX: "Use a smaller step, or have its maximum raised.",
  BELOW_MIN: "Use a smaller step, or have its minimum lowered.",
  VALUE_OUTSIDE_BOUNDS: "Choose a value within the bounds.",
  CONSTRAINT_VIOLATED: "Whoever runs the database has set this limit: ask them.",
  HOST_NOT_ALLOWED:
    "Open this page by an IP address or as localhost, or start the server with --host-names and this page's name.",
  CREDENTIAL_MISSING: "Give a key, or ask who runs the server for one.",
  CREDENTIAL_INVALID: "Look whether it was copied whole, or give another one.",
  CREDENTIAL_AMBIGUOUS: "Something between here and there sends a credential of its own: ask who runs it.",
  CREDENTIAL_EXPIRED: "Give another one.",
  CREDENTIAL_REVOKED: "Give another one.",
  RATE_LIMITED: "Try again in a moment.",
  AUTH_UNAVAILABLE: "Try again in a moment, or give an API key.",
  AUTH_STALE: "Try again in a moment.",
  ROW_CORRUPT: "The other counters work. Restore this one from a backup.",
  QUEUE_FULL: "The server is busy. Try again in a moment.",
  REQUEST_IDS_FULL: "Try again later, or give the server more room for request ids.",
  STORE_UNAVAILABLE:
    "Try again in a moment. If that does not help, the server's log says what its store lacks.",
  OUTCOME_UNKNOWN: "Look at the value before you try again.",
  INTERNAL_ERROR: "This is a defect in Tally: please report it, with the server's log.",
};

/** No word from Tally: the connection broke, nobody answered in time, or something between here and there did. */
function withoutInfo({ code, rawMessage }: ConnectError): Problem {
  if (code === Code.PermissionDenied) return ORIGIN_NOT_ALLOWED;
  const reason = Code[code]!.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
  const unheard = UNHEARD.has(code);
  return {
    message: unheard ? "The server does not answer." : `${rawMessage.replace(/\.$/, "")}.`,
    advice: unheard
      ? "Look whether it is running, and whether something between here and there is down."
      : "This is not an answer of Tally's own. Look at what is between this page and the server.",
    reason,
    field: undefined,
    atField: "",
    notApplied: false,
    passing: unheard,
    beforeReplay: false,
  };
}

/** What a page that the server does not trust is told, before anything else is looked at. */
const ORIGIN_NOT_ALLOWED: Problem = {
  message: "The server lets no page of this address call it.",
  advice:
    "Open this page by an IP address or as localhost, or start the server with --host-names and this page's name. Behind a proxy that changes Host, start it with --allow-origin and this page's address.",
  reason: "ORIGIN_NOT_ALLOWED",
  field: undefined,
  atField: "",
  notApplied: true,
  passing: false,
  beforeReplay: true,
};

/** What a client, or a proxy, makes of no answer. */
const UNHEARD: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Internal,
  Code.Unavailable,
]);
