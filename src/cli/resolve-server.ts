import { formatAddress, parseAddress } from "../config/quantity.ts";
import { contextsPath, readContexts, serverOf } from "./contexts.ts";
import { CommandError, EXIT } from "./exit.ts";

/** What was said about which server to talk to. */
export interface Wanted {
  readonly server?: string;
  readonly context?: string;
}

const DEFAULT_SERVER = "127.0.0.1:8080";

/**
 * The address of the server to talk to: flags before environment before the context in use before the default.
 *
 * @returns  HOST:PORT
 * @throws CommandError when it is no address, or there is no such context
 */
export async function resolveServer(flags: Wanted, env: NodeJS.ProcessEnv): Promise<string> {
  const given: Wanted =
    flags.server !== undefined || flags.context !== undefined ? flags : fromEnvironment(env);
  if (given.server !== undefined && given.context !== undefined) {
    throw new CommandError(
      EXIT.USAGE,
      "A server and a context are two answers to one question; give one of them.",
    );
  }
  if (given.server !== undefined) return serverAddress(given.server);
  const path = contextsPath(env);
  const contexts = await readContexts(path);
  const name = given.context ?? contexts.current;
  return name === undefined ? DEFAULT_SERVER : serverAddress(serverOf(contexts, name, path));
}

/** An empty variable counts as not set. */
function fromEnvironment({ TALLY_SERVER, TALLY_CONTEXT }: NodeJS.ProcessEnv): Wanted {
  return {
    ...(TALLY_SERVER && { server: TALLY_SERVER }),
    ...(TALLY_CONTEXT && { context: TALLY_CONTEXT }),
  };
}

/** HOST:PORT as written, or with the port that servers have unless they are told otherwise. @throws CommandError */
export function serverAddress(text: string): string {
  const address = parseAddress(text) ?? parseAddress(`${text}:8080`);
  if (address === undefined || address.port === 0) {
    throw new CommandError(
      EXIT.USAGE,
      `"${text}" is no server; expected HOST, HOST:PORT or [IPV6]:PORT, such as ${DEFAULT_SERVER}.`,
    );
  }
  return formatAddress(address);
}
