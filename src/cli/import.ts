import { type Command, Option } from "commander";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { CallError } from "../client/call-error.ts";
import { onServer, type Session } from "./client-command.ts";
import { Faults } from "./count/faults.ts";
import { faultOfPrefix } from "./count/name.ts";
import { openProgress, type Progress } from "./count/progress.ts";
import { counted } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { exitOf } from "./failure.ts";
import { notes } from "./help.ts";
import { noteOption } from "./requests.ts";
import { dieOf, onStopSignals } from "./signals.ts";
import { importFile } from "./transfer/file-import.ts";
import { FILE_FORMATS } from "./transfer/formats.ts";
import type { ImportOptions } from "./transfer/import-session.ts";
import { type End, Imported, importedLine, importedView } from "./transfer/imported.ts";

/** `tally import`: counters out of a file, each once. */
export function define(command: Command): void {
  command
    .argument("[file]", "what `tally export` writes, or any CSV with name,value; -: standard input")
    .addOption(
      new Option("--format <format>", "of the file (default: what its first line says)").choices(
        FILE_FORMATS,
      ),
    )
    .option("--dry-run", "look at all of it, say what it would come to, and change nothing")
    .option("--skip-bad", "pass over lines that cannot be read, instead of importing nothing")
    .addOption(
      new Option("--existing <what>", "counters that are there: set them, or keep them as they are")
        .choices(["set", "keep"])
        .default("set"),
    )
    .option("--prefix <prefix>", "what to put before each name", "")
    .addOption(noteOption())
    .option("--import-id <text>", "of another import of the same: without it, the same is imported once", "")
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    {
      ...{ format: "table", formats: ["table", "json", "yaml"], timeout: TIMEOUT },
      ...{ ownFigures: true, endsItself: true, readsInput: ([file]) => file === "-" },
    },
    run,
  );
  command.addHelpText("after", notes(ABOUT));
}

async function run(
  { client, output }: Session,
  [file]: [string | undefined],
  options: ImportOptions,
): Promise<void> {
  const faultyPrefix = faultOfPrefix(options.prefix);
  if (faultyPrefix !== undefined) throw new CommandError(EXIT.USAGE, `--prefix: ${faultyPrefix}.`);
  if (file === undefined)
    throw new CommandError(EXIT.USAGE, "Say what to import: a file, or - for standard input.");
  await client.call(Health.method.check, {}); // Nothing is read that nobody would take.
  const progress = openProgress(process.stderr, { quiet: output.quiet, live: true });
  const imported = new Imported(
    new Faults(progress.print, { what: "Not imported", examplesMax: EXAMPLES_MAX }),
  );
  const stop = new AbortController();
  const interrupted = stopping(stop, progress);
  const startedAt = performance.now();
  const session = { client, options, imported, progress, stop: stop.signal };
  const failure = await importFile(session, file).catch((error: unknown) => ({ error }));
  progress.end();
  if (failure !== undefined && !(failure.error instanceof CallError)) throw failure.error;
  const end: End = {
    complete: failure === undefined && interrupted() === undefined,
    dryRun: options.dryRun ?? false,
    ms: performance.now() - startedAt,
  };
  if (output.format !== "table") await output.record(importedView(imported, end));
  else if (!output.quiet) await output.line(`${importedLine(imported, end)}.`);
  if (failure !== undefined) throw whyStopped(failure.error as CallError, client.server);
  const signal = interrupted();
  if (signal !== undefined) return dieOf(signal);
  const { total } = imported.faults;
  if (total > 0)
    throw new CommandError(
      EXIT.REFUSED,
      `${counted(total, "counter was", "counters were")} not imported; the summary says why.`,
    );
}

/** @returns  by which signal it was stopped, if it was */
function stopping(stop: AbortController, progress: Progress): () => NodeJS.Signals | undefined {
  let interrupted: NodeJS.Signals | undefined;
  onStopSignals({
    first: (signal) => {
      interrupted = signal;
      stop.abort();
      progress.print(`Stopping when what is on its way is answered. ${AGAIN}`);
    },
    again: (signal) => {
      progress.end();
      dieOf(signal);
    },
  });
  return () => interrupted;
}

function whyStopped({ status, reason, message, cause }: CallError, server: string): CommandError {
  const sentence = `Gave up on ${server}: ${message.replace(/\.$/, "")}. ${AGAIN}`;
  return new CommandError(exitOf(status, reason), sentence, { cause });
}

/** Request ids are kept for an hour at least. */
const AGAIN = "Run the same command again within an hour: what was imported is not imported twice.";

/** Whoever mends a file wants to know of each line; of very many, what kind they are. */
const EXAMPLES_MAX = 100;

const TIMEOUT = {
  about: "give up when nothing was answered for this long",
  default: "60s",
  max: "30m",
};

const EXAMPLES = `Examples:
  tally import counters.ndjson
  tally import counters.csv --dry-run
  printf 'name,value\\nvisits,12345\\n' | tally import -
  tally import shop.csv --prefix shop: --existing keep
`;

const ABOUT = `
A counter that is missing is made, with the settings that the file has; without any, as the policy for its name says. One
that is there is set to the value and keeps its settings; or stays as it is, with --existing keep (which, to make
counters, needs \`manage\`). Of a name that comes twice the last line counts.

NDJSON: a JSON object a line, as the API has a counter. CSV: names of columns, then a row a counter; what has parts
(labels, window, refill) is JSON, and nothing between two commas is not set. Numbers are exact, beyond 2^53 too. What
nobody can set (uid, revision, times) is passed over. UTF-8; a byte order mark and CRLF are fine.

The whole file is read first. While a line of it is bad, each is told and nothing is imported; --skip-bad imports the
others. What the server refuses (a value outside of a counter's bounds) is told, and does not keep others from it.

Each counter is imported exactly once: run the same again after a kill or a failure, and what was imported is not set
again, whatever was counted since. That holds as long as request ids are kept, which is an hour at least and a day as a
rule. To import the same file once more on purpose: --import-id and any text.`;
