import { toJson } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import {
  AdminService,
  type DeniedCall,
  DeniedCallSchema,
} from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { Permission } from "../../../gen/browser/tally/v1/permission_pb.ts";
import { onServer } from "../client-command.ts";
import type { View } from "../output.ts";
import { timeOf } from "../time-settings.ts";
import { wholeNumberOption } from "../values.ts";
import { EVERY_FIELD } from "../views.ts";

/** `tally auth denied`: calls that were refused for who called or what they may do. */
export function define(command: Command): void {
  command
    .addOption(
      new Option("--max <n>", "so many at most, up to 1,000")
        .default(50)
        .argParser(wholeNumberOption(1, 1_000)),
    )
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "table", formats: ["table", "json", "yaml"] },
    async ({ client, output }, _: [], { max }: { max: number }) => {
      const { denied } = await client.call(AdminService.method.listDenied, { max });
      const list = output.list();
      await list.add(denied.map(view));
      await list.end();
      if (denied.length === 0) output.note("No call was refused for who called, since this process started.");
    },
  );
}

function view(denied: DeniedCall): View {
  const { time, reason, caller, keyId, address, method, permission, target, count } = denied;
  const lacked = permission === Permission.UNSPECIFIED ? "" : ` ${WORDS[permission] ?? permission}`;
  return {
    json: toJson(DeniedCallSchema, denied, EVERY_FIELD),
    value: reason,
    cells: {
      TIME: timeOf(time),
      TIMES: count,
      REASON: `${reason}${lacked}`,
      CALLER: caller || keyId || "-",
      ADDRESS: address || "-",
      METHOD: method.slice(method.lastIndexOf("/") + 1),
      NAME: target || "-",
    },
  };
}

/** Permissions as grants write them, by their numbers. */
const WORDS: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(Permission).map(([name, number]) => [number, name.toLowerCase()]),
);

const EXAMPLES = `Examples:
  tally auth denied                       the last 50 that differ
  tally auth denied --max 1000 -o json
`;
