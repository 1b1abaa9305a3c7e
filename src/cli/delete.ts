import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  type DeleteCounterResponse,
  DeleteCounterResponseSchema,
} from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { RPC, STREAMS } from "../client/client.ts";
import { bulk } from "./bulk.ts";
import { type BulkOptions, type BulkRequest, bulkOptions, bulkRequest } from "./bulk-options.ts";
import { onServer } from "./client-command.ts";
import { confirm, expectSomebody } from "./confirm.ts";
import { noteReplay } from "./counting.ts";
import { eachName } from "./each-name.ts";
import { CommandError, EXIT } from "./exit.ts";
import { oneNameFor } from "./names.ts";
import type { View } from "./output.ts";
import { etagOption, given, noteOption, type RequestOptions, requestIdOption } from "./requests.ts";
import { timeOf } from "./time-settings.ts";
import { EVERY_FIELD } from "./views.ts";

/** `tally delete`: delete counters by name, or all of a prefix, after a question. */
export function define(command: Command): void {
  command.argument("[name...]", "the counters");
  bulkOptions(command);
  command
    .option("-y, --yes", "do not ask; needed when nobody is there to ask")
    .option("--keep-history", "keep what the change log says about them")
    .addOption(etagOption())
    .addOption(noteOption())
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "value" },
    async ({ client, output }, [names]: [string[]], options: Options) => {
      const { keepHistory, etag, note, requestId, yes } = options;
      const many = bulkRequest(names, options, { "--etag": etag, "--request-id": requestId });
      if (many !== undefined) {
        const call = (request: BulkRequest) =>
          client.stream(STREAMS.deleteCounters, { ...request, ...given({ keepHistory, note }) });
        const history = keepHistory ? "their history stays" : "their history goes too";
        const words = { what: "delete", done: "deleted", so: `, for good; ${history}` };
        return bulk(output, call, many, options, words);
      }
      oneNameFor(names, { "--etag": etag });
      expectSomebody(yes);
      await eachName(names, output.changes(names.length), async (name) => {
        if (!yes) {
          const { counter } = await client.call(RPC.getCounter, { name });
          const history = keepHistory ? "its history stays" : "its history goes too";
          const question = `This deletes ${name}, now at ${counter!.value}, for good; ${history}. Type its name to go on: `;
          if (!(await confirm(question, name)))
            throw new CommandError(EXIT.FAILURE, `That is not its name; ${name} is not deleted.`);
        }
        const request = { name, ...given({ keepHistory, etag, note, requestId }) };
        const answer = await client.call(RPC.deleteCounter, request);
        noteReplay(output, answer);
        return deletedView(answer);
      });
    },
  );
}

interface Options extends Omit<RequestOptions, "label">, BulkOptions {
  readonly keepHistory?: true;
}

function deletedView(answer: DeleteCounterResponse): View {
  const { name, value, revision, uid, time } = answer;
  return {
    json: toJson(DeleteCounterResponseSchema, answer, EVERY_FIELD),
    value: `${value}`,
    name,
    cells: { NAME: name, "LAST VALUE": value, REVISION: revision, UID: uid, DELETED: timeOf(time) },
  };
}

const EXAMPLES = `Examples:
  tally delete visits                     asks for its name first
  tally delete seats:monday seats:tuesday --yes
  tally delete --prefix old: --dry-run    how many they are
  tally delete --prefix old:              asks for their number first
  tally delete orders --keep-history --note "moved to orders-2026"
`;
