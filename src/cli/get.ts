import type { Command } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { wholeCounter } from "./views.ts";

/** `tally get`: read counters. */
export function define(command: Command): void {
  command.argument("<name>", "the counter").addHelpText("before", EXAMPLES);
  onServer(command, { format: "value" }, async ({ client, output }, [name]: [string]) => {
    const { counter } = await client.call(RPC.getCounter, { name });
    await output.record(wholeCounter(counter!));
  });
}

const EXAMPLES = `Examples:
  tally get visits                 print its value
  tally get visits -o json         all there is to know about it

`;
