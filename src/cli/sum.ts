import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  type SumCountersResponse,
  SumCountersResponseSchema,
} from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import type { View } from "./output.ts";
import { labelOption, type RequestOptions } from "./requests.ts";
import { EVERY_FIELD } from "./views.ts";

/** `tally sum`: sum up counters. */
export function define(command: Command): void {
  command
    .argument("[prefix]", "only counters whose name begins so (default: all)")
    .addOption(labelOption("only counters with this label, or with all of them"))
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "value" },
    async ({ client, output }, [prefix = ""]: [string | undefined], { label }: RequestOptions) => {
      const answer = await client.call(RPC.sumCounters, { prefix, labels: label ?? {} });
      await output.record(sumView(answer));
    },
  );
}

function sumView(answer: SumCountersResponse): View {
  const { count, sum, lowest, highest } = answer;
  return {
    json: toJson(SumCountersResponseSchema, answer, EVERY_FIELD),
    value: sum,
    cells: { COUNTERS: count, SUM: sum, LOWEST: lowest ?? "-", HIGHEST: highest ?? "-" },
  };
}

const EXAMPLES = `Examples:
  tally sum page:                 the exact sum, also beyond 64 bits
  tally sum --label team=web -o table
`;
