import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../gen/browser/google/rpc/error_details_pb.ts";

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
  /** Whether Tally says that nothing was applied. If not, what was asked for may have been done. */
  readonly notApplied: boolean;
  /** Whether the same request, with the same request id, may well succeed when it is sent again. */
  readonly passing: boolean;
}

/** What a call was rejected with. */
export function problemOf(error: unknown): Problem {
  const found = ConnectError.from(error);
  const info = found.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "tally");
  if (info === undefined) return withoutInfo(found);
  const { reason, metadata } = info;
  return {
    message: found.rawMessage,
    advice: ADVICE[reason] ?? "",
    reason,
    field: metadata.field,
    notApplied: reason !== "OUTCOME_UNKNOWN",
    passing: PASSING.has(reason),
  };
}

/** The server cannot take it now, whatever it is. */
const PASSING: ReadonlySet<string> = new Set([
  "QUEUE_FULL",
  "DEADLINE_PASSED",
  "CALL_CANCELLED",
  "DRAINING",
  "STORE_UNAVAILABLE",
  "OUTCOME_UNKNOWN",
]);

const ADVICE: Readonly<Record<string, string>> = {
  INVALID_FIELD: "Correct it and try again.",
  COUNTER_NOT_FOUND: "It was deleted meanwhile. Create it anew if it is still wanted.",
  COUNTER_EXISTS: "Choose another name, or search for the counter that has this one.",
  ETAG_MISMATCH: "Somebody else changed it first. Look at what it is now, and decide again.",
  MONOTONIC: "Count up instead, or delete the counter and create it anew.",
  ABOVE_MAX: "Use a smaller step, or have its maximum raised.",
  BELOW_MIN: "Use a smaller step, or have its minimum lowered.",
  VALUE_OUTSIDE_BOUNDS: "Choose a value within the bounds.",
  CONSTRAINT_VIOLATED: "Whoever runs the database has set this limit: ask them.",
  ROW_CORRUPT: "The other counters work. Restore this one from a backup.",
  QUEUE_FULL: "The server is busy. Try again in a moment.",
  REQUEST_IDS_FULL: "Try again later, or give the server more room for request ids.",
  STORE_UNAVAILABLE: "Look whether the server's disk is full, then try again.",
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
    notApplied: false,
    passing: unheard,
  };
}

/** What a page that the server does not trust is told, before anything else is looked at. */
const ORIGIN_NOT_ALLOWED: Problem = {
  message: "The server lets no page of this address call it.",
  advice:
    "Open this page by an IP address or as localhost, or start the server with --allow-origin and this address.",
  reason: "ORIGIN_NOT_ALLOWED",
  field: undefined,
  notApplied: true,
  passing: false,
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
