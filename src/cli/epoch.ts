import type { Command } from "commander";
import type { NewEpoch } from "../store-tools.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { type Format, Output, type View } from "./output.ts";
import { outputOption } from "./output-options.ts";
import { startFailureOf } from "./start-failure.ts";
import { sub } from "./sub.ts";

/** `tally epoch`: after a store was restored by other means. */
export function define(command: Command): void {
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES).addHelpText("after", notes(ABOUT));
  sub(command, "new", "have etags and page tokens of before never fit again")
    .requiredOption("--store <url>", "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
    .addOption(outputOption(["table", "json", "yaml", "value"]))
    .action(async ({ store, output }: { readonly store: string; readonly output: Format }) => {
      const { newEpochIn } = await import("../store-tools.ts");
      const made = await newEpochIn(store).catch((error: unknown) => {
        throw startFailureOf(error);
      });
      if ("refused" in made) throw new CommandError(EXIT.REFUSED, made.refused);
      await new Output(output, false).record(viewOf(made));
    });
}

function viewOf({ store, before, epoch }: NewEpoch): View {
  return {
    json: { store, before: before ?? null, epoch },
    value: epoch,
    cells: { STORE: store, BEFORE: before ?? "none", EPOCH: epoch },
  };
}

const EXAMPLES = `Examples:
  tally epoch new --store postgres://db/tally   after pg_restore or PITR
  tally epoch new --store sqlite:./tally.db     after a snapshot was put back
`;

const ABOUT = `
A store that was put back to what it was gives its revisions again, to other changes: an etag that a caller still holds
could fit what it does not know. After this every etag and page token from before is refused, and callers read again.

\`tally restore\` does it by itself. Run it after a restore by other means, before any server: PostgreSQL's PITR, pg_restore,
a snapshot of the disk, files put back by hand. It is refused while a server has an SQLite store. \`tally copy\` takes the epoch
along.

Exit codes: 0 done, 1 failure or refused, 2 usage, 65 the store is damaged, 69 it cannot be reached, 75 a server has it.`;
