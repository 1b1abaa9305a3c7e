import type { Command } from "commander";
import { AdminService } from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { onServer } from "../client-command.ts";
import { addSubjectOptions, bindingView, type SubjectOptions, subjectOf } from "./binding.ts";

/** `tally auth bind`: say that whoever proves to have a name elsewhere is a principal. */
export function define(command: Command): void {
  command.argument("<principal>", "who they are to be").addHelpText("before", EXAMPLES);
  addSubjectOptions(command);
  onServer(
    command,
    { format: "table" },
    async ({ client, output }, [principal]: [string], options: SubjectOptions) => {
      const request = { principal, subject: subjectOf(options) };
      const { binding } = await client.call(AdminService.method.createBinding, request); // Again changes nothing.
      await output.change(bindingView(binding!));
    },
  );
}

const EXAMPLES = `Examples:
  tally auth bind shop --certificate spiffe://example.org/shop
  tally auth bind shop --certificate shop.example.org
  tally auth bind ada --oidc corp:00u1ab
`;
