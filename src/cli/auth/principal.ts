import type { Command } from "commander";
import { AdminService } from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { onServer, type Session } from "../client-command.ts";
import { confirm, expectSomebody } from "../confirm.ts";
import { CommandError, EXIT } from "../exit.ts";
import { etagOption, given } from "../requests.ts";
import { sub } from "../sub.ts";
import { change } from "./change.ts";
import { changedGrants, type GrantChanges, grantOption } from "./grants.ts";
import { listedPrincipal, principalView } from "./principal-view.ts";
import { addRateOptions, type RateOptions, rateOf } from "./rate.ts";
import * as update from "./update.ts";

/** `tally auth principal`: who may call, and what they may do. */
export function define(command: Command): void {
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES);

  const list = sub(command, "list", "list principals by name");
  onServer(list, { format: "table", formats: ["table", "json", "yaml", "value", "name"] }, listAll);

  const get = sub(command, "get", "read a principal");
  get.argument("<principal>", WHO);
  onServer(get, { format: "table" }, async ({ client, output }, [name]: [string]) => {
    const { principal } = await client.call(AdminService.method.getPrincipal, { name });
    await output.record(principalView(principal!));
  });

  const create = sub(command, "create", "make a principal");
  create
    .argument("<principal>", "its name for ever: 1 to 63 of a-z 0-9 . _ -, first a letter or digit")
    .addOption(grantOption("what it may do"))
    .option("--description <text>", "for people; up to 500 bytes");
  addRateOptions(create);
  onServer(
    create,
    { format: "table" },
    async ({ client, output }, [name]: [string], options: CreateOptions) => {
      const { principal } = await change(client, AdminService.method.createPrincipal, {
        name,
        grants: changedGrants([], options),
        ...given({ description: options.description, rate: rateOf(options) }),
      });
      await output.change(principalView(principal!));
      output.note(`Give it a key with: tally auth key create ${name}`);
    },
  );

  update.define(sub(command, "update", "change what a principal may do; anonymous is who has no credential"));

  const remove = sub(command, "delete", "delete a principal, with its keys and bindings");
  remove
    .argument("<principal>", "who")
    .option("-y, --yes", "do not ask; needed when nobody is there to ask")
    .addOption(etagOption("principal"));
  onServer(remove, { format: "value" }, deleteOne);
}

async function listAll({ client, output }: Session): Promise<void> {
  const list = output.list();
  let pageToken = "";
  let listed = 0;
  do {
    const answer = await client.call(AdminService.method.listPrincipals, { pageSize: PAGE_SIZE, pageToken });
    await list.add(answer.principals.map(listedPrincipal));
    pageToken = answer.nextPageToken;
    listed += answer.principals.length;
  } while (pageToken !== "");
  await list.end();
  if (listed === 0) output.note("There is no principal. Make one with: tally auth principal create NAME");
}

const PAGE_SIZE = 1_000;

async function deleteOne(
  { client, output }: Session,
  [name]: [string],
  { yes, etag }: { yes?: true; etag?: string },
): Promise<void> {
  expectSomebody(yes);
  if (!yes) {
    await client.call(AdminService.method.getPrincipal, { name });
    const question =
      `This deletes ${name} for good, with its keys and bindings: its calls are refused from then on. ` +
      "What it has counted stays. Type its name to go on: ";
    if (!(await confirm(question, name)))
      throw new CommandError(EXIT.FAILURE, `That is not its name; ${name} is not deleted.`);
  }
  await change(client, AdminService.method.deletePrincipal, { name, ...given({ etag }) });
  output.note(`${name} is deleted.`);
}

interface CreateOptions extends Pick<GrantChanges, "grant">, RateOptions {
  readonly description?: string;
}

const WHO = "who; anonymous is who has no credential";

const EXAMPLES = `Examples:
  tally auth principal create shop --grant write@shop. --grant read@=site.total
  tally auth principal update shop --grant read@site. --revoke-grant set@shop.
  tally auth principal update anonymous --grant read@public.
  tally auth principal update shop --disable       all its calls are refused
  tally auth principal list
  tally auth principal delete shop                 asks for its name first
`;
