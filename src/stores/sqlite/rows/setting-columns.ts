/** The settings of a counter as columns: how each kind is stored, and how the checksum over a row has it. */
import {
  byAge,
  COUNTING_KEYS,
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

/** The settings that have columns. Without a calendar the rule makes no counter that time does anything to. */
type KeptKey = Exclude<SettingKey, (typeof TIME_KEYS)[number]>;
const isKept = (key: SettingKey): key is KeptKey => !(TIME_KEYS as readonly SettingKey[]).includes(key);
const KEPT = SETTING_KEYS.filter(isKept);
type KeptKind = Exclude<Kind, "window" | "refill">;

/** What the column of each kind holds. */
interface Stored {
  readonly int64: bigint;
  readonly optional: bigint | null;
  readonly boolean: bigint;
  readonly labels: string | null;
  readonly text: string | null;
}

/** The columns of all settings, by their names. */
export type SettingColumns = {
  readonly [Key in KeptKey as (typeof SETTINGS)[Key]["column"]]: Stored[(typeof SETTINGS)[Key]["kind"]];
};

/** What stands beside the value, in the tables of counts: their CHECKs are the backstop of the rule. */
const WITH_COUNTS: ReadonlySet<SettingKey> = new Set<SettingKey>(["min", "max"]);

const STILL = KEPT.filter((key) => !WITH_COUNTS.has(key));

/** The columns that stand in the table of counters; and those of them that it had at first, for what brings up old files. */
export const STILL_SETTINGS: readonly string[] = columnsOf(STILL);
/** The columns of a row that counting does not change, as the first schemas have them. */
export const STILL_AT_FIRST: readonly string[] = columnsOf(byAge(STILL).first);

function columnsOf(keys: readonly SettingKey[]): string[] {
  return keys.map((key) => SETTINGS[key].column);
}

/** The columns of some settings. */
export function toColumns(settings: Settings): SettingColumns {
  const columns = KEPT.map((key) => {
    const { kind, column, later }: Setting & { readonly kind: KeptKind } = SETTINGS[key];
    const absent = later === true && isDefault(settings, key);
    return [column, absent ? null : ENCODE[kind](settings[key] as never)];
  });
  return Object.fromEntries(columns) as SettingColumns;
}

/** Read settings out of their columns, into what is to have them. */
export function readSettings(keys: readonly SettingKey[], from: SettingColumns, into: object): void {
  const [columns, settings] = [from as Record<string, unknown>, into as Record<string, unknown>];
  for (const key of keys) {
    if (!isKept(key)) continue;
    const { kind, column, later }: Setting & { readonly kind: KeptKind } = SETTINGS[key];
    const stored = columns[column];
    const absent = later === true && stored === null;
    settings[key] = absent ? DEFAULTS[key] : DECODE[kind](stored as never);
  }
}

const ENCODE: { readonly [K in KeptKind]: (value: Kinds[K]) => Stored[K] } = {
  int64: (value) => value,
  optional: (value) => value ?? null,
  boolean: (value) => (value ? 1n : 0n),
  labels: (labels) => (Object.keys(labels).length === 0 ? null : JSON.stringify(labels)),
  text: (text) => (text === "" ? null : text),
};

const DECODE: { readonly [K in KeptKind]: (stored: Stored[K]) => Kinds[K] } = {
  int64: (value) => value,
  optional: (value) => value ?? undefined,
  boolean: (value) => value === 1n,
  labels: (labels) => (labels ? JSON.parse(labels) : {}), // The checksum does not tell NULL from "".
  text: (text) => text ?? "",
};

/** The settings in the order in which the checksum over a row has them: the later ones behind all else. */
export const SUMMED = {
  counting: byAge(COUNTING_KEYS).first,
  details: byAge(DETAIL_KEYS).first,
  later: byAge(KEPT).later,
};

/** Take settings into the checksum over a row. @throws TypeError when a column is of another type than was written */
export function sumSettings(sum: Checksum, keys: readonly SettingKey[], from: SettingColumns): Checksum {
  const columns = from as Record<string, unknown>;
  for (const key of keys) {
    if (!isKept(key)) continue;
    const { kind, column, later, bit }: Setting & { readonly kind: KeptKind } = SETTINGS[key];
    if (later !== true) SUM[kind](sum, columns[column] as never);
    else if ((columns[column] ?? null) !== null) SUM[kind](sum.word(bit!), columns[column] as never);
  }
  return sum;
}

const SUM: { readonly [K in KeptKind]: (sum: Checksum, stored: Stored[K]) => Checksum } = {
  int64: (sum, value) => sum.int64(value),
  optional: (sum, value) => sum.optional(value ?? undefined),
  boolean: (sum, value) => sum.int64(value),
  labels: (sum, labels) => sum.text(labels ?? ""),
  text: (sum, text) => sum.text(text ?? ""),
};
