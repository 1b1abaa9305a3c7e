import { type Command, InvalidArgumentError, Option } from "commander";
import { CallError } from "../client/call-error.ts";
import { TallyClient } from "../client/client.ts";
import { parseDuration } from "../config/quantity.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { failureOf } from "./failure.ts";
import { notes } from "./help.ts";
import { type Format, Output } from "./output.ts";
import { outputOption, quietOption } from "./output-options.ts";
import { resolveServer, type Wanted } from "./resolve-server.ts";

/** What a command that talks to a server works with. */
export interface Session {
  readonly client: TallyClient;
  readonly output: Output;
}

/** How a command prints unless it is told otherwise, and what else it can. */
export interface Printing {
  readonly format: Format;
  readonly formats?: readonly Format[];
  /** --timeout, where it means something else than how long a call may take. */
  readonly timeout?: { readonly about: string; readonly default: string; readonly max: string };
  /** True: what it prints are figures of its own, JSON numbers, and no counters. */
  readonly ownFigures?: boolean;
  /** True: the command ends of SIGINT and SIGTERM in its own way; otherwise it dies of them at once. */
  readonly endsItself?: boolean;
  /** Whether it reads standard input, with these arguments: then no key can be read from there. */
  readonly readsInput?: (args: unknown[]) => boolean;
}

/**
 * Make a command one that talks to a server: it gets the options that all of them have, and `run` as its action.
 * Call it when the command's own arguments and options are there, so that help shows them first.
 *
 * @param run  gets the arguments in order and the options; what it throws is told on stderr, and ends in the exit
 *             code that fits
 */
export function onServer<Args extends unknown[], Options extends object>(
  command: Command,
  printing: Printing,
  run: (session: Session, args: Args, options: Options) => Promise<void>,
): void {
  addServerOptions(command, printing);
  command
    .addHelpText("after", notes(printing.ownFigures ? EXIT_NOTE : JSON_NOTE + EXIT_NOTE))
    .action((...given: unknown[]) => withServer(given, printing, run));
}

/** The options that all commands have which talk to a server, for one that need not. */
export function addServerOptions(
  command: Command,
  { format, formats = ["table", "json", "yaml", "value"], timeout = CALL_TIMEOUT }: Printing,
): void {
  for (const option of [
    outputOption(formats, format),
    quietOption("print nothing about what was changed, and no notes"),
    new Option("--server <host:port>", "the server, https:// before it for TLS; or TALLY_SERVER").helpGroup(
      "Server:",
    ),
    new Option("--context <name>", "a server named by `tally config`; or TALLY_CONTEXT").helpGroup("Server:"),
    new Option(
      "--ca-file <file>",
      "whose certificates to trust, in PEM, instead of the system's; or TALLY_CA_FILE",
    ).helpGroup("Server:"),
    new Option(
      "--api-key-file <file>",
      "with the API key or token to call with, - for standard input; or TALLY_API_KEY, or TALLY_API_KEY_FILE",
    ).helpGroup("Server:"),
    new Option(
      "--plaintext-key",
      "send the key without TLS to another machine, too, where others may read it on its way",
    ).helpGroup("Server:"),
    new Option("--timeout <duration>", timeout.about)
      .default(parseDuration(timeout.default), timeout.default)
      .argParser((text) => durationOf(text, timeout.max))
      .helpGroup("Server:"),
  ]) {
    command.addOption(option);
  }
}

/** Do it with the server that they say. @param given  what commander hands to an action */
export async function withServer<Args extends unknown[], Options extends object>(
  given: unknown[],
  { endsItself = false, readsInput = () => false }: Pick<Printing, "endsItself" | "readsInput">,
  run: (session: Session, args: Args, options: Options) => Promise<void>,
): Promise<void> {
  const options = given.at(-2) as Options & Common;
  if (options.apiKeyFile === "-" && readsInput(given.slice(0, -2)))
    throw new CommandError(
      EXIT.USAGE,
      "Standard input cannot be both the key and what is read; give one of them in a file.",
    );
  const client = new TallyClient({
    ...(await resolveServer(options, process.env, report)),
    timeoutMs: options.timeout,
  });
  const output = new Output(options.output, options.quiet ?? false);
  const stopListening = endsItself ? () => {} : dieOfInterrupt(client);
  try {
    await run({ client, output }, given.slice(0, -2) as Args, options);
  } catch (error) {
    throw error instanceof CallError ? failureOf(error) : error;
  } finally {
    stopListening();
    client.close();
  }
}

/** The options that every command on a server has. */
interface Common extends Wanted {
  readonly output: Format;
  readonly quiet?: true;
  readonly timeout: number;
}

/** By its own signal, so that a shell script that runs the command stops too; a shell shows it as exit code 130. */
function dieOfInterrupt(client: TallyClient): () => void {
  const die = (signal: NodeJS.Signals) => {
    const [requestId] = client.changing;
    if (requestId !== undefined) {
      process.stderr.write(
        "tally: Interrupted before the answer: the change may or may not have been made. " +
          `Run it again with --request-id ${requestId}: it counts once.\n`,
      );
    }
    stop();
    process.kill(process.pid, signal);
  };
  const stop = () => void process.off("SIGINT", die).off("SIGTERM", die);
  process.on("SIGINT", die).on("SIGTERM", die);
  return stop;
}

/** A duration in milliseconds, from `min` to `max`, which are written as some too. @throws InvalidArgumentError */
export function durationOf(text: string, max: string, min = "1ms"): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < parseDuration(min)! || ms > parseDuration(max)!) {
    const such = min === "1ms" ? "500ms or 1m30s" : "1m30s or 30d";
    throw new InvalidArgumentError(`Expected a duration from ${min} to ${max}, such as ${such}.`);
  }
  return ms;
}

const CALL_TIMEOUT = {
  about: "wait at most this long for an answer, retries included",
  default: "10s",
  max: "24h", // Beyond 2^31 ms a timer fires at once.
};

const JSON_NOTE = `
In JSON and YAML every 64-bit number is a string ("42"), because a JSON number loses digits above 2^53.`;

const EXIT_NOTE = `

Exit codes: 0 done, 1 failure, 2 usage, 3 not found, 4 refused, 5 not allowed, 69 no server, 124 timeout, 130 Ctrl-C.`;
