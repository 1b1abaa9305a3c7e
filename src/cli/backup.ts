import { type Command, InvalidArgumentError, Option } from "commander";
import { parseSize } from "../config/quantity.ts";
import type { BackedUp } from "../service/store-backup.ts";
import { backupFromServer, type FromServer } from "./backup-from-server.ts";
import { addServerOptions, type Printing, withServer } from "./client-command.ts";
import { figure } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { LiveLines } from "./live-lines.ts";
import { drawn, mib, stoppable } from "./long-work.ts";
import { type Format, Output, type View } from "./output.ts";
import { writeToStdout } from "./pieces.ts";

/** `tally backup`: one file of all that a store keeps, beside its server. */
export function define(command: Command): void {
  command
    .option("--store <url>", "sqlite:PATH, whose files are read; without, a server is asked")
    .requiredOption("--to <file>", "the file to make; - for standard output")
    .addOption(
      new Option(
        "--rate <size>",
        "read and write so much a second at most; none for no bound (64MiB)",
      ).argParser(toRate),
    )
    .option("--scratch <folder>", "where copies are kept meanwhile (beside the file; of -: TMPDIR, or /tmp)");
  addServerOptions(command, PRINTING);
  command
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .action(async (...given: unknown[]) => {
      const options = given.at(-2) as Options;
      if (options.to === "-" && process.stdout.isTTY)
        throw new CommandError(
          EXIT.USAGE,
          "A backup is nothing for a terminal: pipe it on, or name a file with --to.",
        );
      const { store, rate, scratch } = options;
      if (store !== undefined && options.server !== undefined)
        throw new CommandError(EXIT.USAGE, "Name one of both: --store, whose files are read, or --server.");
      if (store !== undefined) return run({ ...options, store });
      if (rate !== undefined || scratch !== undefined)
        throw new CommandError(
          EXIT.USAGE,
          "--rate and --scratch go with --store; of a server its setting backup-rate holds.",
        );
      return withServer(given, PRINTING, (session, _, from: FromServer) => backupFromServer(session, from));
    });
}

const PRINTING: Printing = {
  format: "table",
  formats: ["table", "json", "yaml"],
  timeout: { about: "how long a server may say nothing", default: "1m", max: "24h" },
  endsItself: true,
};

interface Options {
  readonly store?: string;
  readonly server?: string;
  readonly to: string;
  readonly rate?: number;
  readonly scratch?: string;
  readonly output: Format;
  readonly quiet?: boolean;
}

const DEFAULT_RATE = 64 * 2 ** 20;
/** A step is as much, and blocks what Ctrl-C would end. */
const LEAST_RATE = 2 ** 20;

function toRate(text: string): number {
  if (text === "none") return Number.POSITIVE_INFINITY;
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= LEAST_RATE) return bytes;
  throw new InvalidArgumentError('It is a size of 1MiB and up, such as 64MiB, or "none".');
}

async function run({
  store,
  to,
  rate = DEFAULT_RATE,
  scratch,
  output: format,
  quiet = false,
}: Options & { readonly store: string }): Promise<void> {
  const streams = to === "-";
  const { backupStore } = await import("../file-tools.ts");
  const output = new Output(format, quiet);
  const live = process.stderr.isTTY && !quiet ? new LiveLines(process.stderr) : undefined;
  const draw = drawn(live);
  const startedAt = performance.now();
  const made = await stoppable(live, (signal) =>
    backupStore(store, {
      ...{ scratch, signal, bytesPerSecond: rate, to: streams ? writeToStdout : to },
      onProgress: ({ doing, bytes, of }) =>
        draw(() =>
          of === undefined ? `${doing}: ${figure(bytes)} rows` : `${doing}: ${mib(bytes)} of ${mib(of)}`,
        ),
      warn: (sentence) => (live === undefined ? output.note(sentence) : live.print(`${sentence}\n`)),
    }),
  );
  if (streams) output.note(`Backed up ${made.store} as of ${made.manifest.time}, ${mib(made.bytes)}.`);
  else await output.record(viewOf(made, to, performance.now() - startedAt));
}

function viewOf({ store, manifest, bytes, served }: BackedUp, file: string, ms: number): View {
  return {
    json: {
      ...{ store, file, bytes, served },
      manifest: { ...manifest, files: manifest.files.map((each) => ({ ...each })) },
      seconds: Math.round(ms) / 1000,
    },
    value: file,
    cells: {
      STORE: store,
      FILE: `${file}, ${mib(bytes)}`,
      "AS OF": `${manifest.time}, position ${manifest.position} of the change log`,
      COUNTERS: figure(manifest.counters),
      HISTORY: manifest.historySchema === null ? "none" : "in it",
      CHECKED: "every row, and every page of the copies",
      DONE: `in ${(ms / 1000).toFixed(1)} s${served ? ", beside its server" : ""}`,
    },
  };
}

const EXAMPLES = `Examples:
  tally backup --store sqlite:./tally.db --to /backup/tally-0600.tar
  tally backup --store sqlite:./tally.db --to - | age -r KEY > tally.tar.age
  tally backup --server https://db1.example:8080 --to tally-0600.tar
`;

const ABOUT = `
Makes one file (a tar: a manifest, the data file, its history) of all that a store keeps as of one moment, while a server
counts on or without one. With --store it asks no server, needs no API key, and reads the files: run it as the server's user.
Without, a server makes it, and gives it out: that needs the permission admin (and \`auth\` to be on); it is made with the
server's backup-rate, into its backup-dir or beside its store, where nothing of it stays. It is whole when this exits with 0.

Copies both files, verifies the copies as \`tally verify\` does, and puts them into the file, which has its name only once
all of it is on disk; until then it is in a folder FILE.part. That takes twice the room of the store, and it is refused at
once where there is less. With --to - only the copies take room, where --scratch or TMPDIR says. A store that is damaged
is not backed up.

Gives way to everybody else. While it copies, the server's WAL grows by what is written: from 1 GiB on --rate does not
hold, and when the server's disk has less than 64 MiB left it is given up. When the server
ends meanwhile this ends too, so that it can start again.

The file holds names, values and digests of API keys: keep it as you would keep the store. A PostgreSQL store is backed up
with pg_basebackup.

Exit codes: 0 done, 1 failure, 2 usage, 65 the store is damaged, 73 no room, or the file is there already, 74 it failed, or
the server ended meanwhile, 130 Ctrl-C.`;
