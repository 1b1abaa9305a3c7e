import { type Command, Option } from "commander";
import { RPC } from "../client/client.ts";
import { onServer } from "./client-command.ts";
import { noteReplay } from "./counting.ts";
import { CommandError, EXIT } from "./exit.ts";
import { limitView, roomSentence } from "./limits.ts";
import { given, type RequestOptions, requestIdOption } from "./requests.ts";
import { addSettingOptions, type SettingOptions, settingsIn } from "./settings.ts";
import { amountOrNone } from "./values.ts";

/** `tally take`: take from a limit, if there is room; the exit code says whether. */
export function define(command: Command): void {
  command
    .argument("<name>", "the limit: a counter with a maximum")
    .argument("[amount]", "how much to take, all of it or nothing (default: 1)", amountOrNone)
    .option("--dry-run", "only ask whether there is room, and take nothing")
    .addOption(requestIdOption())
    .addOption(new Option("--if-missing", "make the limit with the settings below, if there is none"));
  addSettingOptions(command);
  command.addHelpText("before", EXAMPLES);
  onServer(
    command,
    { format: "value" },
    async ({ client, output }, [name, amount]: Args, options: Options) => {
      const { dryRun = false, requestId } = options;
      const request = { name, dryRun, ...given({ amount, requestId, ifMissing: ifMissingIn(options) }) };
      const { allowed, status, replayed } = await client.call(RPC.takeLimit, request);
      await output.change(limitView(status!, replayed));
      noteReplay(output, { name, replayed });
      if (status!.over && allowed)
        output.note(`${name}: there was no room; its policy only tries the limit out.`);
      if (!allowed) throw new CommandError(EXIT.REFUSED, roomSentence(status!, amount ?? 1n));
    },
  );
}

/** What a limit that is missing is to be. @throws CommandError  for settings without --if-missing, and that without a maximum */
function ifMissingIn(options: Options): object | undefined {
  const { settings, paths } = settingsIn(options);
  if (options.ifMissing !== true) {
    if (paths.length === 0) return undefined;
    const sentence = `--${paths[0]!.replaceAll("_", "-")} is for a limit that the take makes: it goes with --if-missing.`;
    throw new CommandError(EXIT.USAGE, sentence);
  }
  if (!("max" in settings))
    throw new CommandError(EXIT.USAGE, "A limit has a maximum: --if-missing needs --max.");
  return settings;
}

type Args = [name: string, amount: bigint | undefined];

interface Options extends SettingOptions, Pick<RequestOptions, "requestId"> {
  readonly dryRun?: true;
  readonly ifMissing?: true;
}

const EXAMPLES = `Examples:
  tally take calls:ada                one, if there is room; prints what is left
  tally take tokens:ada 5000 || exit  all or nothing; exits with 4 if refused
  tally take mails:ada --dry-run      only ask
  tally take mails:ada --if-missing --max 5 --window day --zone Europe/Berlin
`;
