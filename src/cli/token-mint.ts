import { type Command, Option } from "commander";
import { instantText } from "../core/messages.ts";
import { apiKeyFromText } from "../guard/api-key.ts";
import { CAPABILITY_ISSUER, capabilityClaimsFrom } from "../guard/tokens/claims.ts";
import { keyOf } from "./api-key.ts";
import { collected } from "./auth/grants.ts";
import { durationOf } from "./client-command.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { notes } from "./help.ts";
import { Output } from "./output.ts";
import { given } from "./requests.ts";
import { environmentKey, flagKey } from "./resolve-server.ts";
import { wholeNumberOption } from "./values.ts";

/** `tally token mint`: sign a capability token. */
export function define(command: Command): void {
  command
    .addHelpText("before", EXAMPLES)
    .addHelpText("after", notes(ABOUT))
    .option(
      "--api-key-file <file>",
      "with the API key to sign with, - for standard input; or TALLY_API_KEY, or TALLY_API_KEY_FILE",
    )
    .addOption(
      new Option("--allow <grant>", "what it may: PERMISSIONS@PREFIX or PERMISSIONS@=NAME; may be repeated")
        .argParser(collected)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option("--ttl <duration>", "how long it is good, such as 24h; up to 30d")
        .argParser((text) => durationOf(text, "30d", "1s"))
        .makeOptionMandatory(),
    )
    .option("--max-amount <amount>", "the largest amount of one operation")
    .option("--sub <text>", "who it is for, in up to 64 bytes: each has request ids of its own")
    .addOption(
      new Option(
        "--origin <origin>",
        "whose pages may use it, such as https://shop.example; may be repeated",
      ).argParser(collected),
    )
    .addOption(new Option("--rate <n/s>", "calls a second, such as 5/s (default: 1/s)").argParser(rateOption))
    .addOption(
      new Option(
        "--burst <n>",
        "calls that may come at once, with --rate (default: those of a second)",
      ).argParser(wholeNumberOption(1, 10_000_000)),
    )
    .option("-q, --quiet", "say nothing on stderr but what went wrong")
    .action((options: Options) => mint(options));
}

interface Options {
  readonly apiKeyFile?: string;
  readonly allow: readonly string[];
  readonly ttl: number;
  readonly maxAmount?: string;
  readonly sub?: string;
  readonly origin?: readonly string[];
  readonly rate?: number;
  readonly burst?: number;
  readonly quiet?: boolean;
}

async function mint(options: Options): Promise<void> {
  const text = await keyOf([flagKey(options), environmentKey(process.env)], report);
  if (text === undefined)
    throw new CommandError(
      EXIT.USAGE,
      "A token is signed with an API key, and none was given; give it by --api-key-file FILE, TALLY_API_KEY or TALLY_API_KEY_FILE.",
    );
  const key = apiKeyFromText(text);
  if (key === undefined)
    throw new CommandError(
      EXIT.CONFIG,
      "What was given is no API key of Tally, or not all of one; expected tally_ID_SECRET_CHECKSUM, as `tally auth key create` prints it. Tokens and root keys sign none.",
    );
  const nowMs = Date.now();
  const claims = claimsOf(options, nowMs);
  const read = capabilityClaimsFrom(claims, nowMs);
  if (typeof read === "string") throw new CommandError(EXIT.USAGE, `${inWordsOfOptions(read)}.`);
  const { mintCapability } = await import("../guard/tokens/mint.ts"); // With a library that help need not load.
  const output = new Output("value", options.quiet ?? false);
  await output.text(`${await mintCapability(key, claims)}\n`);
  output.note(
    `It is good until ${instantText(read.expireTimeMs)}, as long as the key ${key.id} is, and may what the key may too.`,
  );
}

function claimsOf({ allow, ttl, maxAmount, sub, origin, rate, burst }: Options, nowMs: number) {
  if (burst !== undefined && rate === undefined)
    throw new CommandError(EXIT.USAGE, "--burst is of a rate; give --rate too.");
  return given({
    iss: CAPABILITY_ISSUER,
    exp: Math.floor((nowMs + ttl) / 1_000),
    allow: allow.flatMap((each) => each.trim().split(/\s+/)),
    max_amount: maxAmount,
    sub,
    origins: origin,
    rate: rate === undefined ? undefined : given({ per_second: rate, burst }),
  });
}

function rateOption(text: string): number {
  const digits = /^(.*)\/s$/.exec(text)?.[1] ?? "";
  return wholeNumberOption(1, 1_000_000)(digits);
}

/** What is wrong with a claim, told of the option that it is from. */
function inWordsOfOptions(clause: string): string {
  const [claim = "", ...rest] = clause.split(" ");
  return [OPTIONS[claim] ?? claim, ...rest].join(" ");
}

const OPTIONS: Readonly<Record<string, string>> = {
  allow: "--allow",
  exp: "--ttl",
  max_amount: "--max-amount",
  sub: "--sub",
  origins: "--origin",
  rate: "--rate",
};

const EXAMPLES = `Examples:
  tally token mint --api-key-file shop.key --allow increment@=page.views --ttl 24h --max-amount 1
  tally token mint --api-key-file shop.key --allow read@shop. --ttl 1h --sub visitor-7 --origin https://shop.example
`;

const ABOUT = `
The token stands for the principal of the key, and may what is said here and what that principal may then, both: read,
increment and decrement on a prefix or a name, create on single names alone. It is sent as a key is, and ends with its
time, with the key, and with the principal. Only its own sub meets request ids of that sub.`;
