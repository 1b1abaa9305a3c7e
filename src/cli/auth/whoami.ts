import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  AdminService,
  type WhoAmIResponse,
  WhoAmIResponseSchema,
} from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { onServer } from "../client-command.ts";
import type { View } from "../output.ts";
import { timeOf } from "../time-settings.ts";
import { EVERY_FIELD } from "../views.ts";
import { grantsCell } from "./grants.ts";

/** `tally auth whoami`: who you are to a server, and what you may do. */
export function define(command: Command): void {
  command.addHelpText("before", EXAMPLES);
  onServer(command, { format: "table" }, async ({ client, output }) => {
    await output.record(view(await client.call(AdminService.method.whoAmI, {})));
  });
}

function view(answer: WhoAmIResponse): View {
  const { name, grants, credential, keyId, expireTime } = answer;
  return {
    json: toJson(WhoAmIResponseSchema, answer, EVERY_FIELD),
    value: name,
    name,
    cells: {
      NAME: name,
      GRANTS: grantsCell(grants),
      BY: credential,
      ...(keyId !== "" && { KEY: keyId }),
      ...(expireTime && { "GOOD UNTIL": timeOf(expireTime) }),
    },
  };
}

const EXAMPLES = `Examples:
  tally auth whoami
  tally auth whoami --api-key-file shop.key    whose key this is
  tally auth whoami -o value                   the name alone
`;
