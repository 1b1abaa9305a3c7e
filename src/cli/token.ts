import type { Command } from "commander";
import { sub } from "./sub.ts";
import * as mint from "./token-mint.ts";

/** `tally token`: tokens that are signed with an API key, for who is not to have the key. */
export function define(command: Command): void {
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES);
  mint.define(sub(command, "mint", "make a token that may less than an API key, for a time; asks no server"));
}

const EXAMPLES = `Examples:
  tally token mint --api-key-file shop.key --allow increment@=shop.a --ttl 24h
`;
