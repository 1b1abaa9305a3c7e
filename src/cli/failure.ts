import { Code } from "../../gen/google/rpc/code_pb.ts";
import type { CallError } from "../client/call-error.ts";
import { formatDuration } from "../config/quantity.ts";
import { deniedSentence } from "./denied.ts";
import { CommandError, EXIT } from "./exit.ts";
import { visible } from "./visible.ts";

/** What to tell somebody whose call failed, and the exit code. */
export function failureOf(error: CallError): CommandError {
  const { reason, metadata, status, message, server, retryAfterMs } = error;
  const sentence =
    reason !== undefined && !error.unknown
      ? (deniedSentence(error) ??
        `${refusalSentence({ reason, metadata, message })}${status === "OUT_OF_RANGE" ? roomIn(retryAfterMs) : ""}`)
      : error.unknown
        ? unknownSentence(error)
        : !error.sent
          ? awaySentence(error)
          : status === "UNIMPLEMENTED"
            ? `The server at ${server} cannot do that: it is older than this command, or not Tally (${message}).`
            : status === "DEADLINE_EXCEEDED"
              ? `No answer from ${server} in time. Try again, or wait longer with --timeout.`
              : `The server at ${server} failed: ${message} (${status}). Nothing was changed; try again.`;
  return new CommandError(exitOf(status, reason), visible(sentence), { cause: error });
}

/** Tally's own answer to a call or to a part of one, in the words of the command line. */
export function refusalSentence(refused: {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly message: string;
}): string {
  const { reason, metadata, message } = refused;
  const { name } = metadata;
  const own = name === undefined ? undefined : OWN_WORDS[reason]?.(name, metadata, message);
  const { field = "" } = metadata;
  const said = reason === "INVALID_FIELD" || MISSING.test(field) ? inOptions(message, field) : message;
  return visible(own ?? (name === undefined ? said : `${name}: ${said}`));
}

/** When a window's end or a refill will have made room. */
function roomIn(ms: number | undefined): string {
  if (ms === undefined) return "";
  return ` There will be room in ${formatDuration(ms < 1_000 ? Math.ceil(ms) : Math.ceil(ms / 1_000) * 1_000)}.`;
}

/** What is said of a field, of the option that it was given with. */
function inOptions(message: string, field: string): string {
  const [, missing] = MISSING.exec(field) ?? [];
  const option =
    missing === undefined
      ? OPTIONS[field]
      : `--if-missing ${(OPTIONS[missing] ?? missing.replaceAll("_", "-")).replace("--", "")}`;
  return option === undefined ? message : message.replace(field, option);
}

/** A setting of the counter that a change would make. */
const MISSING = /^if_missing\.(.+)/;

/** Where the option is not called as the field is. */
const OPTIONS: Readonly<Record<string, string>> = {
  "window.every": "--window",
  "window.time_zone": "--zone",
  "window.day": "--day",
  "window.anchor": "--anchor",
  "refill.amount": "--refill",
  "refill.every": "--refill",
  refill: "--refill",
  window: "--window",
  idle_ttl: "--idle-ttl",
  if_missing: "--if-missing",
};

/** Where the API's words would be those of another trade. */
const OWN_WORDS: Readonly<
  Record<string, (name: string, metadata: Readonly<Record<string, string>>, message: string) => string>
> = {
  COUNTER_NOT_FOUND: (name, _, message) =>
    message.includes("history") // Whoever looks back wants another name, and no new counter.
      ? `There is no counter ${name}, and no history of one. List those that there are with: tally list`
      : `There is no counter ${name}. Make it with: tally create ${name}`,
  LIMIT_NOT_FOUND: (name) =>
    `There is no limit ${name}: no counter with a maximum. Make it with the take: --if-missing --max N`,
  COUNTER_EXISTS: (name) =>
    `There is a counter ${name} already; nothing was changed. Change its settings with: tally update ${name}`,
  ETAG_MISMATCH: (name, { etag, settings_etag }) => {
    const now =
      etag !== undefined
        ? ` (its etag is now ${etag})`
        : settings_etag !== undefined
          ? ` (its settings etag is now ${settings_etag})`
          : "";
    return `${name} has changed since; nothing was changed now. Read it again with: tally get ${name} -o table${now}`;
  },
  ZONE_UNKNOWN: (name, { zone }) =>
    `${name}: its window has ended, and the server does not know its time zone ${zone}; nothing was changed. ` +
    `Give it another window with: tally update ${name} --window day --zone ZONE`,
  SETTINGS_CONFLICT: (name, { field = "" }, message) =>
    `${name}: ${inOptions(message, field)} A refill needs --min and --max, and goes with neither --window nor --monotonic.`,
};

const CODE_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(Code).map(([name, code]) => [code, name]),
);

/** The exit code for a part of a call that was refused. */
export function exitOfCode(code: Code, reason: string): number {
  return exitOf(CODE_NAMES[code] ?? "", reason);
}

/** @param status  the name of a gRPC status */
export function exitOf(status: string, reason: string | undefined): number {
  if (reason === "REQUEST_ID_REUSED") return EXIT.REFUSED;
  if (reason === "QUEUE_FULL" || reason === "REQUEST_IDS_FULL" || reason === "RATE_LIMITED")
    return EXIT.UNAVAILABLE;
  return STATUS_EXITS[status] ?? EXIT.FAILURE;
}

const STATUS_EXITS: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: EXIT.USAGE,
  NOT_FOUND: EXIT.NOT_FOUND,
  ALREADY_EXISTS: EXIT.REFUSED,
  ABORTED: EXIT.REFUSED,
  OUT_OF_RANGE: EXIT.REFUSED,
  FAILED_PRECONDITION: EXIT.REFUSED,
  UNAUTHENTICATED: EXIT.AUTH,
  PERMISSION_DENIED: EXIT.AUTH,
  UNAVAILABLE: EXIT.UNAVAILABLE,
  DEADLINE_EXCEEDED: EXIT.DEADLINE,
};

function unknownSentence({ server, requestId, status, message }: CallError): string {
  const what =
    status === "DEADLINE_EXCEEDED"
      ? `No answer from ${server} in time`
      : `The answer from ${server} got lost (${message})`;
  const then =
    requestId === undefined
      ? "Look at what became of it before you run it again."
      : `Run it again with --request-id ${requestId}: it counts once.`;
  return `${what}: the change may or may not have been made. ${then}`;
}

function awaySentence({ server, message, untrusted }: CallError): string {
  if (untrusted) {
    return (
      `The server at ${server} is not trusted, and was asked nothing: ${message}. ` +
      "Call it by a name that its certificate has, and say who signed that with --ca-file."
    );
  }
  const local = /^(https:\/\/)?(127\.|localhost:|\[::1\])/.test(server);
  const hint = local
    ? "Start one with `tally serve`, or say where it is with --server HOST:PORT."
    : "Check the address (--server, TALLY_SERVER, `tally config list`) and the network.";
  return `No Tally server answers at ${server}: ${reasonIn(message)}. ${hint}`;
}

function reasonIn(message: string): string {
  if (message.includes("ECONNREFUSED")) return "nothing listens there";
  if (message.includes("ENOTFOUND")) return "there is no such host";
  if (message === "the deadline passed") return "it cannot be reached in time";
  return message;
}
