import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { AdminService, CheckAccessResponseSchema } from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { Permission } from "../../../gen/browser/tally/v1/permission_pb.ts";
import { PERMISSION_WORDS } from "../../core/permissions.ts";
import { onServer } from "../client-command.ts";
import { CommandError, EXIT } from "../exit.ts";
import { EVERY_FIELD } from "../views.ts";

/** `tally auth can`: whether a principal may do something. */
export function define(command: Command): void {
  command
    .argument("<principal>", "who; anonymous and root too")
    .addArgument(
      command.createArgument("<permission>", "what").choices(PERMISSION_WORDS.map(([word]) => word)),
    )
    .argument("[name]", "to which counter, there or not")
    .option("--prefix <prefix>", 'to all counters whose names begin so; "" for all')
    .addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "value" },
    async ({ client, output }, [principal, permission, name]: Args, { prefix }: { prefix?: string }) => {
      if ((name === undefined) === (prefix === undefined))
        throw new CommandError(EXIT.USAGE, "Give the name of a counter, or --prefix; one of them.");
      const answer = await client.call(AdminService.method.checkAccess, {
        principal,
        permission: Permission[permission.toUpperCase() as keyof typeof Permission],
        target: name !== undefined ? { case: "name", value: name } : { case: "prefix", value: prefix! },
      });
      await output.record({
        json: toJson(CheckAccessResponseSchema, answer, EVERY_FIELD),
        value: answer.allowed ? "yes" : "no",
        name: principal,
        cells: { ALLOWED: answer.allowed ? "yes" : "no", BY: answer.grant === "" ? "-" : answer.grant },
      });
      if (answer.allowed) return;
      const target = name ?? (prefix === "" ? "all counters" : `all that begins with ${prefix}`);
      throw new CommandError(EXIT.FAILURE, `${principal} may not ${permission} ${target}.`);
    },
  );
}

type Args = [principal: string, permission: string, name: string | undefined];

const EXAMPLES = `Examples:
  tally auth can shop increment shop.visits              yes; or no, and exit code 1
  tally auth can shop read --prefix shop. -o table       and by which grant
  tally auth can anonymous read --prefix ""              what everybody may
`;
