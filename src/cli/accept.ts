import type { Command } from "commander";
import type { Acceptance } from "../store-tools.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { type Format, Output, type View } from "./output.ts";
import { outputOption } from "./output-options.ts";
import { startFailureOf } from "./start-failure.ts";

/** `tally accept`: find what was changed by hand in a store's database, and take it as it stands. */
export function define(command: Command): void {
  command
    .argument("[name...]", "the counters to take as they stand; without any, it only looks")
    .requiredOption("--store <url>", "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
    .option("--gone", "take it that the rows of counters are gone, too")
    .addOption(outputOption(["table", "json", "yaml", "value"]))
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .action(async (names: string[], { store, gone, output }: Options) => {
      const { acceptIn } = await import("../store-tools.ts");
      try {
        const acceptance = await acceptIn(store, names, gone ?? false);
        await new Output(output, false).record(viewOf(acceptance));
        const [refused] = acceptance.refused;
        if (refused !== undefined) {
          throw new CommandError(
            EXIT.REFUSED,
            `${refused.name} cannot be taken as it stands: ${refused.why}.`,
          );
        }
      } catch (error) {
        throw startFailureOf(error);
      }
    });
}

interface Options {
  readonly store: string;
  readonly gone?: true;
  readonly output: Format;
}

function viewOf({ store, found, accepted, refused, gone }: Acceptance): View {
  const told = accepted.map(({ name, value, revision }) => `${name}: ${value} at revision ${revision}`);
  return {
    json: {
      store,
      found: [...found],
      accepted: accepted.map(({ name, value, revision }) => ({ name, value: `${value}`, revision })),
      refused: refused.map(({ name, why }) => ({ name, why })),
      gone,
    },
    value: `${found.length}`,
    cells: {
      STORE: store,
      "BY HAND": found.join("; ") || "nothing that shows",
      ...(told.length > 0 && { ACCEPTED: told.join("; ") }),
      ...(gone > 0 && { "ACCEPTED GONE": `${gone}` }),
    },
  };
}

const EXAMPLES = `Examples:
  tally accept --store sqlite:./tally.db              what was changed by hand
  tally accept --store sqlite:./tally.db seats        take seats as it stands
  tally accept --store postgres://db/tally --gone     and that rows were deleted
`;

const ABOUT = `
For after somebody has changed a store's tables by SQL: counters whose changes no longer lead to their values, rows that
are not what Tally writes (on SQLite each has a checksum), rows that are gone. \`tally copy\` refuses such a store, and so
does a server such a row.

A counter that is accepted keeps its name, uid, value and settings, and goes on at a revision that nobody has seen, so no
etag of before fits it. Its history begins anew there: what the change log had of it is given out no more. Nothing can
tell a change by hand from damage on the disk: look at the value before you accept it.

A row that was deleted is accepted by --gone, which needs no name. On SQLite its name can neither be read nor made anew
before that.

Stop the server first on SQLite. On PostgreSQL servers may run; meanwhile they refuse calls (STORE_UNAVAILABLE, not
applied), which takes as long as reading the change log.`;
