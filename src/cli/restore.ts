import { type Command, InvalidArgumentError, Option } from "commander";
import type { Restored, RestoredKeys, RestoreUntil } from "../service/store-backup.ts";
import { figure } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { LiveLines } from "./live-lines.ts";
import { backupNamed, drawn, mib, stoppable } from "./long-work.ts";
import { type Format, Output, type View } from "./output.ts";
import { outputOption, quietOption } from "./output-options.ts";

/** `tally restore`: a store of a backup. */
export function define(command: Command): void {
  command
    .argument("<file>", "the backup, as `tally backup` made it; - for standard input")
    .requiredOption("--store <url>", "sqlite:PATH, where nothing stands yet")
    .option("--archive <folder>", "go on from it through an archive (archive-dir)")
    .addOption(
      new Option(
        "--until <moment>",
        "up to a time, or a position of the change log (all there is)",
      ).argParser(toMoment),
    )
    .option("--revoke-keys", "revoke every API key that is in it")
    .addOption(outputOption(["table", "json", "yaml"]))
    .addOption(quietOption("print no progress and no notes"))
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .action(run);
}

interface Options {
  readonly store: string;
  readonly archive?: string;
  readonly until?: RestoreUntil;
  readonly revokeKeys?: boolean;
  readonly output: Format;
  readonly quiet?: boolean;
}

/** "2026-01-05T06:00:00Z", or "1234". @throws InvalidArgumentError */
function toMoment(text: string): RestoreUntil {
  if (/^\d{1,15}$/.test(text)) return { position: Number(text) };
  const time = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(time) && isDay(text)) return { time };
  throw new InvalidArgumentError(
    "It is a time with its offset, such as 2026-01-05T06:00:00Z, or a position of the change log.",
  );
}

/** Whether there is such a day: Date takes the 31st of November for the 1st of December. */
function isDay(text: string): boolean {
  const day = text.slice(0, 10);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

/** RFC 3339: without an offset nobody knows which instant is meant. */
const INSTANT = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

async function run(
  file: string,
  { store, revokeKeys = false, archive, until, output: format, quiet = false }: Options,
): Promise<void> {
  if (until !== undefined && archive === undefined)
    throw new CommandError(EXIT.USAGE, "--until goes with --archive: a backup alone is of one moment.");
  const { restoreStore } = await import("../file-tools.ts");
  const output = new Output(format, quiet);
  const live = process.stderr.isTTY && !quiet ? new LiveLines(process.stderr) : undefined;
  const draw = drawn(live);
  const warn = (sentence: string) =>
    live === undefined ? output.note(sentence) : live.print(`${sentence}\n`);
  const restored = await stoppable(live, (signal) =>
    restoreStore(backupNamed(file, signal), store, {
      signal,
      revokesKeys: revokeKeys,
      archive: archive === undefined ? undefined : { dir: archive, until, warn },
      onProgress: ({ doing, bytes, of }) => draw(() => `${doing}: ${mib(bytes)} of ${mib(of ?? bytes)}`),
    }),
  );
  await output.record(viewOf(restored));
  const { reached, manifest } = restored;
  output.note(
    `What was changed after ${reached === undefined ? manifest.time : atTime(reached)} is not in it, nor the answers kept under request ids since: a retry of a call ` +
      `from after then counts again. Etags and page tokens of before fit no more. ${toldOf(restored)}`,
  );
}

function atTime({ time }: { readonly time: number }): string {
  return new Date(time).toISOString();
}

/** What became of who may call. */
function toldOf({ good, revoked }: RestoredKeys): string {
  const keys = (count: number) => (count === 1 ? "1 API key" : `${figure(count)} API keys`);
  if (revoked > 0) return `${keys(revoked)} in it ${revoked === 1 ? "is" : "are"} revoked.`;
  if (good === 0) return "Principals and bindings are those of then.";
  return (
    `Principals and bindings are those of then, and ${keys(good)} in it ${good === 1 ? "is" : "are"} good, also if revoked ` +
    "since: revoke those once more."
  );
}

function viewOf({ store, backup, manifest, reached, epoch, good, revoked }: Restored & RestoredKeys): View {
  const at =
    reached === undefined
      ? { time: manifest.time, position: manifest.position }
      : { time: atTime(reached), position: `${reached.position}` };
  return {
    json: {
      ...{ store, file: backup, epoch, keys: { good, revoked }, ...at },
      manifest: { ...manifest, files: manifest.files.map((each) => ({ ...each })) },
    },
    value: store,
    cells: {
      STORE: store,
      FROM: backup,
      "AS OF": `${at.time}, position ${at.position} of the change log`,
      ...(reached === undefined && { COUNTERS: figure(manifest.counters) }),
      EPOCH: epoch,
      HISTORY: manifest.historySchema === null ? "none" : "restored",
    },
  };
}

const EXAMPLES = `Examples:
  tally restore /backup/tally-0600.tar --store sqlite:./tally.db
  age -d tally.tar.age | tally restore - --store sqlite:./tally.db
  tally restore /backup --archive /archive --until 2026-01-05T06:00:00Z \\
    --store sqlite:./tally.db
  tally restore stolen-since.tar --store sqlite:./tally.db --revoke-keys
`;

const ABOUT = `
Makes the data file and its history of a backup, where neither stands: move away what does, with its -wal and -shm. Of a
backup in which one bit is not what was written nothing is made. Both files have their names only once all is on disk.

With --archive it goes on from the backup, change by change, up to the last one that is not after --until: a time (RFC 3339,
with its offset), or a position of the change log; up to the end of the archive without. A moment behind that end is refused. The argument may be a folder of
backups then, of which the newest is taken that is early enough. Where something is missing, damaged or another store's,
nothing is made; it says what, and how far the archive leads.

The store is as it was when it was backed up, or at that moment. What was changed since is gone, and so are the answers kept under request
ids: a retry of a call from after then is counted again. API keys, principals and bindings are those of then, revoked
ones included: --revoke-keys revokes every API key that is in it. Revisions will be given again, so etags get another
ending (\`tally epoch\`): those that callers still hold, and page tokens, are refused.

Exit codes: 0 done, 1 failure, 2 usage, 65 the backup is damaged, or of a newer Tally, 73 something stands there, or no
room, 75 another process has the store, 130 Ctrl-C.`;
