/** The settings of a counter as columns: how each kind is stored, and how the checksum over a row has it. */
import {
  byAge,
  CODECS,
  COUNTING_KEYS,
  type CodedKind,
  DEFAULTS,
  DETAIL_KEYS,
  isDefault,
  type Kind,
  type Kinds,
  SETTING_KEYS,
  SETTINGS,
  type Setting,
  type SettingKey,
  type Settings,
  TIME_KEYS,
} from "../../../core/settings.ts";
import type { Checksum } from "../../shared/checksum.ts";

/** What the column of each kind holds. */
interface Stored {
  readonly int64: bigint;
  readonly optional: bigint | null;
  readonly boolean: bigint;
  readonly labels: string | null;
  readonly text: string | null;
  readonly window: string | null;
  readonly refill: string | null;
}

type TimeKey = (typeof TIME_KEYS)[number];
type ColumnsOf<Keys extends SettingKey> = {
  readonly [Key in Keys as (typeof SETTINGS)[Key]["column"]]: Stored[(typeof SETTINGS)[Key]["kind"]];
};

/** The columns of all settings, by their names. Those of time are there only of a counter that has one of them. */
export type SettingColumns = ColumnsOf<Exclude<SettingKey, TimeKey>> & Partial<ColumnsOf<TimeKey>>;

/** What stands beside the value, in the tables of counts: their CHECKs are the backstop of the rule. */
const WITH_COUNTS: ReadonlySet<SettingKey> = new Set<SettingKey>(["min", "max"]);

const STILL = SETTING_KEYS.filter((key) => !WITH_COUNTS.has(key) && !isOfTime(key));

function isOfTime(key: SettingKey): boolean {
  return (TIME_KEYS as readonly SettingKey[]).includes(key);
}

/** The columns that stand in the table of timings. */
export const TIME_SETTINGS: readonly string[] = columnsOf(TIME_KEYS);

/** The columns that stand in the table of counters; and those of them that it had at first, for what brings up old files. */
export const STILL_SETTINGS: readonly string[] = columnsOf(STILL);
/** The columns of a row that counting does not change, as the first schemas have them. */
export const STILL_AT_FIRST: readonly string[] = columnsOf(byAge(STILL).first);

function columnsOf(keys: readonly SettingKey[]): string[] {
  return keys.map((key) => SETTINGS[key].column);
}

/** The columns of some settings. */
export function toColumns(settings: Settings): SettingColumns {
  const columns = SETTING_KEYS.map((key) => {
    const { kind, column, later }: Setting = SETTINGS[key];
    const absent = later === true && isDefault(settings, key);
    return [column, absent ? null : ENCODE[kind](settings[key] as never)];
  });
  return Object.fromEntries(columns) as SettingColumns;
}

/** Read settings out of their columns, into what is to have them. @throws TypeError where a text is no such setting */
export function readSettings(keys: readonly SettingKey[], from: SettingColumns, into: object): void {
  const [columns, settings] = [from as Record<string, unknown>, into as Record<string, unknown>];
  for (const key of keys) {
    const { kind, column, later }: Setting = SETTINGS[key];
    const stored = columns[column] ?? null;
    const absent = later === true && stored === null;
    settings[key] = absent ? DEFAULTS[key] : DECODE[kind](stored as never);
  }
}

/** Whether the texts of settings that are texts in the row alone are settings. */
export function areReadable({ window_spec = null, refill_spec = null }: SettingColumns): boolean {
  return (
    (window_spec === null || CODECS.window.fromText(window_spec) !== undefined) &&
    (refill_spec === null || CODECS.refill.fromText(refill_spec) !== undefined)
  );
}

const ENCODE: { readonly [K in Kind]: (value: Kinds[K]) => Stored[K] } = {
  int64: (value) => value,
  optional: (value) => value ?? null,
  boolean: (value) => (value ? 1n : 0n),
  labels: (labels) => (Object.keys(labels).length === 0 ? null : JSON.stringify(labels)),
  text: (text) => (text === "" ? null : text),
  window: (window) => (window && CODECS.window.toText(window)) || null,
  refill: (refill) => (refill && CODECS.refill.toText(refill)) || null,
};

const DECODE: { readonly [K in Kind]: (stored: Stored[K]) => Kinds[K] } = {
  int64: (value) => value,
  optional: (value) => value ?? undefined,
  boolean: (value) => value === 1n,
  labels: (labels) => (labels ? JSON.parse(labels) : {}), // The checksum does not tell NULL from "".
  text: (text) => text ?? "",
  window: (text) => decoded("window", text),
  refill: (text) => decoded("refill", text),
};

function decoded<K extends CodedKind>(kind: K, text: string | null): Kinds[K] {
  const value = text === null ? undefined : CODECS[kind].fromText(text);
  if (value === undefined) throw new TypeError(`its ${kind} is none`);
  return value as Kinds[K];
}

/** The settings in the order in which the checksum over a row has them: the later ones behind all else. */
export const SUMMED = {
  counting: byAge(COUNTING_KEYS).first,
  details: byAge(DETAIL_KEYS).first,
  later: byAge(SETTING_KEYS).later,
};

/** Take settings into the checksum over a row. @throws TypeError when a column is of another type than was written */
export function sumSettings(sum: Checksum, keys: readonly SettingKey[], from: SettingColumns): Checksum {
  const columns = from as Record<string, unknown>;
  for (const key of keys) {
    const { kind, column, later, bit }: Setting = SETTINGS[key];
    if (later !== true) SUM[kind](sum, columns[column] as never);
    else if ((columns[column] ?? null) !== null) SUM[kind](sum.word(bit!), columns[column] as never);
  }
  return sum;
}

const SUM: { readonly [K in Kind]: (sum: Checksum, stored: Stored[K]) => Checksum } = {
  int64: (sum, value) => sum.int64(value),
  optional: (sum, value) => sum.optional(value ?? undefined),
  boolean: (sum, value) => sum.int64(value),
  labels: (sum, labels) => sum.text(labels ?? ""),
  text: (sum, text) => sum.text(text ?? ""),
  window: (sum, text) => sum.text(text ?? ""),
  refill: (sum, text) => sum.text(text ?? ""),
};
