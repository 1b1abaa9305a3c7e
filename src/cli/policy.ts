import { toJson } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Command, Option } from "commander";
import {
  Enforcement,
  GetPolicyResponseSchema,
  type Policy,
  PolicySchema,
} from "../../gen/browser/tally/v1/policy_service_pb.ts";
import { RPC } from "../client/client.ts";
import { onServer, type Session } from "./client-command.ts";
import { notes } from "./help.ts";
import type { View } from "./output.ts";
import { etagOption, given } from "./requests.ts";
import { addPolicyOptions, type SettingOptions, settingCells, settingsIn } from "./settings.ts";
import { sub } from "./sub.ts";
import { EVERY_FIELD } from "./views.ts";

/** `tally policy`: settings for all counters whose names begin with a prefix. */
export function define(command: Command): void {
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES).addHelpText("after", notes(ABOUT));

  const set = sub(command, "set", "set the policy of a prefix, whole");
  set.argument("<prefix>", PREFIX);
  addPolicyOptions(set);
  set
    .addOption(
      new Option("--enforcement <what>", "what a limit does when it is reached: shadow allows, and tells")
        .choices(["enforce", "shadow"])
        .default("enforce"),
    )
    .addOption(etagOption("policy"));
  onServer(set, { format: "table" }, async ({ client, output }, [prefix]: [string], options: SetOptions) => {
    const never = options.idleTtl === false;
    const { settings } = settingsIn(options);
    const enforcement = options.enforcement === "shadow" ? Enforcement.SHADOW : Enforcement.ENFORCE;
    const { policy } = await client.call(RPC.setPolicy, {
      prefix,
      settings: { ...settings, ...(never && { idleTtl: durationFromMs(0) }) },
      enforcement,
      ...given({ etag: options.etag }),
    });
    await output.change(policyView(policy!));
  });

  const get = sub(command, "get", "read a policy, and how many counters have it");
  get.argument("<prefix>", PREFIX);
  onServer(get, { format: "table" }, async ({ client, output }, [prefix]: [string]) => {
    const answer = await client.call(RPC.getPolicy, { prefix });
    const view = policyView(answer.policy!);
    await output.record({
      ...view,
      json: toJson(GetPolicyResponseSchema, answer, EVERY_FIELD),
      cells: { ...view.cells, "APPLIED TO": answer.applied, "STILL TO DO": answer.remaining },
    });
  });

  const list = sub(command, "list", "list policies by prefix");
  list.argument("[prefix]", "only those whose prefix begins so (default: all)");
  onServer(list, { format: "table", formats: ["table", "json", "yaml", "value", "name"] }, listAll);

  const remove = sub(command, "delete", "take the policy of a prefix away");
  remove.argument("<prefix>", PREFIX).addOption(etagOption("policy"));
  onServer(
    remove,
    { format: "value" },
    async ({ client, output }, [prefix]: [string], { etag }: SetOptions) => {
      await client.call(RPC.deletePolicy, { prefix, ...given({ etag }) });
      output.note(`${shown(prefix)} has no policy any more.`);
    },
  );
}

async function listAll({ client, output }: Session, [prefix = ""]: [string | undefined]): Promise<void> {
  const list = output.list();
  let pageToken = "";
  let listed = 0;
  do {
    const answer = await client.call(RPC.listPolicies, { prefix, pageSize: PAGE_SIZE, pageToken });
    await list.add(answer.policies.map(listedPolicy));
    pageToken = answer.nextPageToken;
    listed += answer.policies.length;
  } while (pageToken !== "");
  await list.end();
  const which = prefix === "" ? "There is no policy" : `No policy's prefix begins with ${prefix}`;
  if (listed === 0) output.note(`${which}. Set one with: tally policy set PREFIX --max N`);
}

const PAGE_SIZE = 1_000;

interface SetOptions extends SettingOptions {
  readonly enforcement?: string;
  readonly etag?: string;
}

function policyView(policy: Policy): View {
  const { LABELS: _, DESCRIPTION: __, ...settings } = settingCells(policy.settings!);
  return asPolicy(policy, {
    PREFIX: shown(policy.prefix),
    ...settings,
    ENFORCEMENT: enforcementOf(policy),
    ETAG: policy.etag,
  });
}

function listedPolicy(policy: Policy): View {
  const { MIN, MAX, WINDOW, REFILL } = settingCells(policy.settings!);
  const cells = { PREFIX: shown(policy.prefix), MIN: MIN!, MAX: MAX!, WINDOW: WINDOW!, REFILL: REFILL! };
  return asPolicy(policy, { ...cells, ENFORCEMENT: enforcementOf(policy) });
}

function asPolicy(policy: Policy, cells: View["cells"]): View {
  const { prefix } = policy;
  return { json: toJson(PolicySchema, policy, EVERY_FIELD), value: prefix, name: prefix, cells };
}

function enforcementOf({ enforcement }: Policy): string {
  return enforcement === Enforcement.SHADOW ? "shadow: allow, and tell" : "enforce";
}

/** The empty prefix is one, too. */
function shown(prefix: string): string {
  return prefix === "" ? '""' : prefix;
}

const PREFIX = 'what the names of its counters begin with; "" for all';

const EXAMPLES = `Examples:
  tally policy set mails: --max 100 --window day --zone Europe/Berlin
  tally inc mails:ada                    makes it: 100 a day from now on
  tally policy get mails:                and to how many counters it has come
  tally policy list
  tally policy delete mails:
`;

const ABOUT = `
A counter that inc, set or a take makes gets the settings of the policy with the longest prefix, and follows it; one
that \`tally create\` made has its own. \`tally update NAME --follow-policy\` has a counter follow, any other update of
what a policy sets has it follow none.`;
