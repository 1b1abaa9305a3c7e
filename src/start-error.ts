import { TallyError } from "./core/errors.ts";

/** Why a server could not start, or a tool open its store: one sentence for the operator. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly reason: StartReason;
  constructor(reason: StartReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Why a server did not start; each has an exit code of its own. */
export type StartReason =
  /** Another process has the port. */
  | "ADDRESS_IN_USE"
  /** The system does not let this user have the port. */
  | "ADDRESS_FORBIDDEN"
  /** This machine has no such address, or nobody knows the name. */
  | "ADDRESS_UNKNOWN"
  /** The certificate or its key cannot be used. */
  | "CERTIFICATE_UNUSABLE"
  /** Who may call cannot be told: the root key cannot be used, nobody could administrate, or nobody would be asked. */
  | "CREDENTIALS_UNUSABLE"
  /** Traces are asked for that cannot be sent. */
  | "TRACING_UNUSABLE"
  /** Its URL cannot be taken, or names a kind of store that does not have what is asked. */
  | "STORE_MISNAMED"
  /** Another process has the store. */
  | "STORE_IN_USE"
  /** The database server that has the store is away or full; it may come back by itself. */
  | "STORE_AWAY"
  /** The store cannot be reached, made or written. */
  | "STORE_UNREACHABLE"
  /** What is there is damaged, of another program, of a newer Tally, or half of a copy. */
  | "STORE_UNUSABLE"
  /** It failed after it was opened. */
  | "STORE_FAILED";

/** Why a store was not opened, as a StartError; what is no such reason stays as it is. */
export function storeStartFailure(error: unknown): unknown {
  if (!(error instanceof TallyError)) return error;
  return new StartError(reasonOf(error), error.message, { cause: error });
}

/** What kind of trouble it is stands in the cause: the database's or the system's code, which crosses a thread as text. */
function reasonOf({ cause }: TallyError): StartReason {
  const code =
    typeof cause === "string" ? cause.split(" ", 1)[0]! : ((cause as { code?: string })?.code ?? "");
  if (code === MISNAMED) return "STORE_MISNAMED";
  if (IN_USE.test(code)) return "STORE_IN_USE";
  if (AWAY.test(code)) return "STORE_AWAY";
  return UNREACHABLE.test(code) ? "STORE_UNREACHABLE" : "STORE_UNUSABLE";
}

/** Of stores/shared/unusable.ts. */
const MISNAMED = "STORE_MISNAMED";

/** SQLite's, and PostgreSQL's object_in_use. */
const IN_USE = /^(SQLITE_BUSY|55006$)/;

/** PostgreSQL's for a server that starts, stops or is full, or whose schema is being changed; and the network's. */
const AWAY =
  /^(57P|53|08)...?$|^55P03$|^(ECONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE)/;

/** SQLite's, the system's, and PostgreSQL's for a role, a database or a privilege that is missing. */
const UNREACHABLE = /^(SQLITE_(CANTOPEN|READONLY|PERM|FULL|IOERR)|E[A-Z]+$|28...|3D000|42501)/;
