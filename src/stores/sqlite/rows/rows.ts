import {
  blankCounter,
  type Counter,
  type Fixed,
  type FullCounter,
  type Mutable,
} from "../../../core/counter.ts";
import { COUNTING_KEYS, DETAIL_KEYS, type Details } from "../../../core/settings.ts";
import { uidFromBytes, uidToBytes } from "../../../core/uid.ts";
import { Checksum } from "../../shared/checksum.ts";
import { sumCarry, sumCarryNumber } from "./carry.ts";
import { Place } from "./counts.ts";
import { guarded, guardedTimed, isTimedChecksum } from "./guard.ts";
import {
  areReadable,
  readSettings,
  type SettingColumns,
  STILL_SETTINGS,
  SUMMED,
  sumSettings,
  toColumns,
} from "./setting-columns.ts";
import { readTiming, type StoredTiming } from "./stored-timing.ts";
import {
  hasTiming,
  markOf,
  remainderOf,
  restOf,
  sumTiming,
  type TimingColumns,
  toTiming,
} from "./timing-rows.ts";

/**
 * A row of `counters` with its count, and the timing of one that time does something to, as SQLite gives them (integers as
 * bigint).
 */
export interface RawRow extends SettingColumns, Partial<TimingColumns>, Partial<FollowedColumns> {
  readonly id: bigint;
  readonly name: string;
  readonly uid: Uint8Array;
  readonly value: bigint;
  readonly revision: bigint;
  readonly update_ms: bigint;
  readonly settings_revision: bigint;
  readonly create_ms: bigint;
  readonly checksum: bigint;
  /** Of a counter with a refill: see carry.ts. Not in rows that are read as an older schema has them. */
  readonly carry?: bigint | null;
  /** 1 when the count stands in `recent_counts`. */
  readonly recent: bigint;
}

/** What a counter follows; NULL where it follows nothing. Not in rows that are read as an older schema has them. */
export interface FollowedColumns {
  readonly policy: string | null;
  readonly policy_revision: bigint | null;
}

/** The same as the core has it. */
export function toFollowed({ policy, policy_revision }: Partial<FollowedColumns>): Counter["policy"] {
  return policy === null || policy === undefined
    ? undefined
    : { prefix: policy, revision: Number(policy_revision) };
}

/**
 * What the write side keeps of a row in memory. Its value, revision, time and timing move on with each commit, in place:
 * an object that lives long is best left where it is.
 */
export interface Row {
  readonly id: bigint;
  readonly counter: Mutable<Counter>;
  /** The checksum over what counting does not change. */
  readonly still: number;
  place: Place;
  /** What the file has of its timing; undefined of a counter that time does nothing to. */
  timing: StoredTiming | undefined;
}

/** What counting changes of a row. */
export type Count = Pick<Counter, "value" | "revision" | "updateTime" | "timing">;

/** A column of a count, wherever it stands; NULL when the count has gone. */
const current = (column: string) => `iif(recent.id IS NULL, counts.${column}, recent.${column})`;

/** Joins a counter's count to what has its id. */
export const COUNT_OF = (id: string) =>
  `LEFT JOIN counts ON counts.id = ${id} LEFT JOIN recent_counts AS recent ON recent.id = ${id}`;

/** The columns of counts as the first schemas have them; and those of now. */
export const COUNT_AT_FIRST = ["value", "revision", "update_ms", "min_value", "max_value", "checksum"];
const COUNT_COLUMNS = [...COUNT_AT_FIRST, "carry"];

/** The columns of counters. */
export const stillColumns = (settings: readonly string[]) => [
  "id",
  "name",
  "uid",
  "settings_revision",
  "create_ms",
  ...settings,
];
/** Those of now. */
export const STILL_COLUMNS = [...stillColumns(STILL_SETTINGS), "policy", "policy_revision"];

/** The same, of tables that have these columns. */
export const rowOf = (columns: readonly string[], counted: readonly string[]) =>
  `SELECT ${columns.map((column) => `counters.${column}`).join(", ")},
    ${counted.map((column) => `${current(column)} AS ${column}`).join(", ")}, recent.id IS NOT NULL AS recent
    FROM counters ${COUNT_OF("counters.id")}`;

/** A row of counters with its count, without its timing; a WHERE clause follows. */
export const ROW = rowOf(STILL_COLUMNS, COUNT_COLUMNS);

/** A row as a counter, whole. */
export function toFullCounter(raw: RawRow): FullCounter {
  const details = {} as Details;
  readSettings(DETAIL_KEYS, raw, details);
  return { name: raw.name, ...toCounter(raw), createTime: Number(raw.create_ms), ...details };
}

/** A row as counting keeps it. */
export function toRow(raw: RawRow): Row {
  const place = raw.recent === 1n ? Place.RECENT : Place.COLD;
  const counter = toCounter(raw);
  const timing = hasTiming(raw) ? readTiming(raw, counter.timing!) : undefined;
  return { id: raw.id, counter, still: stillOf(raw)!, place, timing };
}

function toCounter(raw: RawRow): Mutable<Counter> {
  const counter = blankCounter();
  counter.uid = uidFromBytes(raw.uid);
  counter.value = raw.value;
  counter.revision = Number(raw.revision);
  counter.updateTime = Number(raw.update_ms);
  counter.settingsRevision = Number(raw.settings_revision);
  readSettings(COUNTING_KEYS, raw, counter);
  if (hasTiming(raw)) counter.timing = toTiming(raw, raw.carry ?? null, raw.update_ms);
  counter.policy = toFollowed(raw);
  return counter;
}

/** The checksum over what counting does not change, or undefined when the row fails its own. */
export function stillOf(raw: RawRow): number | undefined {
  try {
    const still = stillChecksum(raw);
    const timed = isTimedChecksum(raw.checksum);
    if (timed !== hasTiming(raw)) return undefined;
    if (!timed && (raw.carry ?? null) !== null) return undefined;
    const sum = hasTiming(raw) ? timedSum(still, raw) : guarded(unguarded(still, raw), raw.id, raw.value);
    return sum === Number(raw.checksum) && (!timed || areReadable(raw)) ? still : undefined;
  } catch {
    return undefined; // A column of another type than was written: damaged as well.
  }
}

/** The checksum over the whole row, without the guard and without timing. */
export function unguarded(still: number, raw: RawRow): number {
  return new Checksum(still).int64(raw.value).int64(raw.revision).int64(raw.update_ms).value;
}

/** The checksum of a whole row with timing, as it is stored. */
function timedSum(still: number, raw: RawRow & TimingColumns): number {
  const { carry = null } = raw;
  const sum = sumCarry(sumTiming(new Checksum(unguarded(still, raw)), raw), carry);
  const mark = markOf(Number(raw.update_ms), restOf(raw.idle_ttl_ms ?? null, raw), remainderOf(carry));
  return guardedTimed(sum.value, raw.id, raw.value, mark);
}

/** What counting does not change of a row. */
export type StillRow = Omit<
  RawRow,
  "value" | "revision" | "update_ms" | "checksum" | "recent" | keyof TimingColumns
>;

/** What is stored of a counter beside its count. */
export function toStillRow(id: bigint, name: string, fixed: Fixed): StillRow {
  return {
    id,
    name,
    uid: uidToBytes(fixed.uid),
    settings_revision: BigInt(fixed.settingsRevision),
    create_ms: BigInt(fixed.createTime),
    policy: fixed.policy?.prefix ?? null,
    policy_revision: fixed.policy === undefined ? null : BigInt(fixed.policy.revision),
    ...toColumns(fixed),
  };
}

/** The checksum over what counting does not change. */
export function stillChecksum(raw: StillRow): number {
  const sum = new Checksum().int64(raw.id).text(raw.name).bytes(raw.uid);
  sumSettings(sum, SUMMED.counting, raw).int64(raw.settings_revision).int64(raw.create_ms);
  sumSettings(sum, SUMMED.details, raw);
  sumSettings(sum, SUMMED.later, raw);
  const { policy = null, policy_revision = null } = raw;
  if (policy === null && policy_revision === null) return sum.value;
  return sum.word(FOLLOWS).text(policy!).int64(policy_revision!).value;
}

/** Stands before what a counter follows; no setting's bit. */
const FOLLOWS = 3;

/** The checksum of a whole row that time does nothing to, as it is stored: with the guard of its count. */
export function rowChecksum(
  still: number,
  id: bigint,
  value: bigint,
  revision: number,
  updateTime: number,
): number {
  return guarded(new Checksum(still).int64(value).number(revision).number(updateTime).value, id, value);
}

/** The same of a counter that has a timing. @param carry  of its count; undefined without a refill */
export function timedRowChecksum(
  still: number,
  id: bigint,
  { value, revision, updateTime }: Count,
  { words, rest }: StoredTiming,
  carry: number | null | undefined,
): number {
  const sum = new Checksum(still).int64(value).number(revision).number(updateTime);
  for (let i = 0; i < words.length; i++) sum.word(words[i]!);
  return guardedTimed(sumCarryNumber(sum, carry).value, id, value, markOf(updateTime, rest, carry));
}
