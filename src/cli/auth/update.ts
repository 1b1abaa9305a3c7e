import { create } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  AdminService,
  type Principal,
  PrincipalSchema,
} from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { CallError } from "../../client/call-error.ts";
import type { TallyClient } from "../../client/client.ts";
import { onServer } from "../client-command.ts";
import { CommandError, EXIT } from "../exit.ts";
import { etagOption } from "../requests.ts";
import { change } from "./change.ts";
import { changedGrants, type GrantChanges, grantOption, revokeGrantOption } from "./grants.ts";
import { principalView } from "./principal-view.ts";
import { addRateOptions, type RateOptions, rateOf } from "./rate.ts";

/** `tally auth principal update`: change what a principal may do, how often it may call, and whether it may at all. */
export function define(command: Command): void {
  command
    .argument("<principal>", "who; anonymous is who has no credential")
    .addOption(grantOption("permit more"))
    .addOption(revokeGrantOption())
    .option("--description <text>", "for people; up to 500 bytes");
  addRateOptions(command);
  command
    .option("--no-rate", "no rate of its own: that of the server")
    .option("--disable", "refuse all its calls")
    .option("--enable", "refuse them no more")
    .addOption(etagOption("principal"));
  onServer(command, { format: "table" }, async ({ client, output }, [name]: [string], options: Options) => {
    await output.change(principalView(await update(client, name, options)));
  });
}

interface Options extends GrantChanges, RateOptions {
  readonly description?: string;
  /** False of --no-rate; commander's true says nothing. */
  readonly rate?: boolean;
  readonly disable?: true;
  readonly enable?: true;
  readonly etag?: string;
}

/** Read, change and write it, as often as others come between. */
async function update(client: TallyClient, name: string, options: Options): Promise<Principal> {
  for (let attempt = 1; ; attempt++) {
    const principal = await read(client, name);
    const fields = changed(principal, options);
    const paths = Object.keys(fields);
    if (paths.length === 0)
      throw new CommandError(EXIT.USAGE, "Nothing to change; say what, such as --grant read@shop.");
    const etag = options.etag ?? (principal.etag || undefined); // One that nobody has made has none.
    try {
      const answer = await change(client, AdminService.method.updatePrincipal, {
        name,
        principal: fields,
        updateMask: { paths },
        ...(etag !== undefined && { etag }),
      });
      return answer.principal!;
    } catch (error) {
      const raced = error instanceof CallError && error.reason === "ETAG_MISMATCH";
      if (!raced || options.etag !== undefined || attempt === ATTEMPTS) throw error;
    }
  }
}

/** A principal; `anonymous` is one without grants until somebody changes it. */
async function read(client: TallyClient, name: string): Promise<Principal> {
  try {
    return (await client.call(AdminService.method.getPrincipal, { name })).principal!;
  } catch (error) {
    const unmade = error instanceof CallError && error.reason === "PRINCIPAL_NOT_FOUND";
    if (!unmade || name !== "anonymous") throw error;
    return create(PrincipalSchema, { name });
  }
}

/** The fields that are to be others than they are. @throws CommandError  for what does not go together */
function changed(principal: Principal, options: Options) {
  const { grant, revokeGrant, description, disable, enable } = options;
  const ownRate = rateOf(options, principal.rate);
  if (disable && enable) throw new CommandError(EXIT.USAGE, "--disable does not go with --enable.");
  if (ownRate !== undefined && options.rate === false)
    throw new CommandError(EXIT.USAGE, "--no-rate does not go with a rate.");
  return {
    ...((grant ?? revokeGrant) !== undefined && { grants: changedGrants(principal.grants, options) }),
    ...(description !== undefined && { description }),
    ...(ownRate !== undefined && { rate: ownRate }),
    ...(options.rate === false && { rate: undefined }),
    ...((disable ?? enable) && { disabled: disable ?? false }),
  };
}

/** Who meets others so often has another trouble. */
const ATTEMPTS = 5;
