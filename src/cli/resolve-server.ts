import { formatAddress, parseAddress } from "../config/quantity.ts";
import { readAuthorities } from "./authorities.ts";
import { contextOf, contextsPath, readContexts } from "./contexts.ts";
import { CommandError, EXIT } from "./exit.ts";

/** What was said about which server to talk to. */
export interface Wanted {
  readonly server?: string;
  readonly context?: string;
  readonly caFile?: string;
}

/** A server to talk to. */
export interface Place {
  /** HOST:PORT; for TLS with https:// before it. */
  readonly server: string;
  /** Whose certificates to trust, in PEM; undefined: those whom the system trusts. */
  readonly ca: string | undefined;
}

const DEFAULT_SERVER = "127.0.0.1:8080";

/**
 * The server to talk to: flags before environment before the context in use before the default. Whom to trust is said
 * by a flag, else by the context, else by the environment.
 *
 * @throws CommandError when it is no address, there is no such context, or the file of the authorities is of no use
 */
export async function resolveServer(flags: Wanted, env: NodeJS.ProcessEnv): Promise<Place> {
  const { server: text, caFile } = await findServer(flags, env);
  const server = serverAddress(text);
  if (server.startsWith("https://")) {
    const path = flags.caFile ?? caFile ?? (env.TALLY_CA_FILE || undefined);
    return { server, ca: path === undefined ? undefined : await readAuthorities(path) };
  }
  if (flags.caFile === undefined) return { server, ca: undefined };
  throw new CommandError(EXIT.USAGE, `--ca-file is for TLS, and ${text} is not; write https:// before it.`);
}

async function findServer(
  flags: Wanted,
  env: NodeJS.ProcessEnv,
): Promise<{ server: string; caFile?: string | undefined }> {
  const given: Wanted =
    flags.server !== undefined || flags.context !== undefined ? flags : fromEnvironment(env);
  if (given.server !== undefined && given.context !== undefined) {
    throw new CommandError(
      EXIT.USAGE,
      "A server and a context are two answers to one question; give one of them.",
    );
  }
  if (given.server !== undefined) return { server: given.server };
  const path = contextsPath(env);
  const contexts = await readContexts(path);
  const name = given.context ?? contexts.current;
  if (name === undefined) return { server: DEFAULT_SERVER };
  const context = contextOf(contexts, name, path);
  return { server: context.server, caFile: context["ca-file"] };
}

/** An empty variable counts as not set. */
function fromEnvironment({ TALLY_SERVER, TALLY_CONTEXT }: NodeJS.ProcessEnv): Wanted {
  return {
    ...(TALLY_SERVER && { server: TALLY_SERVER }),
    ...(TALLY_CONTEXT && { context: TALLY_CONTEXT }),
  };
}

/**
 * HOST:PORT, with https:// before it for TLS. A port that is left out is the one that servers have unless they are told
 * otherwise, and in a URL the one that URLs have.
 *
 * @throws CommandError
 */
export function serverAddress(text: string): string {
  const [, scheme = "", place = ""] = /^(https?:\/\/)?(.*?)\/?$/.exec(text)!;
  const address = parseAddress(place) ?? parseAddress(`${place}:${PORTS[scheme]}`);
  if (address === undefined || address.port === 0) {
    throw new CommandError(
      EXIT.USAGE,
      `"${text}" is no server; expected HOST, HOST:PORT or [IPV6]:PORT, such as ${DEFAULT_SERVER}, and https:// before ` +
        "it for TLS.",
    );
  }
  return `${scheme === "https://" ? scheme : ""}${formatAddress(address)}`;
}

const PORTS: Readonly<Record<string, number>> = { "": 8080, "http://": 80, "https://": 443 };
