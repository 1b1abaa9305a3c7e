import type { Command } from "commander";
import { TopOrder } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { labelOption, type RequestOptions } from "./requests.ts";
import { wholeNumberOption } from "./values.ts";
import { listedCounter } from "./views.ts";

/** `tally top`: rank counters by value. */
export function define(command: Command): void {
  command
    .argument("[prefix]", "only counters whose name begins so (default: all)")
    .option("-n, --count <n>", "how many, 1 to 1,000", wholeNumberOption(1, 1_000), 10)
    .option("--lowest", "the lowest values first")
    .addOption(labelOption("only counters with this label, or with all of them"))
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "table", formats: ["table", "wide", "json", "yaml", "value", "name"] },
    async ({ client, output }, [prefix = ""]: [string | undefined], options: Options) => {
      const { counters } = await client.call(RPC.topCounters, {
        prefix,
        labels: options.label ?? {},
        n: options.count,
        order: options.lowest ? TopOrder.LOWEST : TopOrder.HIGHEST,
      });
      const list = output.list();
      await list.add(counters.map(listedCounter));
      await list.end();
    },
  );
}

interface Options extends Pick<RequestOptions, "label"> {
  readonly count: number;
  readonly lowest?: true;
}

const EXAMPLES = `Examples:
  tally top                       the ten highest values
  tally top page: -n 3            three that begin with page:
  tally top --lowest --label team=web
`;
