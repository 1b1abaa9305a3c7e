/**
 * What a counter is told to be, apart from its value: everything about each setting, in one place.
 *
 * What the API calls it, what it is kept as, what it is by default. The records under request ids, update masks, the
 * checksums, columns and statements of the SQL stores, the comparison of copies and the messages of the API follow from
 * this table; the command line and the page do not compile while they lack a setting that the API has.
 */

import { type Refill, refillFromText, refillToText } from "./refill.ts";
import { type Window, windowFromText, windowToText } from "./window.ts";

/** The settings that counting looks at. */
export interface CountingSettings {
  /** What a reset goes back to, and what a new counter has that was given no other value. */
  readonly initial: bigint;
  /** Inclusive; undefined means int64's own edge. */
  readonly min: bigint | undefined;
  readonly max: bigint | undefined;
  /** At a bound: false refuses, true stops at the bound. */
  readonly clamp: boolean;
  /** True: no caller takes the value down. */
  readonly monotonic: boolean;
  /** At whose end the value is back at initial; undefined: none. */
  readonly window: Window | undefined;
  /** How the value moves toward initial as time passes; undefined: it does not. */
  readonly refill: Refill | undefined;
  /** The counter is gone so many milliseconds after its value was last changed: 1 s to 3,650 days; undefined: never. */
  readonly idleTtlMs: bigint | undefined;
}

/** The settings that are for people, for finding a counter and for looking back at it; counting never looks at them. */
export interface Details {
  readonly labels: Readonly<Record<string, string>>;
  readonly description: string;
  /** Whether a history is kept of the counter. */
  readonly history: boolean;
}

/** All that a counter is told to be. */
export type Settings = CountingSettings & Details;

/** What a setting is called in the code. */
export type SettingKey = keyof Settings;

/** What the value of a setting can be. Whoever keeps settings has a way for each kind. */
export interface Kinds {
  readonly int64: bigint;
  /** An int64, or undefined: none. */
  readonly optional: bigint | undefined;
  readonly boolean: boolean;
  readonly labels: Details["labels"];
  readonly text: string;
  /** None, or what has parts; kept as one text, by its codec. */
  readonly window: Window | undefined;
  readonly refill: Refill | undefined;
}

/** What kind of value a setting has. */
export type Kind = keyof Kinds;

/** The kinds whose values have parts. */
export type CodedKind = "window" | "refill";

/** How a value that has parts is one text, which no other value has; and back, undefined when it is none. */
export interface Codec<Value> {
  toText(value: Value): string;
  fromText(text: string): Value | undefined;
}

export const CODECS: { readonly [K in CodedKind]: Codec<NonNullable<Kinds[K]>> } = {
  window: { toText: windowToText, fromText: windowFromText },
  refill: { toText: refillToText, fromText: refillFromText },
};

/** All that is known of a setting. */
export interface Setting {
  /** What the API calls it. */
  readonly field: string;
  readonly kind: Kind;
  /** What it is when nobody says anything else. */
  readonly default: Kinds[Kind];
  /** Its column in SQL. */
  readonly column: string;
  /** Its bit in records under request ids, which says that it is not what it is by default, or that it was given. */
  readonly bit?: number;
  /**
   * True for a setting that came when there were counters already. At its default it leaves no trace: its column is
   * NULL, and no checksum and no record under a request id has it. So what was stored before it came stays good.
   */
  readonly later?: true;
}

/** The kind whose values a type is. */
type KindOf<Value> = { [K in Kind]: [Value, Kinds[K]] extends [Kinds[K], Value] ? K : never }[Kind];

type SettingOf<Value> = Setting & { readonly kind: KindOf<Value>; readonly default: Value } & (
    | { readonly bit: number }
    | { readonly kind: "int64" | "labels" | "text"; readonly bit?: undefined; readonly later?: undefined }
  );

type Table<Of> = { readonly [Key in keyof Of]: SettingOf<Of[Key]> };

/** In the order of the API. A new one goes to the end; it is `later`, and has the next bit of both tables. */
const COUNTING = {
  initial: { field: "initial", kind: "int64", default: 0n, column: "initial" },
  min: { field: "min", kind: "optional", default: undefined, column: "min_value", bit: 4 },
  max: { field: "max", kind: "optional", default: undefined, column: "max_value", bit: 8 },
  clamp: { field: "on_bound", kind: "boolean", default: false, column: "clamp", bit: 1 },
  monotonic: { field: "monotonic", kind: "boolean", default: false, column: "monotonic", bit: 2 },
  window: {
    field: "window",
    kind: "window",
    default: undefined,
    column: "window_spec",
    bit: 16,
    later: true,
  },
  refill: {
    field: "refill",
    kind: "refill",
    default: undefined,
    column: "refill_spec",
    bit: 32,
    later: true,
  },
  idleTtlMs: {
    field: "idle_ttl",
    kind: "optional",
    default: undefined,
    column: "idle_ttl_ms",
    bit: 64,
    later: true,
  },
} as const satisfies Table<CountingSettings>;

const DETAILS = {
  labels: { field: "labels", kind: "labels", default: {}, column: "labels" },
  description: { field: "description", kind: "text", default: "", column: "description" },
  history: {
    field: "history",
    kind: "boolean",
    default: true,
    column: "history",
    bit: 128,
    later: true,
  },
} as const satisfies Table<Details>;

/** What is known of each setting. */
export const SETTINGS: Readonly<Record<SettingKey, Setting>> & typeof COUNTING & typeof DETAILS = {
  ...COUNTING,
  ...DETAILS,
};

/** The settings by which time changes a counter. */
export const TIME_KEYS = [
  "window",
  "refill",
  "idleTtlMs",
] as const satisfies readonly (keyof CountingSettings)[];

/** In the order of the API. */
export const COUNTING_KEYS = Object.keys(COUNTING) as readonly (keyof CountingSettings)[];
/** The settings that counting never looks at, in the order of the API. */
export const DETAIL_KEYS = Object.keys(DETAILS) as readonly (keyof Details)[];
/** All settings, in the order of the API. */
export const SETTING_KEYS: readonly SettingKey[] = [...COUNTING_KEYS, ...DETAIL_KEYS];

/** The settings that a counter has of the policy that it follows; the others are its own once it is made. */
export const FOLLOWED_KEYS: readonly SettingKey[] = SETTING_KEYS.filter(
  (key) => key !== "labels" && key !== "description",
);

/** Those of some settings that were there from the beginning, and those that came later, in the order they came. */
export function byAge<Key extends SettingKey>(keys: readonly Key[]): { first: Key[]; later: Key[] } {
  const age = (key: Key) => (SETTINGS[key] as Setting).bit!;
  return {
    first: keys.filter((key) => !isLater(key)),
    later: keys.filter(isLater).sort((a, b) => age(a) - age(b)),
  };
}

function isLater(key: SettingKey): boolean {
  return (SETTINGS[key] as Setting).later === true;
}

/** The settings of a counter that nobody gave any: initial 0, no bounds. */
export const DEFAULTS = Object.fromEntries(
  SETTING_KEYS.map((key) => [key, SETTINGS[key].default]),
) as unknown as Settings;

/** Whether a setting is what it is by default. */
export function isDefault(settings: Partial<Settings>, key: SettingKey): boolean {
  return textOf(key, settings[key]) === textOf(key, DEFAULTS[key]);
}

/** Whether a setting is the same in both. */
export function isSame(a: Settings, b: Settings, key: SettingKey): boolean {
  return a[key] === b[key] || textOf(key, a[key]) === textOf(key, b[key]);
}

/** The value of a setting as a text that no other value of it has. */
export function textOf(key: SettingKey, value: unknown): string {
  const { kind } = SETTINGS[key];
  if (isCoded(kind)) return value === undefined ? "" : CODECS[kind].toText(value as never);
  if (kind !== "labels") return `${value}`;
  return JSON.stringify(Object.entries(value as Details["labels"]).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Settings that differ have different texts; whatever settings come later, that of those of today stays. */
export function settingsText(settings: Settings): string {
  const given = SETTING_KEYS.filter((key) => !isDefault(settings, key));
  return JSON.stringify(given.map((key) => [SETTINGS[key].field, textOf(key, settings[key])]));
}

/** Settings as JSON: those that are not at their defaults, by what the API calls them. */
export function settingsToJson(settings: Settings): object {
  const given = SETTING_KEYS.filter((key) => !isDefault(settings, key));
  return Object.fromEntries(
    given.map((key) => {
      const { kind, field } = SETTINGS[key];
      const plain = kind === "boolean" || kind === "labels";
      return [field, plain ? settings[key] : textOf(key, settings[key])];
    }),
  );
}

/** And back. @throws TypeError, SyntaxError  when it is none that this version understands */
export function settingsFromJson(json: object): Settings {
  const settings: Record<string, unknown> = { ...DEFAULTS };
  for (const [field, value] of Object.entries(json)) {
    const key = SETTING_KEYS.find((each) => SETTINGS[each].field === field);
    if (key === undefined) throw new TypeError(`expected settings, got ${field}`);
    settings[key] = fromJson(SETTINGS[key].kind, value);
  }
  return settings as unknown as Settings;
}

function fromJson(kind: Kind, value: unknown): unknown {
  if (isCoded(kind)) {
    const read = typeof value === "string" ? CODECS[kind].fromText(value) : undefined;
    if (read === undefined) throw new TypeError(`expected a ${kind}`);
    return read;
  }
  return kind === "int64" || kind === "optional" ? BigInt(value as string) : value;
}

function isCoded(kind: Kind): kind is CodedKind {
  return kind in CODECS;
}
