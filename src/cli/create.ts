import type { Command } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { noteReplay } from "./counting.ts";
import { given, labelOption, type RequestOptions, requestIdOption } from "./requests.ts";
import { addSettingOptions, type SettingOptions, settingsIn } from "./settings.ts";
import { int64 } from "./values.ts";
import { wholeCounter } from "./views.ts";

/** `tally create`: make a counter, with bounds and labels. */
export function define(command: Command): void {
  command
    .argument("<name>", "1 to 200 bytes of printable ASCII without spaces, the first not -")
    .option("--value <value>", "the value to start from (default: the initial value)", int64);
  addSettingOptions(command);
  command
    .addOption(labelOption("a label to find it by"))
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(command, { format: "table" }, async ({ client, output }, [name]: [string], options: Options) => {
    const { value, label, requestId } = options;
    const answer = await client.call(RPC.createCounter, {
      name,
      ...settingsIn(options).settings,
      ...given({ value, labels: label, requestId }),
    });
    await output.change(wholeCounter(answer.counter!));
    noteReplay(output, { name, replayed: answer.replayed });
  });
}

interface Options extends SettingOptions, Pick<RequestOptions, "label" | "requestId"> {
  readonly value?: bigint;
}

const EXAMPLES = `Examples:
  tally create visits --description "page views of the shop"
  tally create seats --min 0 --max 40 --initial 40
  tally create load --min 0 --max 100 --on-bound clamp --label team=web
  tally create mails:ada --max 5 --window day --zone Europe/Berlin     5 a day
  tally create calls:ada --min 0 --max 100 --refill 10/1s     a token bucket
  tally create logins:ada --max 3 --idle-ttl 15m     gone after 15 quiet minutes
  tally create orders --monotonic --value 12345     go on from another system
`;
