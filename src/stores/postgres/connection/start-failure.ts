import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";

/** PostgreSQL's own code for a role that may not do what it was asked. */
export const INSUFFICIENT_PRIVILEGE = "42501";

/** An error of which is known what its operator can do. */
export interface Remediable extends Error {
  code?: string;
  /** A clause, to stand behind "Cannot open PostgreSQL at ...:". */
  remedy?: string | undefined;
}

/** Why the store could not be opened, in one sentence for the operator. The password is in none. */
export function startFailure(shown: string, error: unknown): unknown {
  const cause = error instanceof TallyError && error.cause !== undefined ? error.cause : error;
  if (error instanceof TallyError && error.cause === undefined) return error; // It is a sentence already.
  const { message, remedy } = cause as Remediable;
  const code = codeOf(cause as Remediable);
  const known = code === undefined ? undefined : REASONS[code];
  const said = known?.replace("%s", () => message.replace(/[.?]$/, ""));
  const why = remedy ?? said ?? (code === undefined ? message : `${message} (${code})`);
  return unusable(`Cannot open PostgreSQL at ${shown}: ${why}.`, { code, cause });
}

/** The driver has no code for a server that does not answer, or that ends the connection instead. */
function codeOf({ code, message }: Remediable): string | undefined {
  if (code !== undefined) return code;
  if (/timeout/i.test(message)) return "ETIMEDOUT";
  return /terminated/i.test(message) ? "ECONNRESET" : undefined;
}

const UNTRUSTED =
  "its certificate is signed by nobody that is trusted; name the signer's own certificate with sslrootcert";

/** By SQLSTATE or Node's code; %s is what the server said, where the code alone may mean several things. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; start the server, or correct the address",
  ENOTFOUND: "nobody knows this host; correct the address",
  EAI_AGAIN: "the host's name could not be looked up; correct the address",
  ECONNRESET: "it ended the connection; correct the address, if that is no PostgreSQL server",
  ETIMEDOUT: "it does not answer; correct the address, or let it through the firewall",
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID:
    "its certificate is for another name; connect by that name, or have sslmode=verify-ca",
  "28P01": "the password is wrong",
  "28000": "the server does not let this user in (%s); see its pg_hba.conf, and whether the role may log in",
  "3D000": "there is no such database; create it first (createdb)",
  "42501": "the server does not allow it (%s); see the privileges of this user",
  "55P03": "another session is changing the schema, or has locked its tables; try again in a moment",
  "57P03": "the server is starting or stopping; try again in a moment",
  "55006": "`tally copy` has it; wait until that has ended",
  "53300":
    "the server has no connection free (%s); raise its max_connections, or the limit of the role or the database, or put PgBouncer in front",
};
