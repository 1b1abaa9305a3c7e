import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Command, Option } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { noteReplay } from "./counting.ts";
import { limitView } from "./limits.ts";
import { given, type RequestOptions, requestIdOption } from "./requests.ts";
import { instantOf } from "./time-settings.ts";
import { amount } from "./values.ts";

/** `tally give-back`: give back to a limit what was taken and is not used. */
export function define(command: Command): void {
  command
    .argument("<name>", "the limit")
    .argument("<amount>", "how much to give back; what is more than is used is not", amount)
    .addOption(
      new Option(
        "--window-start <time>",
        "when the window began that it was taken in: when it is over, nothing is given back",
      ).argParser(instantOf),
    )
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "value" },
    async ({ client, output }, [name, amount]: [string, bigint], options: Options) => {
      const { windowStart, requestId } = options;
      const began = windowStart && timestampFromDate(windowStart);
      const request = { name, amount, ...given({ windowStart: began, requestId }) };
      const { givenBack, status, replayed } = await client.call(RPC.giveBackLimit, request);
      await output.change(limitView(status!, replayed, givenBack));
      noteReplay(output, { name, replayed });
      if (givenBack !== amount) output.note(`${name}: ${givenBack} of ${amount} given back.`);
    },
  );
}

interface Options extends Pick<RequestOptions, "requestId"> {
  readonly windowStart?: Date;
}

const EXAMPLES = `Examples:
  tally give-back tokens:ada 3200   what an estimate left; prints what there is
  tally give-back tokens:ada 3200 --window-start 2026-03-01T00:00:00Z
`;
