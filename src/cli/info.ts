import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import {
  AdminService,
  type GetServerInfoResponse,
  GetServerInfoResponseSchema,
} from "../../gen/browser/tally/v1/admin_service_pb.ts";
import { onServer } from "./client-command.ts";
import { mib } from "./long-work.ts";
import type { View } from "./output.ts";
import { timeOf } from "./time-settings.ts";
import { EVERY_FIELD } from "./views.ts";

/** `tally info`: what a server is, how it keeps what it answers, and what is not as it should be. */
export function define(command: Command): void {
  command.addHelpText("before", EXAMPLES);
  onServer(command, { format: "table" }, async ({ client, output }) => {
    await output.record(view(await client.call(AdminService.method.getServerInfo, {})));
  });
}

function view(answer: GetServerInfoResponse): View {
  const { version, nodeVersion, startTime, store, promise, durability, auth, limits, warnings, lastBackup } =
    answer;
  return {
    json: toJson(GetServerInfoResponseSchema, answer, EVERY_FIELD),
    value: version,
    cells: {
      VERSION: version,
      "NODE.JS": nodeVersion,
      SINCE: timeOf(startTime),
      STORE: store,
      KEEPS: `${durability}: ${promise}`,
      AUTH: auth,
      BACKUP: backupIn(lastBackup),
      LIMITS: Object.entries(limits)
        .map(([name, value]) => `${name} ${value}`)
        .sort()
        .join(", "),
      WARNINGS: warnings.join(" ") || "none",
    },
  };
}

/** The newest one that the server made by itself. */
function backupIn(last: GetServerInfoResponse["lastBackup"]): string {
  if (last === undefined) return "none by itself";
  const took = last.duration === undefined ? "" : `, in ${durationMs(last.duration) / 1_000} s`;
  return `${timeOf(last.time)}, ${mib(Number(last.bytes))}${took}: ${last.file}`;
}

const EXAMPLES = `Examples:
  tally info                    what the server is, and what is wrong with it
  tally info -o json            the same for a script
  tally info -o value           its version
`;
