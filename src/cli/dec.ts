import type { Command } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { printOutcome } from "./counting.ts";
import { given, type RequestOptions, requestIdOption } from "./requests.ts";
import { amount } from "./values.ts";

/** `tally dec`: subtract from a counter. */
export function define(command: Command): void {
  command
    .argument("<name>", "the counter")
    .argument("[amount]", "how much to subtract, from 1 (default: 1)", amount)
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(command, { format: "value" }, async ({ client, output }, [name, by]: Args, options: Options) => {
    const request = { name, ...given({ amount: by, requestId: options.requestId }) };
    const { outcome } = await client.call(RPC.decrement, request);
    await printOutcome(output, outcome!, by ?? 1n);
  });
}

type Args = [name: string, by: bigint | undefined];
type Options = Pick<RequestOptions, "requestId">;

const EXAMPLES = `Examples:
  tally dec seats                        one less; prints the new value
  tally dec seats 4                      4 less, if its minimum allows
  tally dec seats --request-id sale-17   once, however often it is run
`;
