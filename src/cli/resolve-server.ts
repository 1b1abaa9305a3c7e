import { formatAddress, parseAddress } from "../config/quantity.ts";
import { withoutSecrets } from "../core/secrets.ts";
import { expectPrivateWay, type KeyGiven, keyOf, warnIfOpen } from "./api-key.ts";
import { readAuthorities } from "./authorities.ts";
import { type Context, contextOf, contextsPath, readContexts } from "./contexts.ts";
import { CommandError, EXIT } from "./exit.ts";

/** What was said about which server to talk to. */
export interface Wanted {
  readonly server?: string;
  readonly context?: string;
  readonly caFile?: string;
  readonly apiKeyFile?: string;
  readonly plaintextKey?: true;
}

/** A server to talk to. */
export interface Place {
  /** HOST:PORT; for TLS with https:// before it. */
  readonly server: string;
  /** Whose certificates to trust, in PEM; undefined: those whom the system trusts. */
  readonly ca: string | undefined;
  /** The key by which it knows who calls; undefined: none is sent. */
  readonly apiKey: string | undefined;
  /** Whether that may go in plaintext to another machine. */
  readonly plaintextKey: boolean;
}

const DEFAULT_SERVER = "127.0.0.1:8080";

/**
 * The server to talk to: flags before environment before the context in use before the default. Whom to trust is said
 * by a flag, else by the context, else by the environment; by which key to be known by a flag, else by the environment,
 * else by the context.
 *
 * @param warn  told when others can read a file with a key
 * @throws CommandError when it is no address, there is no such context, the file of the authorities is of no use, or
 *                      there is no key where one is to be, or others could read it on its way
 */
export async function resolveServer(
  flags: Wanted,
  env: NodeJS.ProcessEnv,
  warn: (sentence: string) => void,
): Promise<Place> {
  const { server: text, context } = await findServer(flags, env);
  const server = serverAddress(text);
  const ca = await authoritiesOf(server, text, flags, context, env);
  const apiKey = await keyOf([flagKey(flags), environmentKey(env), contextKey(context)], warn);
  if (apiKey !== undefined) {
    expectPrivateWay(server, flags.plaintextKey ?? false);
    if (apiKey === context?.["api-key"]) {
      const path = contextsPath(env);
      await warnIfOpen(path, `The file ${path}, which has a key,`, warn);
    }
  }
  return { server, ca, apiKey, plaintextKey: flags.plaintextKey ?? false };
}

async function authoritiesOf(
  server: string,
  text: string,
  flags: Wanted,
  context: Context | undefined,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  if (server.startsWith("https://")) {
    const path = flags.caFile ?? context?.["ca-file"] ?? (env.TALLY_CA_FILE || undefined);
    return path === undefined ? undefined : readAuthorities(path);
  }
  if (flags.caFile === undefined) return undefined;
  throw new CommandError(EXIT.USAGE, `--ca-file is for TLS, and ${text} is not; write https:// before it.`);
}

/** That of --api-key-file. */
export function flagKey({ apiKeyFile }: Pick<Wanted, "apiKeyFile">): KeyGiven {
  return { file: apiKeyFile, names: ["", "--api-key-file"], exit: EXIT.USAGE };
}

/** That of the environment. An empty variable counts as not set. */
export function environmentKey({ TALLY_API_KEY, TALLY_API_KEY_FILE }: NodeJS.ProcessEnv): KeyGiven {
  return {
    key: TALLY_API_KEY?.trim() || undefined,
    file: TALLY_API_KEY_FILE || undefined,
    names: ["TALLY_API_KEY", "TALLY_API_KEY_FILE"],
    exit: EXIT.USAGE,
  };
}

/** Only with its own server: no other one is to see it. */
function contextKey(context: Context | undefined): KeyGiven {
  return {
    key: context?.["api-key"],
    file: context?.["api-key-file"],
    names: ["The context's api-key", "its api-key-file"],
    exit: EXIT.CONFIG,
  };
}

/** The text of a server, and the context that it is from. */
async function findServer(
  flags: Wanted,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly server: string; readonly context?: Context }> {
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
  return { server: context.server, context };
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
      `"${withoutSecrets(text)}" is no server; expected HOST, HOST:PORT or [IPV6]:PORT, such as ${DEFAULT_SERVER}, and https:// before ` +
        "it for TLS.",
    );
  }
  return `${scheme === "https://" ? scheme : ""}${formatAddress(address)}`;
}

const PORTS: Readonly<Record<string, number>> = { "": 8080, "http://": 80, "https://": 443 };
