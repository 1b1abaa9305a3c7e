import type { Command } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { noteReplay } from "./counting.ts";
import {
  etagOption,
  given,
  mustExistOption,
  noteOption,
  type RequestOptions,
  requestIdOption,
} from "./requests.ts";
import { ifMissingOption, type Missing, missingIn } from "./settings.ts";
import { int64 } from "./values.ts";
import { outcomeView } from "./views.ts";

/** `tally set`: set a counter to a value. */
export function define(command: Command): void {
  command
    .argument("<name>", "the counter; it is made when it is missing")
    .argument("<value>", "the value, within the counter's bounds; may be negative", int64)
    .addOption(mustExistOption())
    .addOption(etagOption())
    .addOption(noteOption())
    .addOption(ifMissingOption())
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "value" },
    async ({ client, output }, [name, value]: [string, bigint], options: Options) => {
      const { mustExist, etag, note, requestId } = options;
      const ifMissing = missingIn(options.ifMissing);
      const request = { name, value, ...given({ mustExist, etag, note, requestId, ifMissing }) };
      const { outcome } = await client.call(RPC.set, request);
      await output.change(outcomeView(outcome!));
      noteReplay(output, outcome!);
    },
  );
}

type Options = RequestOptions & { readonly ifMissing?: Missing };

const EXAMPLES = `Examples:
  tally set visits 0
  tally set temperature -5
  tally set seats 40 --note "new room"
  tally set seats 40 --etag "$ETAG"      only if nobody changed it since
`;
