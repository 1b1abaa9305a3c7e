import type { Command } from "commander";
import type { SchemaStatus } from "../service/store.ts";
import { notes } from "./help.ts";
import { type Format, Output, type View } from "./output.ts";
import { outputOption } from "./output-options.ts";
import { startFailureOf } from "./start-failure.ts";
import { sub } from "./sub.ts";

/** `tally migrate`: which schema a store has, and bring it to this version's. */
export function define(command: Command): void {
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES).addHelpText("after", notes(ABOUT));
  ofStore(
    sub(command, "status", "which schema the store has, and what `up` would do; changes nothing"),
  ).action(
    telling(async ({ store, output }) => {
      const { statusOf } = await import("../store-tools.ts");
      await new Output(output, false).record(viewOf(await statusOf(store)));
    }),
  );
  ofStore(sub(command, "up", "make the store, or bring it to this version's schema")).action(
    telling(async ({ store, output }) => {
      const { migrated } = await import("../store-tools.ts");
      const { before, after } = await migrated(store);
      await new Output(output, false).record(viewOf(after, before));
    }),
  );
}

interface Options {
  readonly store: string;
  readonly output: Format;
}

function ofStore(command: Command): Command {
  return command
    .requiredOption("--store <url>", "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
    .addOption(outputOption(["table", "json", "yaml", "value"]));
}

function telling(run: (options: Options) => Promise<void>): (options: Options) => Promise<void> {
  return (options) =>
    run(options).catch((error: unknown) => {
      throw startFailureOf(error);
    });
}

/** @param before  what the store was before it was migrated */
function viewOf({ store, version, latest, pending }: SchemaStatus, before?: SchemaStatus): View {
  const upToDate = pending.length === 0;
  const done = before?.pending ?? [];
  return {
    json: {
      store,
      version: version ?? null,
      latest,
      pending: [...pending],
      upToDate,
      ...(before && { done: [...done], before: before.version ?? null }),
    },
    value: `${version ?? 0}`,
    cells: {
      STORE: store,
      SCHEMA: version === undefined ? "none yet" : `${version}`,
      "THIS VERSION'S": `${latest}`,
      ...(before && { DONE: done.join("; ") || "nothing, it was up to date" }),
      ...(before === undefined && { "TO DO": pending.join("; ") || "nothing, it is up to date" }),
    },
  };
}

const EXAMPLES = `Examples:
  tally migrate status --store sqlite:./tally.db
  tally migrate up --store postgres://tally:secret@db/tally
`;

const ABOUT = `
\`tally serve\` does this by itself at start. Apart from it one migrates to see beforehand what will be done; to do it
once, with a user who may change tables, before several instances start as one who may not; or to choose the moment:
\`tally serve --migrate-at-start false\` refuses a store that is not of its schema. A store that was migrated can no
longer be opened by an older Tally on SQLite; back it up first.`;
