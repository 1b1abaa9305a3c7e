import { type Command, InvalidArgumentError, Option } from "commander";
import { parseSize } from "../config/quantity.ts";
import type { BackedUp } from "../service/store-backup.ts";
import { figure } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { LiveLines } from "./live-lines.ts";
import { drawn, mib, stoppable } from "./long-work.ts";
import { type Format, Output, type View } from "./output.ts";

/** `tally backup`: one file of all that a store keeps, beside its server. */
export function define(command: Command): void {
  command
    .requiredOption("--store <url>", "sqlite:PATH")
    .requiredOption("--to <file>", "the file to make; - for standard output")
    .addOption(
      new Option("--rate <size>", "read and write so much a second at most; none for no bound")
        .default(DEFAULT_RATE, "64MiB")
        .argParser(toRate),
    )
    .option("--scratch <folder>", "where copies are kept meanwhile (beside the file)")
    .addOption(
      new Option("-o, --output <format>", "how to print")
        .choices(["table", "json", "yaml"])
        .default("table")
        .helpGroup("Output:"),
    )
    .addOption(new Option("-q, --quiet", "print no progress and no notes").helpGroup("Output:"))
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .action(run);
}

interface Options {
  readonly store: string;
  readonly to: string;
  readonly rate: number;
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

async function run({ store, to, rate, scratch, output: format, quiet = false }: Options): Promise<void> {
  const streams = to === "-";
  if (streams && process.stdout.isTTY)
    throw new CommandError(
      EXIT.USAGE,
      "A backup is nothing for a terminal: pipe it on, or name a file with --to.",
    );
  const { backupStore } = await import("../file-tools.ts");
  const output = new Output(format, quiet);
  const live = process.stderr.isTTY && !quiet ? new LiveLines(process.stderr) : undefined;
  const draw = drawn(live);
  const startedAt = performance.now();
  const made = await stoppable(live, (signal) =>
    backupStore(store, {
      ...{ scratch, signal, bytesPerSecond: rate, to: streams ? toStdout : to },
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

/** Resolves when whoever reads has room for more. */
function toStdout(piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(piece, (error) => (error ? reject(error) : resolve())),
  );
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
`;

const ABOUT = `
Makes one file (a tar: a manifest, the data file, its history) of all that a store keeps as of one moment, while a server
counts on or without one. It asks no server, needs no API key, and reads the files: run it as the server's user.

Copies both files, verifies the copies as \`tally verify\` does, and puts them into the file, which has its name only once
all of it is on disk; until then it is in a folder FILE.part. That takes twice the room of the store, and it is refused at
once where there is less. A store that is damaged is not backed up.

Gives way to everybody else. While it copies, the server's WAL grows by what is written: from 1 GiB on --rate does not
hold, and when the server's disk has less than 64 MiB left it is given up. When the server
ends meanwhile this ends too, so that it can start again.

The file holds names, values and digests of API keys: keep it as you would keep the store. A PostgreSQL store is backed up
with pg_basebackup.

Exit codes: 0 done, 1 failure, 2 usage, 65 the store is damaged, 73 no room, or the file is there already, 74 it failed, or
the server ended meanwhile, 130 Ctrl-C.`;
