import type { Command } from "commander";
import type { UpdateCounterResponse } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { CallError } from "../client/call-error.ts";
import { RPC, type TallyClient } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { noteReplay } from "./counting.ts";
import { CommandError, EXIT } from "./exit.ts";
import { failureOf } from "./failure.ts";
import {
  given,
  type Labels,
  labelOption,
  noteOption,
  type RequestOptions,
  requestIdOption,
} from "./requests.ts";
import { addSettingOptions, type SettingOptions, settingsIn } from "./settings.ts";
import { wholeCounter } from "./views.ts";

/** `tally update`: change a counter's settings; those that are not named stay as they are. */
export function define(command: Command): void {
  command.argument("<name>", "the counter");
  addSettingOptions(command, { taking: true });
  command
    .addOption(labelOption("add or change a label"))
    .option("--remove-label <key>", "remove a label; may be repeated", (key, keys: string[] = []) => [
      ...keys,
      key,
    ])
    .option("--follow-policy", "have the settings of the policy for its name, and follow it")
    .option("--settings-etag <etag>", "only if nobody has changed the settings since this etag was read")
    .addOption(noteOption())
    .addOption(requestIdOption())
    .addHelpText("before", EXAMPLES);
  onServer(command, { format: "table" }, async ({ client, output }, [name]: [string], options: Options) => {
    const change = settingsIn(options);
    const relabels = options.label !== undefined || options.removeLabel !== undefined;
    if (change.paths.length === 0 && !relabels && !options.followPolicy)
      throw new CommandError(EXIT.USAGE, "Nothing to change; `tally help update` lists the settings.");
    const answer = relabels
      ? await relabel(client, name, options, change)
      : await client.call(RPC.updateCounter, requestOf(name, options, change));
    await output.change(wholeCounter(answer.counter!));
    noteReplay(output, { name, replayed: answer.replayed });
  });
}

interface Options extends SettingOptions, Pick<RequestOptions, "label" | "requestId" | "note"> {
  readonly removeLabel?: readonly string[];
  readonly settingsEtag?: string;
  readonly followPolicy?: true;
}

/** Settings to change: their names in an update_mask, and what they become. */
interface Change {
  readonly paths: readonly string[];
  readonly settings: object;
}

function requestOf(
  name: string,
  { note, requestId, settingsEtag, followPolicy }: Options,
  { paths, settings }: Change,
) {
  return {
    name,
    updateMask: { paths: [...paths] },
    ...settings,
    ...given({ note, requestId, settingsEtag, followPolicy }),
  };
}

/**
 * Change some labels and leave the others: an update replaces them all, so they are read first, and the update
 * holds only for the settings that were read. When somebody was quicker it begins again.
 */
async function relabel(
  client: TallyClient,
  name: string,
  options: Options,
  { paths, settings }: Change,
): Promise<UpdateCounterResponse> {
  if (options.requestId !== undefined)
    throw new CommandError(EXIT.USAGE, `--request-id does not go with --label and --remove-label. ${AGAIN}`);
  for (let tries = 1; ; tries++) {
    const { counter } = await client.call(RPC.getCounter, { name });
    const labels = relabelled(counter!.labels, options);
    const change = { paths: [...paths, "labels"], settings: { ...settings, labels } };
    const settingsEtag = options.settingsEtag ?? counter!.settingsEtag;
    try {
      return await client.call(RPC.updateCounter, requestOf(name, { ...options, settingsEtag }, change));
    } catch (error) {
      if (error instanceof CallError && error.unknown)
        throw new CommandError(
          failureOf(error).exit,
          `${name} may or may not have been updated (${error.message}). ${AGAIN}`,
        );
      const raced = error instanceof CallError && error.reason === "ETAG_MISMATCH";
      if (!raced || options.settingsEtag !== undefined || tries === TRIES_MAX) throw error;
    }
  }
}

function relabelled(before: Labels, { label = {}, removeLabel = [] }: Options): Record<string, string> {
  const kept = Object.entries(before).filter(([key]) => !removeLabel.includes(key));
  return { ...Object.fromEntries(kept), ...label };
}

const AGAIN = "Run it again as it is: labels are set and not added up, so twice does no harm.";

/** Settings rarely change; who loses this often shall know. */
const TRIES_MAX = 5;

const EXAMPLES = `Examples:
  tally update seats --max 60
  tally update visits --no-max --description "all pages"
  tally update mails:ada --window month --zone Europe/Berlin     the value stays
  tally update mails:ada --no-window
  tally update mails:ada --follow-policy       as its policy says, from now on
  tally update load --label env=prod --remove-label draft     others stay
`;
