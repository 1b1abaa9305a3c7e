import type { Command } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { printOutcome } from "./counting.ts";
import { given, mustExistOption, type RequestOptions, requestIdOption } from "./requests.ts";
import { ifMissingOption, type Missing, missingIn } from "./settings.ts";
import { amount } from "./values.ts";

/** `tally inc`: add to a counter. */
export function define(command: Command): void {
  command
    .argument("<name>", "the counter; it is made when it is missing")
    .argument("[amount]", "how much to add, from 1 (default: 1)", amount)
    .addOption(mustExistOption())
    .addOption(ifMissingOption())
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(command, { format: "value" }, async ({ client, output }, [name, by]: Args, options: Options) => {
    const { mustExist, requestId } = options;
    const ifMissing = missingIn(options.ifMissing);
    const request = { name, ...given({ amount: by, mustExist, requestId, ifMissing }) };
    const { outcome } = await client.call(RPC.increment, request);
    await printOutcome(output, outcome!, by ?? 1n);
  });
}

type Args = [name: string, by: bigint | undefined];
type Options = Pick<RequestOptions, "mustExist" | "requestId"> & { readonly ifMissing?: Missing };

const EXAMPLES = `Examples:
  tally inc visits                       one more; prints the new value
  tally inc visits 25                    25 more
  tally inc orders --request-id ord-17   once, however often it is run
  tally inc seats -o json                all that the answer says
  tally inc mails:ada --if-missing max=5 five at most, if it is new
`;
