import { toJson } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { type Command, Option } from "commander";
import {
  AdminService,
  type ApiKey,
  ApiKeySchema,
  CreateApiKeyResponseSchema,
} from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { durationOf, onServer } from "../client-command.ts";
import { eachName } from "../each-name.ts";
import { CommandError, EXIT } from "../exit.ts";
import type { View } from "../output.ts";
import { given } from "../requests.ts";
import { sub } from "../sub.ts";
import { timeOf } from "../time-settings.ts";
import { EVERY_FIELD } from "../views.ts";
import { change } from "./change.ts";

/** `tally auth key`: the API keys of principals. */
export function define(command: Command): void {
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES);

  const create = sub(command, "create", "make an API key, and print it: this once");
  create
    .argument("<principal>", "whose")
    .addOption(
      new Option("--ttl <duration>", "refuse it from then on, such as 90d (default: never)").argParser(
        (text) => durationOf(text, TTL_MAX, "1m"),
      ),
    )
    .option("--description <text>", "where it is used, say; up to 500 bytes");
  onServer(
    create,
    { format: "value", formats: ["value", "json", "yaml"] },
    async ({ client, output }, [principal]: [string], { ttl, description }: CreateOptions) => {
      const answer = await change(client, AdminService.method.createApiKey, {
        principal,
        ...given({ description, ttl: ttl === undefined ? undefined : durationFromMs(ttl) }),
      });
      const { id, expireTime } = answer.apiKey!;
      await output.record({
        json: toJson(CreateApiKeyResponseSchema, answer, EVERY_FIELD),
        value: answer.key,
        cells: {},
      });
      const until = expireTime === undefined ? "" : `, good until ${timeOf(expireTime)}`;
      output.note(`This is the key ${id} of ${principal}${until}. It is not shown again.`);
    },
  );

  const list = sub(command, "list", "list the keys of a principal, never the keys themselves");
  list.argument("<principal>", "whose");
  onServer(
    list,
    { format: "table", formats: ["table", "json", "yaml", "value"] },
    async ({ client, output }, [principal]: [string]) => {
      const { apiKeys } = await client.call(AdminService.method.listApiKeys, { principal });
      const views = output.list();
      await views.add(apiKeys.map((apiKey) => view(apiKey, new Date())));
      await views.end();
      if (apiKeys.length === 0)
        output.note(`${principal} has no key. Make one with: tally auth key create ${principal}`);
    },
  );

  const revoke = sub(command, "revoke", "refuse keys from now on, and the tokens that were signed with them");
  revoke.argument("<id...>", "the 12 characters behind tally_, which are not secret");
  onServer(revoke, { format: "table" }, async ({ client, output }, [ids]: [string[]]) => {
    for (const id of ids)
      if (!/^[0-9A-Za-z]{12}$/.test(id))
        throw new CommandError(
          EXIT.USAGE,
          `"${id}" is no id of a key; expected the 12 letters and digits behind tally_, without the rest of the key.`,
        );
    await eachName(ids, output.changes(ids.length), async (id) => {
      const { apiKey } = await client.call(AdminService.method.revokeApiKey, { id });
      return view(apiKey!, new Date());
    });
  });
}

interface CreateOptions {
  readonly ttl?: number;
  readonly description?: string;
}

function view(apiKey: ApiKey, now: Date): View {
  const { id, principal, createTime, expireTime, lastUseTime, description } = apiKey;
  return {
    json: toJson(ApiKeySchema, apiKey, EVERY_FIELD),
    value: id,
    name: id,
    cells: {
      ID: id,
      PRINCIPAL: principal,
      STATE: stateOf(apiKey, now),
      CREATED: timeOf(createTime),
      EXPIRES: timeOf(expireTime),
      "LAST USED": hourOf(lastUseTime),
      DESCRIPTION: description,
    },
  };
}

/** To the hour, as it is kept: 2026-03-29T13:00Z. */
function hourOf(time: Timestamp | undefined): string {
  return time === undefined ? "-" : timeOf(time).replace(/:\d\d\.\d+Z$/, "Z");
}

function stateOf({ revokeTime, expireTime }: ApiKey, now: Date): string {
  if (revokeTime !== undefined) return "revoked";
  return expireTime !== undefined && timestampDate(expireTime) <= now ? "expired" : "good";
}

/** Ten years; see CreateApiKeyRequest.ttl. */
const TTL_MAX = "3650d";

const EXAMPLES = `Examples:
  tally auth key create shop > shop.key                  stdout is the key alone
  tally auth key create shop --ttl 90d --description "ci, until spring"
  tally auth key list shop                               in use, expired, revoked
  tally auth key revoke 4fZk2Qm9XbTa
`;
