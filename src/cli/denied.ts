import type { CallError } from "../client/call-error.ts";

/** What to tell somebody whose call was refused for who they are or what they may do; undefined: for something else. */
export function deniedSentence(error: Denied): string | undefined {
  const { reason, message, metadata, server, withoutKey, prefix } = error;
  if (reason === "PERMISSION_DENIED" && metadata.permission !== undefined)
    return `${withoutKey ? NO_KEY : ""}${lacking(metadata, prefix)}`;
  const own = OWN_WORDS[reason ?? ""];
  return own === undefined ? undefined : own(message.replace(/\.$/, ""), server);
}

type Denied = Pick<CallError, "reason" | "message" | "metadata" | "server" | "withoutKey" | "prefix">;

/** Whoever has a key and forgot it needs no grant for everybody. */
const NO_KEY =
  "No key was given: give one by --api-key-file FILE, TALLY_API_KEY or TALLY_API_KEY_FILE, else the caller is anonymous. ";

/** Which permission on what, and where it is there. */
function lacking(
  { permission = "", name, prefixes = "" }: CallError["metadata"],
  prefix: string | undefined,
): string {
  const target = name === undefined ? "" : ` to ${name}`;
  const there =
    prefixes === ""
      ? "Nothing was changed."
      : `It has that where names begin with ${prefixes.split(" ").join(" or ")}; nothing was changed.`;
  const grant = name === undefined ? `${permission}@${grantable(prefix)}` : `${permission}@=${name}`;
  return (
    `The caller may not do this${target}: it lacks the permission ${permission}. ${there} ` +
    `Who has admin can give it: tally auth principal update WHO --grant '${ON_NO_PREFIX.has(permission) ? `${permission}@` : grant}'`
  );
}

/** What is not about counters. */
const ON_NO_PREFIX: ReadonlySet<string> = new Set(["admin", "observe"]);

/** The narrowest prefix around one that there can be a grant on: it ends in one of . / : - and is not empty. */
function grantable(prefix = ""): string {
  return /^.*[./:-]/.exec(prefix)?.[0] ?? "PREFIX";
}

/** Where there is something to do about it on the command line. */
const OWN_WORDS: Readonly<Record<string, (message: string, server: string) => string>> = {
  CREDENTIAL_MISSING: (_, server) =>
    `The server at ${server} wants to know who calls, and no key was given. Give one by --api-key-file FILE, ` +
    "TALLY_API_KEY or TALLY_API_KEY_FILE, or keep it with a server: tally config set NAME SERVER --api-key-file FILE",
  CREDENTIAL_INVALID: (_, server) =>
    `The server at ${server} does not take the key that was given. Look where it is from: --api-key-file, else ` +
    "TALLY_API_KEY or TALLY_API_KEY_FILE, else the context (tally config list).",
  AUTH_OFF: (_, server) =>
    `The server at ${server} does not ask who calls: its setting auth is off, and what is administrated (principals, keys, ` +
    "backups and verifications over the network) is served only while it is on. Turn it on with auth = optional, then " +
    "required: see docs/security.md. A backup or a verification can be made beside the server, too: with --store.",
};
