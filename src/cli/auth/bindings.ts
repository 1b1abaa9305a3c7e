import type { Command } from "commander";
import { AdminService } from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { onServer } from "../client-command.ts";
import { bindingView } from "./binding.ts";

/** `tally auth bindings`: which certificates and people are which principals. */
export function define(command: Command): void {
  command.argument("[principal]", "only those of one (default: all)").addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "table", formats: ["table", "json", "yaml", "value", "name"] },
    async ({ client, output }, [principal = ""]: [string | undefined]) => {
      const { bindings } = await client.call(AdminService.method.listBindings, { principal });
      const list = output.list();
      await list.add(bindings.map(bindingView));
      await list.end();
      const whom = principal === "" ? "any principal" : principal;
      if (bindings.length === 0)
        output.note(`Nothing is bound to ${whom}. Bind with: tally auth bind PRINCIPAL --certificate NAME`);
    },
  );
}

const EXAMPLES = `Examples:
  tally auth bindings
  tally auth bindings shop -o json
`;
