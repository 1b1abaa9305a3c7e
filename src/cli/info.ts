import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  AdminService,
  type GetServerInfoResponse,
  GetServerInfoResponseSchema,
} from "../../gen/browser/tally/v1/admin_service_pb.ts";
import { onServer } from "./client-command.ts";
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
  const { version, nodeVersion, startTime, store, promise, durability, auth, limits, warnings } = answer;
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
      LIMITS: Object.entries(limits)
        .map(([name, value]) => `${name} ${value}`)
        .sort()
        .join(", "),
      WARNINGS: warnings.join(" ") || "none",
    },
  };
}

const EXAMPLES = `Examples:
  tally info                    what the server is, and what is wrong with it
  tally info -o json            the same for a script
  tally info -o value           its version
`;
