import type { Command } from "commander";
import type { Restored, RestoredKeys } from "../service/store-backup.ts";
import { figure } from "./count/summary.ts";
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
    .option("--revoke-keys", "revoke every API key that is in it")
    .addOption(outputOption(["table", "json", "yaml"]))
    .addOption(quietOption("print no progress and no notes"))
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .action(run);
}

interface Options {
  readonly store: string;
  readonly revokeKeys?: boolean;
  readonly output: Format;
  readonly quiet?: boolean;
}

async function run(
  file: string,
  { store, revokeKeys = false, output: format, quiet = false }: Options,
): Promise<void> {
  const { restoreStore } = await import("../file-tools.ts");
  const output = new Output(format, quiet);
  const live = process.stderr.isTTY && !quiet ? new LiveLines(process.stderr) : undefined;
  const draw = drawn(live);
  const restored = await stoppable(live, (signal) =>
    restoreStore(backupNamed(file, signal), store, {
      signal,
      revokesKeys: revokeKeys,
      onProgress: ({ doing, bytes, of }) => draw(() => `${doing}: ${mib(bytes)} of ${mib(of ?? bytes)}`),
    }),
  );
  await output.record(viewOf(restored, file));
  output.note(
    `What was changed after ${restored.manifest.time} is not in it, nor the answers kept under request ids since: a retry of a call ` +
      `from after then counts again. Etags and page tokens of before fit no more. ${toldOf(restored)}`,
  );
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

function viewOf({ store, manifest, epoch, good, revoked }: Restored & RestoredKeys, file: string): View {
  return {
    json: {
      ...{ store, file, epoch, keys: { good, revoked } },
      manifest: { ...manifest, files: manifest.files.map((each) => ({ ...each })) },
    },
    value: store,
    cells: {
      STORE: store,
      FROM: file === "-" ? "standard input" : file,
      "AS OF": `${manifest.time}, position ${manifest.position} of the change log`,
      COUNTERS: figure(manifest.counters),
      EPOCH: epoch,
      HISTORY: manifest.historySchema === null ? "none" : "restored",
    },
  };
}

const EXAMPLES = `Examples:
  tally restore /backup/tally-0600.tar --store sqlite:./tally.db
  age -d tally.tar.age | tally restore - --store sqlite:./tally.db
  tally restore stolen-since.tar --store sqlite:./tally.db --revoke-keys
`;

const ABOUT = `
Makes the data file and its history of a backup, where neither stands: move away what does, with its -wal and -shm. Of a
backup in which one bit is not what was written nothing is made. Both files have their names only once all is on disk.

The store is as it was when it was backed up. What was changed since is gone, and so are the answers kept under request
ids: a retry of a call from after then is counted again. API keys, principals and bindings are those of then, revoked
ones included: --revoke-keys revokes every API key that is in it. Revisions will be given again, so etags get another
ending (\`tally epoch\`): those that callers still hold, and page tokens, are refused.

Exit codes: 0 done, 1 failure, 2 usage, 65 the backup is damaged, or of a newer Tally, 73 something stands there, or no
room, 75 another process has the store, 130 Ctrl-C.`;
