import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  ChangeKind,
  type NotedChange,
  NotedChangeSchema,
} from "../../gen/browser/tally/v1/history_service_pb.ts";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import type { View } from "./output.ts";
import { timeOf } from "./time-settings.ts";
import { wholeNumberOption } from "./values.ts";
import { EVERY_FIELD } from "./views.ts";

/** `tally changes`: what somebody did to a counter by name, the newest first. */
export function define(command: Command): void {
  command
    .argument("<name>", "the counter, also one that is gone")
    .option("--limit <n>", "how many at most", wholeNumberOption(1, Number.MAX_SAFE_INTEGER), 50)
    .option("--all", "all of them")
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "table", formats: ["table", "json", "yaml"] },
    async ({ client, output }, [name]: [string], { limit, all }: Options) => {
      const list = output.list();
      let listed = 0;
      let left = all ? Number.POSITIVE_INFINITY : limit;
      let pageToken = "";
      do {
        const request = { name, pageSize: Math.min(left, PAGE_SIZE_MAX), pageToken };
        const { changes, nextPageToken } = await client.call(RPC.listChanges, request);
        await list.add(changes.map(changeView));
        left -= changes.length;
        listed += changes.length;
        pageToken = nextPageToken;
      } while (pageToken !== "" && left > 0);
      await list.end();
      if (listed === 0)
        output.note(
          `Nothing was noted of ${name}: only set, reset, settings and deletions are, and ends of windows.`,
        );
      if (pageToken !== "") output.note("There are more: --limit N lists N of them, --all lists all.");
    },
  );
}

interface Options {
  readonly limit: number;
  readonly all?: true;
}

function changeView(change: NotedChange): View {
  const { kind, time, value, added, removed, caller, note } = change;
  const by = BigInt(added) - BigInt(removed);
  return {
    json: toJson(NotedChangeSchema, change, EVERY_FIELD),
    value: `${value}`,
    cells: {
      TIME: timeOf(time),
      WHAT: WORDS[kind],
      VALUE: value,
      BY: `${by > 0n ? "+" : ""}${by}`,
      WHO: caller || "-",
      NOTE: note,
    },
  };
}

const WORDS: Readonly<Record<ChangeKind, string>> = {
  [ChangeKind.UNSPECIFIED]: "-", // Of a newer server.
  [ChangeKind.SET]: "set",
  [ChangeKind.RESET]: "reset",
  [ChangeKind.CREATE]: "created",
  [ChangeKind.SETTINGS]: "settings",
  [ChangeKind.DELETE]: "deleted",
  [ChangeKind.ROLL]: "window ended",
  [ChangeKind.EXPIRE]: "expired",
};

const PAGE_SIZE_MAX = 1_000;

const EXAMPLES = `Examples:
  tally changes visits              the last 50: set, reset, settings, deleted
  tally changes visits --all -o json
`;
