/** Counters as rows, and arrays as PostgreSQL writes them. */
import {
  blankCounter,
  CORRUPT,
  type Counter,
  type Fixed,
  type Followed,
  type FullCounter,
} from "../../core/counter.ts";
import { isName } from "../../core/name.ts";
import {
  CODECS,
  COUNTING_KEYS,
  type CodedKind,
  DEFAULTS,
  DETAIL_KEYS,
  type Details,
  isDefault,
  type Kind,
  type Kinds,
  SETTING_KEYS,
  SETTINGS,
  type Setting,
  type SettingKey,
  type Settings,
} from "../../core/settings.ts";
import { isTimed } from "../../core/timing.ts";
import type { Row } from "./connection/session.ts";
import { isTime, TIMING_COLUMNS, toTiming } from "./timing-columns.ts";

/** How each kind of setting is kept: the type of its column, what is read of it, and the array that is written. */
const COLUMN: {
  readonly [K in Kind]: {
    readonly type: string;
    readonly read: (stored: never) => Kinds[K] | typeof CORRUPT;
    readonly array: (values: readonly (Kinds[K] | undefined)[]) => string | (string | null)[];
  };
} = {
  int64: { type: "bigint", read: (value: bigint) => value, array: arrayOf },
  optional: { type: "bigint", read: (value: bigint | null) => value ?? undefined, array: arrayOf },
  boolean: { type: "boolean", read: (value: boolean) => value, array: arrayOf },
  labels: {
    type: "text",
    read: (json: string | null) => {
      const labels = parsed(json, {});
      return isLabels(labels) ? labels : CORRUPT;
    },
    array: (values) => values.map((labels) => (isEmpty(labels) ? null : JSON.stringify(labels))),
  },
  text: {
    type: "text",
    read: (json: string | null) => {
      const text = parsed(json, "");
      return typeof text === "string" ? text : CORRUPT;
    },
    array: (values) => values.map((text) => (text ? JSON.stringify(text) : null)),
  },
  window: coded("window"),
  refill: coded("refill"),
};

/** What has parts is kept as its text. */
function coded<K extends CodedKind>(kind: K) {
  const { toText, fromText } = CODECS[kind];
  return {
    type: "text",
    read: (text: string) => fromText(text) ?? CORRUPT,
    array: (values: readonly (Kinds[K] | undefined)[]) =>
      values.map((value) => (value === undefined ? null : toText(value))),
  };
}

function isEmpty(labels: Details["labels"] | undefined): boolean {
  return labels === undefined || Object.keys(labels).length === 0;
}

/** Which policy a counter follows: NULL, both of them, of one whose settings are its own. */
export const FOLLOWED_COLUMNS = ["policy", "policy_revision"] as const;

/** What counting reads. */
export const COUNTER_COLUMNS = `id, name, uid, value, revision, settings_revision, update_ms, ${FOLLOWED_COLUMNS.join(", ")}, ${columnsOf(COUNTING_KEYS)}, ${TIMING_COLUMNS.join(", ")}`;

/** And what else is kept about a counter. */
export const DETAIL_COLUMNS = `create_ms, ${columnsOf(DETAIL_KEYS)}`;

/** The settings as columns, in order, and the type of each. */
export const SETTING_COLUMNS: readonly (readonly [column: string, type: string])[] = SETTING_KEYS.map(
  (key) => [SETTINGS[key].column, COLUMN[SETTINGS[key].kind].type],
);

function columnsOf(keys: readonly SettingKey[]): string {
  return keys.map((key) => SETTINGS[key].column).join(", ");
}

/**
 * What settings_revision is stored as: below 0 of a counter that time does something to, and 2^53 farther from 0 of one that
 * follows a policy. Processes of versions that know nothing of the one or the other take such a row for damaged, and so
 * refuse what they would count, and show, wrongly.
 */
export function storedSettingsRevision(
  settings: Pick<Fixed, "settingsRevision" | "policy" | "window" | "refill" | "idleTtlMs">,
): bigint {
  return marked(BigInt(settings.settingsRevision), isTimed(settings), settings.policy !== undefined);
}

/** A settings revision as it is stored. */
export function marked(settingsRevision: bigint, timed: boolean, follows: boolean): bigint {
  const revision = settingsRevision + (follows ? FOLLOWS : 0n);
  return timed ? -revision : revision;
}

/** And back, with what it says of its counter. */
export function unmarked(stored: bigint): { settingsRevision: bigint; timed: boolean; follows: boolean } {
  const timed = stored < 0n;
  const revision = timed ? -stored : stored;
  const follows = revision >= FOLLOWS;
  return { settingsRevision: follows ? revision - FOLLOWS : revision, timed, follows };
}

/** More than any settings revision is. */
const FOLLOWS = 2n ** 53n;

/** What a row's counter follows; CORRUPT where Tally could not have written that. */
export function toFollowed({ policy, policy_revision }: Row): Followed | undefined | typeof CORRUPT {
  if (policy === null && policy_revision === null) return undefined;
  const revision = policy_revision as bigint | null;
  if (policy === null || revision === null || revision < 0n || revision >= 2n ** 53n) return CORRUPT;
  return { prefix: policy as string, revision: Number(revision) };
}

/** Rows have no checksum here; but what Tally could not have written, somebody else has. */
export function toCounter(row: Row): Counter | typeof CORRUPT {
  const { name, revision, settings_revision, update_ms } = row as { name: string } & Record<string, bigint>;
  const { settingsRevision, timed, follows } = unmarked(settings_revision!);
  const whole = [revision!, settingsRevision].every((each) => each >= 1n && each < 2n ** 53n);
  const policy = toFollowed(row);
  if (!whole || !isTime(update_ms) || !isName(name)) return CORRUPT;
  if (policy === CORRUPT || (policy !== undefined) !== follows) return CORRUPT;
  const counter = blankCounter();
  counter.uid = row.uid as string;
  counter.value = row.value as bigint;
  counter.revision = Number(revision);
  counter.settingsRevision = Number(settingsRevision);
  counter.updateTime = Number(update_ms);
  counter.policy = policy;
  if (!readSettings(COUNTING_KEYS, row, counter) || isTimed(counter) !== timed) return CORRUPT;
  if (!timed) return counter;
  const timing = toTiming(row, counter);
  if (timing === CORRUPT) return CORRUPT;
  counter.timing = timing;
  return counter;
}

/** What else is kept about a sound counter. */
export function toFixed(counter: Counter, row: Row): Fixed | typeof CORRUPT {
  const { value, revision, updateTime, timing, ...fixed } = counter;
  const create_ms = row.create_ms as bigint;
  const details = {} as Details;
  if (!readSettings(DETAIL_KEYS, row, details) || !isTime(create_ms)) return CORRUPT;
  return { ...fixed, ...details, createTime: Number(create_ms) };
}

/** Read settings out of their columns, into what is to have them; false when one of them is none that Tally writes. */
function readSettings(keys: readonly SettingKey[], row: Row, into: object): boolean {
  const settings = into as Record<string, unknown>;
  for (const key of keys) {
    const { kind, column, later } = SETTINGS[key] as Setting;
    const absent = later === true && row[column] === null;
    settings[key] = absent ? DEFAULTS[key] : COLUMN[kind].read(row[column] as never);
    if (settings[key] === CORRUPT) return false;
  }
  return true;
}

/** From a row with both. */
export function toFullCounter(row: Row): FullCounter | typeof CORRUPT {
  const counter = toCounter(row);
  const fixed = counter === CORRUPT ? counter : toFixed(counter, row);
  if (counter === CORRUPT || fixed === CORRUPT) return CORRUPT;
  return { name: row.name as string, ...counter, ...fixed };
}

function parsed(json: string | null, none: unknown): unknown {
  try {
    return json === null ? none : JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isLabels(value: unknown): value is Details["labels"] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((each) => typeof each === "string");
}

/** An array for each of SETTING_COLUMNS. */
export function settingArrays(settings: readonly Settings[]): (string | (string | null)[])[] {
  return SETTING_KEYS.map((key) => {
    const { kind, later } = SETTINGS[key] as Setting;
    const absent = (each: Settings) => later === true && isDefault(each, key);
    return COLUMN[kind].array(settings.map((each) => (absent(each) ? undefined : each[key])) as never);
  });
}

/** A label as counter_labels has it. */
export function labelKey(key: string, value: string): string {
  return JSON.stringify([key, value]);
}

/** Numbers or truths as an array's text: a tenth of the time that the driver takes, which has to quote texts. */
export function arrayOf(values: readonly (bigint | number | boolean | undefined)[]): string {
  let text = "{";
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ",";
    text += values[i] ?? "NULL";
  }
  return `${text}}`;
}
