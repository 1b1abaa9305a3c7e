import type { Command } from "commander";
import { RPC, STREAMS } from "../client/client.ts";
import { bulk } from "./bulk.ts";
import { type BulkOptions, type BulkRequest, bulkOptions, bulkRequest } from "./bulk-options.ts";
import { onServer } from "./client-command.ts";
import { noteReplay } from "./counting.ts";
import { eachName } from "./each-name.ts";
import { oneNameFor } from "./names.ts";
import { etagOption, given, noteOption, type RequestOptions, requestIdOption } from "./requests.ts";
import { outcomeView } from "./views.ts";

/** `tally reset`: take counters back to their initial value, by name, or all of a prefix after a question. */
export function define(command: Command): void {
  command.argument("[name...]", "the counters; those that can be reset are, whatever becomes of the others");
  bulkOptions(command);
  command
    .option("-y, --yes", "do not ask; needed for many when nobody is there to ask")
    .addOption(etagOption())
    .addOption(noteOption())
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "value" },
    async ({ client, output }, [names]: [string[]], options: Options) => {
      const { etag, note, requestId } = options;
      const many = bulkRequest(names, options, { "--etag": etag, "--request-id": requestId });
      if (many !== undefined) {
        const call = (request: BulkRequest) =>
          client.stream(STREAMS.resetCounters, { ...request, ...given({ note }) });
        return bulk(output, call, many, options, { what: "reset", done: "reset", so: "" });
      }
      oneNameFor(names, { "--etag": etag });
      await eachName(names, output.changes(names.length), async (name) => {
        const { outcome } = await client.call(RPC.reset, { name, ...given({ etag, note, requestId }) });
        noteReplay(output, outcome!);
        return outcomeView(outcome!);
      });
    },
  );
}

interface Options extends Omit<RequestOptions, "label">, BulkOptions {}

const EXAMPLES = `Examples:
  tally reset visits
  tally reset --prefix seats: --yes
  tally reset seats:monday seats:tuesday --note "new week"
`;
