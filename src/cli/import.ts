import { type Command, InvalidArgumentError, Option } from "commander";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { CallError } from "../client/call-error.ts";
import { withoutSecrets } from "../core/secrets.ts";
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
import { Before, goneIn } from "./transfer/before.ts";
import { importFile } from "./transfer/file-import.ts";
import { FILE_FORMATS } from "./transfer/formats.ts";
import type { ImportOptions, ImportSession } from "./transfer/import-session.ts";
import { type End, Imported, importedLine, importedView } from "./transfer/imported.ts";
import type { RedisKeys, Replacement } from "./transfer/redis.ts";
import { AGAIN } from "./transfer/sink.ts";

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
    .addOption(
      new Option("--redis <url>", "instead of a file: a running Redis, redis://HOST:PORT/DB").helpGroup(
        "Redis:",
      ),
    )
    .addOption(new Option("--match <pattern>", "which keys, as SCAN takes it: shop:*").helpGroup("Redis:"))
    .addOption(
      new Option("--replace <from=to>", "in keys, before they are names: :=. for one; may be repeated")
        .argParser(addReplacement)
        .helpGroup("Redis:"),
    )
    .addOption(
      new Option("--ttl <what>", "what a TTL becomes: an idle TTL, nothing, or a reason to skip the key")
        .choices(["idle", "ignore", "skip"])
        .default("idle")
        .helpGroup("Redis:"),
    )
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

interface Options extends ImportOptions {
  readonly redis?: string;
  readonly match?: string;
  readonly replace?: readonly Replacement[];
  readonly ttl: RedisKeys["ttl"];
}

function addReplacement(text: string, before: readonly Replacement[] = []): readonly Replacement[] {
  const [, from, to] = /^(.+?)=(.*)$/s.exec(text) ?? [];
  if (from === undefined || to === undefined)
    throw new InvalidArgumentError("Expected FROM=TO, such as :=. to have a dot for each colon.");
  return [...before, { from, to }];
}

/** What to import, and how. @throws CommandError */
function workOf(file: string | undefined, options: Options): (session: ImportSession) => Promise<void> {
  const { redis: url, match, replace = [], ttl } = options;
  if ((file === undefined) === (url === undefined))
    throw new CommandError(
      EXIT.USAGE,
      "Say what to import, one of: a file, - for standard input, --redis URL.",
    );
  if (url === undefined) {
    for (const [option, given] of Object.entries({ match, replace: options.replace }))
      if (given !== undefined) throw new CommandError(EXIT.USAGE, `--${option} goes with --redis.`);
    return (session) => importFile(session, file!);
  }
  for (const [option, given] of Object.entries({ format: options.format, "skip-bad": options.skipBad }))
    if (given !== undefined) throw new CommandError(EXIT.USAGE, `--${option} goes with a file.`);
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw new CommandError(
      EXIT.USAGE,
      `--redis: expected redis://HOST:PORT/DB, or rediss:// for TLS, got ${withoutSecrets(url)}.`,
    );
  if (match === undefined)
    throw new CommandError(EXIT.USAGE, "Say which keys with --match, such as --match 'shop:*'; '*' is all.");
  return async (session) => {
    const { importRedis } = await import("./transfer/redis-import.ts");
    return importRedis(session, { url, match, replace, ttl });
  };
}

/** Each line would be refused for it. @throws CommandError */
function expectNote({ note, existing }: Options): void {
  if (note === undefined) return;
  if (existing === "keep")
    throw new CommandError(EXIT.USAGE, "--note is of counters that are set; with --existing keep none is.");
  if (Buffer.byteLength(note) > 200)
    throw new CommandError(EXIT.USAGE, "--note: expected at most 200 bytes.");
}

async function run(
  { client, output }: Session,
  [file]: [string | undefined],
  options: Options,
): Promise<void> {
  const faultyPrefix = faultOfPrefix(options.prefix);
  if (faultyPrefix !== undefined) throw new CommandError(EXIT.USAGE, `--prefix: ${faultyPrefix}.`);
  const work = workOf(file, options);
  expectNote(options);
  await client.call(Health.method.check, {}); // Nothing is read that nobody would take.
  const progress = openProgress(process.stderr, { quiet: output.quiet, live: true });
  const imported = new Imported(
    new Faults(progress.print, { what: "Not imported", examplesMax: EXAMPLES_MAX }),
  );
  const stop = new AbortController();
  const interrupted = stopping(stop, progress);
  const startedAt = performance.now();
  const before = new Before(client, imported);
  const session = { client, options, imported, before, progress, stop: stop.signal };
  const failure = await work(session)
    .then(() => before.finish())
    .then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
  progress.end();
  // Where nothing came of it there is nothing to sum up.
  if (failure !== undefined && !(failure.error instanceof CallError) && imported.taken === 0)
    throw failure.error;
  const end: End = {
    complete: failure === undefined && interrupted() === undefined,
    dryRun: options.dryRun ?? false,
    ms: performance.now() - startedAt,
  };
  if (output.format !== "table") await output.record(importedView(imported, end));
  else if (!output.quiet) await output.line(`${importedLine(imported, end)}.`);
  if (failure !== undefined)
    throw failure.error instanceof CallError ? whyStopped(failure.error, client.server) : failure.error;
  const signal = interrupted();
  if (signal !== undefined) return dieOf(signal);
  const left = [notImportedIn(imported), goneIn(imported)].filter((sentence) => sentence !== undefined);
  if (left.length > 0) throw new CommandError(EXIT.REFUSED, left.join(" "));
}

function notImportedIn({ faults: { total } }: Imported): string | undefined {
  if (total === 0) return undefined;
  return `${counted(total, "counter was", "counters were")} not imported; the summary says why.`;
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
  tally import --redis redis://127.0.0.1:6379 --match 'shop:*' --dry-run
`;

const ABOUT = `
A counter that is missing is made, with the settings that the file has; without any, as the policy for its name says. One
that is there is set to the value and keeps its settings; or stays as it is, with --existing keep. Of a name that comes twice
the last line counts.

It needs the permissions \`set\`, \`create\` to make counters, and \`manage\` too where a line has settings, as each line of an
exported NDJSON file has; with --existing keep it needs \`manage\`. A line without permission is told; the others go on.

NDJSON: a JSON object a line, as the API has a counter. CSV: names of columns, then a row a counter; what has parts
(labels, window, refill) is JSON, and nothing between two commas is not set. Numbers are exact, beyond 2^53 too. What
nobody can set (uid, revision, times) is passed over. UTF-8; a byte order mark and CRLF are fine.

The whole file is read first. While a line of it is bad, each is told and nothing is imported; --skip-bad imports the
others. What the server refuses (a value outside of a counter's bounds) is told, and does not keep others from it.

--dry-run judges each line with those before it: names, values, bounds, monotonic. It does not judge what a policy says of
a counter that is missing, labels and other settings, what the caller may do, and whether it was imported before.

Each counter is imported exactly once: run the same again after a kill or a failure, and what was imported is not set
again, whatever was counted since. That holds as long as request ids are kept, which is an hour at least and a day as a
rule. Those that were imported before and are not there now are counted, and the exit code is 4: --import-id and any text
import the same once more, with --existing keep what is missing alone.

From Redis come keys whose values are whole numbers, as INCR makes them; others are told and skipped. A key is the name
as it is, colons and all; bytes that no name can have are percent-encoded. Where --replace has several keys
come to one name, none of them is imported, and each is told. A TTL becomes an idle TTL of what was left of it.
Redis is only read, beside whoever counts there: what it counts after a key was read is not in it. The package
@redis/client is needed beside tally; a password can stand in REDISCLI_AUTH.`;
