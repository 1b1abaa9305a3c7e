import type { Command } from "commander";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { startFailureOf } from "./start-failure.ts";

/** `tally auth init`: the first administrator, made in the store itself. */
export function define(command: Command): void {
  command
    .requiredOption("--store <url>", "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
    .option("--again", "also if there is an administrator already: the way back for who has lost the key")
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .action(async ({ store, again }: { readonly store: string; readonly again?: true }) => {
      const { initAuthIn } = await import("../store-tools.ts");
      const made = await initAuthIn(store, again ?? false).catch((error: unknown) => {
        throw startFailureOf(error);
      });
      if ("refused" in made) throw new CommandError(EXIT.REFUSED, made.refused);
      process.stdout.write(`${made.key}\n`);
      for (const note of made.notes) process.stderr.write(`${note}\n`);
    });
}

const EXAMPLES = `Examples:
  tally auth init --store sqlite:./tally.db > admin.key
  tally auth init --store postgres://tally:secret@db/tally --again > admin.key
`;

const ABOUT = `
It makes the principal admin, who may do everything, and prints a key of it: this once, for only a digest is kept. Of a
store in SQLite while no server has it, of one in PostgreSQL at any time. Then: tally serve --auth required, and
\`tally auth principal create\` for everybody else.`;
