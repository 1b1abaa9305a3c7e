import type { Command } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { noteReplay } from "./counting.ts";
import { eachName } from "./each-name.ts";
import { oneNameFor } from "./names.ts";
import { etagOption, given, noteOption, type RequestOptions, requestIdOption } from "./requests.ts";
import { outcomeView } from "./views.ts";

/** `tally reset`: take counters back to their initial value. */
export function define(command: Command): void {
  command
    .argument("<name...>", "the counters; those that can be reset are, whatever becomes of the others")
    .addOption(etagOption())
    .addOption(noteOption())
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "value" },
    async ({ client, output }, [names]: [string[]], options: RequestOptions) => {
      const { etag, note, requestId } = options;
      oneNameFor(names, { "--etag": etag });
      await eachName(names, output.changes(names.length), async (name) => {
        const { outcome } = await client.call(RPC.reset, { name, ...given({ etag, note, requestId }) });
        noteReplay(output, outcome!);
        return outcomeView(outcome!);
      });
    },
  );
}

const EXAMPLES = `Examples:
  tally reset visits
  tally reset seats:monday seats:tuesday --note "new week"
`;
