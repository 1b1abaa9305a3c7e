import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  type DeleteCounterResponse,
  DeleteCounterResponseSchema,
} from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { RPC } from "../client/client.ts";
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

/** `tally delete`: delete counters, after a question. */
export function define(command: Command): void {
  command
    .argument("<name...>", "the counters")
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

interface Options extends RequestOptions {
  readonly yes?: true;
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
  tally delete orders --keep-history --note "moved to orders-2026"
`;
