/** The settings of a counter: as options, the same when it is made and when they are changed, and as people are shown them. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Counter, OnBound } from "../../gen/browser/tally/v1/counter_pb.ts";
import {
  type UpdateCounterRequest,
  UpdateCounterRequestSchema,
} from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { durationOf } from "./client-command.ts";
import type { Cell } from "./output.ts";
import { labelOption } from "./requests.ts";
import {
  durationText,
  expectNoWindowOptions,
  instantOf,
  refillOf,
  refillText,
  spanOf,
  UNITS,
  type WindowOptions,
  windowIn,
  windowText,
} from "./time-settings.ts";
import { int64, wholeNumberOption } from "./values.ts";

/** The settings, as messages call them. */
type SettingName = Exclude<
  keyof UpdateCounterRequest,
  "$typeName" | "$unknown" | "name" | "updateMask" | "requestId" | "settingsEtag" | "note" | "followPolicy"
>;

interface SettingView {
  /** The option for it. None: the commands have options of their own. */
  readonly option?: Option;
  /** What `--no-...` does, which an update has beside it. */
  readonly off?: string;
  /** Options that say more of it, and mean nothing by themselves. */
  readonly more?: readonly Option[];
  /** What a request has for what was given; the same, unless it says so. */
  readonly value?: (given: never, options: SettingOptions) => unknown;
  readonly heading: string;
  readonly cell: (settings: Settings) => Cell;
}

/** What a counter has of them, and what a policy says. */
type Settings = Pick<Counter, SettingName>;

/** Every setting, in the order in which they are shown. */
const SETTINGS: { readonly [Name in SettingName]: SettingView } = {
  initial: {
    option: new Option("--initial <value>", "the value that reset goes back to").argParser(int64),
    heading: "INITIAL",
    cell: ({ initial }) => initial,
  },
  min: {
    option: new Option("--min <value>", "the lowest value allowed").argParser(int64),
    off: "no lowest value",
    heading: "MIN",
    cell: ({ min }) => min ?? "none",
  },
  max: {
    option: new Option("--max <value>", "the highest value allowed").argParser(int64),
    off: "no highest value",
    heading: "MAX",
    cell: ({ max }) => max ?? "none",
  },
  onBound: {
    option: new Option("--on-bound <what>", "at a bound refuse the change, or stop at the bound").choices([
      "reject",
      "clamp",
    ]),
    value: (given: string) => (given === "clamp" ? OnBound.CLAMP : OnBound.REJECT),
    heading: "AT A BOUND",
    cell: ({ onBound }) => (onBound === OnBound.CLAMP ? "clamp: stop at it" : "reject: refuse the change"),
  },
  monotonic: {
    option: new Option("--monotonic", "the value never goes down"),
    off: "the value may go down",
    heading: "MONOTONIC",
    cell: ({ monotonic }) => (monotonic ? "yes: never goes down" : "no"),
  },
  labels: { heading: "LABELS", cell: labelsOf },
  description: {
    option: new Option("--description <text>", "what it counts; up to 1,000 bytes"),
    heading: "DESCRIPTION",
    cell: ({ description }) => description,
  },
  window: {
    option: new Option(
      "--window <span>",
      `back to the initial value at the end of each ${UNITS.join(", ")}, or of each so long, such as 1h`,
    ).argParser(spanOf),
    off: "no window",
    more: [
      new Option("--zone <name>", "of a --window by the calendar: the time zone, such as Europe/Berlin"),
      new Option("--day <n>", "of --window month: the day on which it begins, or its last").argParser(
        wholeNumberOption(1, 31),
      ),
      new Option("--anchor <time>", "of a --window of one length: when one begins").argParser(instantOf),
    ],
    value: windowIn,
    heading: "WINDOW",
    cell: ({ window }) => (window === undefined ? "none" : windowText(window)),
  },
  refill: {
    option: new Option(
      "--refill <amount/duration>",
      "go back toward the initial value by so much in so long, such as 3/1s",
    ).argParser(refillOf),
    off: "no refill",
    heading: "REFILL",
    cell: ({ refill }) => (refill === undefined ? "none" : refillText(refill)),
  },
  idleTtl: {
    option: new Option("--idle-ttl <duration>", "gone when its value was not changed for so long").argParser(
      (text) => durationOf(text, "3650d", "1s"),
    ),
    off: "never gone by itself",
    value: (given: number) => durationFromMs(given),
    heading: "IDLE TTL",
    cell: ({ idleTtl }) => (idleTtl === undefined ? "none" : durationText(idleTtl)),
  },
  history: {
    option: new Option("--history <what>", "keep a history of it, to look back at, or none").choices([
      "keep",
      "none",
    ]),
    value: (given: string) => given === "keep",
    heading: "HISTORY",
    cell: ({ history }) => (history === false ? "none is kept" : "kept"),
  },
};

const VIEWS = Object.entries(SETTINGS) as [SettingName, SettingView][];

/** Add the options of all settings. @param taking  and those that take a setting away */
export function addSettingOptions(command: Command, { taking = false } = {}): void {
  for (const [, { option, more = [] }] of VIEWS) {
    if (option !== undefined) command.addOption(option);
    for (const each of more) command.addOption(each);
  }
  for (const [, { option, off }] of VIEWS) {
    if (taking && off !== undefined) command.option(option!.long!.replace("--", "--no-"), off);
  }
}

/** Add the options of what a policy sets. */
export function addPolicyOptions(command: Command): void {
  for (const [name, { option, more = [] }] of VIEWS) {
    if (option === undefined || name === "description") continue; // That is each counter's own.
    for (const each of [option, ...more]) command.addOption(each);
  }
  command.option("--no-idle-ttl", "never gone by itself, also with a window or a refill");
}

/** What of a request the options come to, and the names of the settings that they name, as an update_mask has them. */
export function settingsIn(options: SettingOptions): { paths: string[]; settings: object } {
  const paths: string[] = [];
  const settings: Record<string, unknown> = {};
  if (typeof options.window !== "string" && typeof options.window !== "number")
    expectNoWindowOptions(options);
  for (const [name, { option, value }] of VIEWS) {
    const given = options[name];
    if (option === undefined || given === undefined) continue;
    paths.push(fieldOf(name));
    if (given === false && option.required) continue; // Named and not set: none.
    settings[name] = value === undefined ? given : value(given as never, options);
  }
  return { paths, settings };
}

/** `--if-missing max=5`: a setting of the counter that the command makes, if it is missing; as often as wanted. */
export function ifMissingOption(): Option {
  const about = "a setting of the counter, if this makes it, as create has them: max=5; may be repeated";
  return new Option("--if-missing <setting=value>", about).argParser(addMissing);
}

/** What was given of such settings, as the options of create would have it. */
export type Missing = Readonly<Record<string, unknown>>;

function addMissing(text: string, before: Missing = {}): Missing {
  const [, name, value] = /^([a-z-]+)(?:=(.*))?$/s.exec(text) ?? [];
  const option = MISSING.find(({ long }) => long === `--${name}`);
  if (option === undefined || (value === undefined) === option.required)
    throw new InvalidArgumentError(
      "Expected an option of create without its dashes, such as max=5 or monotonic.",
    );
  const key = option.attributeName();
  if (value === undefined) return { ...before, [key]: true };
  if (option.argChoices?.includes(value) === false)
    throw new InvalidArgumentError(`Expected one of ${option.argChoices.join(", ")}.`);
  return { ...before, [key]: option.parseArg === undefined ? value : option.parseArg(value, before[key]) };
}

const MISSING: readonly Option[] = [
  ...VIEWS.flatMap(([, { option, more = [] }]) => (option === undefined ? more : [option, ...more])),
  labelOption("a label"),
];

/** What of a request those settings come to; undefined when none was given. */
export function missingIn(given: Missing | undefined): object | undefined {
  if (given === undefined) return undefined;
  const { label: labels, ...settings } = given;
  return { ...settingsIn(settings).settings, ...(labels !== undefined && { labels }) };
}

/** What the options were given as, by the names of the settings. */
export type SettingOptions = Readonly<Partial<Record<SettingName, unknown>>> & WindowOptions;

/** The settings of a counter, by heading. */
export function settingCells(settings: Settings): Record<string, Cell> {
  return Object.fromEntries(VIEWS.map(([, { heading, cell }]) => [heading, cell(settings)]));
}

/** The labels of a counter as a cell of a table: key=value, separated by commas. */
export function labelsOf({ labels }: Pick<Counter, "labels">): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** As the .proto has it. */
function fieldOf(name: SettingName): string {
  return UpdateCounterRequestSchema.field[name].name;
}
