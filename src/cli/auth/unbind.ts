import type { Command } from "commander";
import { AdminService } from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { onServer } from "../client-command.ts";
import { addSubjectOptions, type SubjectOptions, subjectOf } from "./binding.ts";
import { change } from "./change.ts";

/** `tally auth unbind`: take a binding away, so that who has that name is nobody. */
export function define(command: Command): void {
  command.addHelpText("before", EXAMPLES);
  addSubjectOptions(command);
  onServer(command, { format: "value" }, async ({ client, output }, _: [], options: SubjectOptions) => {
    const subject = subjectOf(options);
    await change(client, AdminService.method.deleteBinding, { subject });
    output.note(`${subject.value} is nobody any more.`);
  });
}

const EXAMPLES = `Examples:
  tally auth unbind --certificate spiffe://example.org/shop
  tally auth unbind --oidc corp:00u1ab
`;
