import type { Command } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { labelOption, type RequestOptions } from "./requests.ts";
import { wholeNumberOption } from "./values.ts";
import { listedCounter } from "./views.ts";

/** `tally list`: list counters by name, page by page, so that any number of them can be. */
export function define(command: Command): void {
  command
    .argument("[prefix]", "only counters whose name begins so (default: all)")
    .addOption(labelOption("only counters with this label, or with all of them"))
    .option(
      "--limit <n>",
      `how many at most (default: ${SHOWN_AT_A_TERMINAL} at a terminal, else all)`,
      wholeNumberOption(1, Number.MAX_SAFE_INTEGER),
    )
    .option("--all", "all of them, at a terminal too")
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "table", formats: ["table", "wide", "json", "yaml", "value", "name"] },
    async ({ client, output }, [prefix = ""]: [string | undefined], options: Options) => {
      const list = output.list();
      const corrupt: string[] = [];
      let left = limitOf(options);
      let pageToken = "";
      do {
        const pageSize = Math.min(left, PAGE_SIZE_MAX);
        const request = { prefix, labels: options.label ?? {}, pageSize, pageToken };
        const { counters, nextPageToken, corruptNames } = await client.call(RPC.listCounters, request);
        await list.add(counters.map(listedCounter));
        corrupt.push(...corruptNames);
        left -= counters.length;
        pageToken = nextPageToken;
      } while (pageToken !== "" && left > 0);
      await list.end();
      if (pageToken !== "") output.note(`There are more: --limit N lists N of them, --all lists all.`);
      for (const name of corrupt)
        report(`${name} cannot be read: what is stored of it is damaged; restore it from a backup.`);
      if (corrupt.length > 0) throw new CommandError(EXIT.FAILURE, undefined);
    },
  );
}

/** A program that reads on has no use for the beginning of a list that it takes for the whole. */
function limitOf({ all, limit }: Options): number {
  if (all) return Number.POSITIVE_INFINITY;
  return limit ?? (process.stdout.isTTY ? SHOWN_AT_A_TERMINAL : Number.POSITIVE_INFINITY);
}

const SHOWN_AT_A_TERMINAL = 50;

interface Options extends Pick<RequestOptions, "label"> {
  readonly limit?: number;
  readonly all?: true;
}

const PAGE_SIZE_MAX = 1_000;

const EXAMPLES = `Examples:
  tally list                             the first 50 by name; in a pipe all
  tally list page: --label team=web      of team web, beginning with page:
  tally list -o wide                     and when windows end, idle ones go
  tally list -o name | wc -l
  tally list -o json > counters.json
`;
