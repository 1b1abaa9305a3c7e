import type { Command } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { visible } from "./output.ts";
import { labelOption, type RequestOptions } from "./requests.ts";
import { wholeNumberOption } from "./values.ts";
import { listedCounter } from "./views.ts";

/** `tally list`: list counters by name, page by page, so that any number of them can be. */
export function define(command: Command): void {
  command
    .argument("[prefix]", "only counters whose name begins so (default: all)")
    .addOption(labelOption("only counters with this label, or with all of them"))
    .option("--limit <n>", "how many at most", wholeNumberOption(1, Number.MAX_SAFE_INTEGER), 50)
    .option("--all", "all of them")
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "table", formats: ["table", "json", "yaml", "value", "name"] },
    async ({ client, output }, [prefix = ""]: [string | undefined], options: Options) => {
      const list = output.list();
      const corrupt: string[] = [];
      let left = options.all ? Number.POSITIVE_INFINITY : options.limit;
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
        report(`${visible(name)} cannot be read: what is stored of it is damaged; restore it from a backup.`);
      if (corrupt.length > 0) throw new CommandError(EXIT.FAILURE, undefined);
    },
  );
}

interface Options extends Pick<RequestOptions, "label"> {
  readonly limit: number;
  readonly all?: true;
}

const PAGE_SIZE_MAX = 1_000;

const EXAMPLES = `Examples:
  tally list                             the first 50 by name
  tally list page: --label team=web      of team web, beginning with page:
  tally list --all -o name | wc -l
  tally list --all -o json > counters.json
`;
