/** What time does to counters, in a table of its own: only those have a row there that it does something to. */
import type { Database, Statement } from "better-sqlite3";
import type { Counter, Timing } from "../../../core/counter.ts";
import { reduced } from "../../../core/refill.ts";
import { fullTimeOf } from "../../../core/timing.ts";
import type { Checksum } from "../../shared/checksum.ts";
import { GUARD, isPlainSql, TIMED } from "./guard.ts";
import { type SettingColumns, TIME_SETTINGS } from "./setting-columns.ts";

/** The columns of `timings` beside the settings: a Timing, and what SQL reckons values by. */
export interface TimingColumns {
  readonly window_start_ms: bigint | null;
  readonly window_end_ms: bigint | null;
  readonly refill_ms: bigint | null;
  /** NULL without a refill. */
  readonly refill_carry: bigint | null;
  readonly due_ms: bigint | null;
  /** As in `counters`. */
  readonly initial_value: bigint;
  /** Of the reduced refill. */
  readonly refill_amount: bigint | null;
  readonly refill_every: bigint | null;
  /** When the value is at initial by the refill; NULL when it is, or has none. */
  readonly full_ms: bigint | null;
}

const COLUMNS = [
  ...["window_start_ms", "window_end_ms", "refill_ms", "refill_carry", "due_ms"],
  ...["initial_value", "refill_amount", "refill_every", "full_ms"],
] as readonly string[] as readonly (keyof TimingColumns)[];

/** What changes without a change of the settings. */
const MOVING = [
  ...["window_start_ms", "window_end_ms", "refill_ms", "refill_carry", "due_ms", "full_ms"],
] as readonly string[] as readonly (keyof TimingColumns)[];

/** A row of `timings`. */
export type TimingRow = { readonly id: bigint } & TimingColumns & Partial<SettingColumns>;

/** The columns of a counter that time does something to. */
function toTimingColumns({ initial, refill }: TimedSettings, value: bigint, timing: Timing): TimingColumns {
  const { amount, every } = refill === undefined ? NO_REFILL : reduced(refill);
  return {
    window_start_ms: ms(timing.windowStart),
    window_end_ms: ms(timing.windowEnd),
    refill_ms: ms(timing.refillTime),
    refill_carry: refill === undefined ? null : timing.refillCarry,
    due_ms: ms(timing.due),
    initial_value: initial,
    refill_amount: amount,
    refill_every: every,
    full_ms: refill === undefined ? null : ms(fullTimeOf({ value, initial, refill, timing })),
  };
}

const NO_REFILL = { amount: null, every: null };

function ms(time: number | undefined): bigint | null {
  return time === undefined ? null : BigInt(time);
}

/**
 * What is stored of a timing, with what goes into the checksum of its counter's count and does not move with that: made
 * once for a window or an idle TTL, within which counting changes nothing of it.
 */
export interface StoredTiming {
  readonly of: Timing;
  readonly columns: TimingColumns;
  /** See `markOf`. */
  readonly rest: number;
}

/** @param value  the counter's, with that timing */
export function toStoredTiming(settings: TimedSettings, value: bigint, timing: Timing): StoredTiming {
  const columns = toTimingColumns(settings, value, timing);
  return { of: timing, columns, rest: restOf(settings.idleTtlMs ?? null, columns) };
}

type TimedSettings = Pick<Counter, "initial" | "refill" | "idleTtlMs">;

/** The Timing that columns say. */
export function toTiming(columns: TimingColumns): Timing {
  const time = (column: bigint | null) => (column === null ? undefined : Number(column));
  return {
    windowStart: time(columns.window_start_ms),
    windowEnd: time(columns.window_end_ms),
    refillTime: time(columns.refill_ms),
    refillCarry: columns.refill_carry ?? 0n,
    due: time(columns.due_ms),
  };
}

/** Whether a row was read together with its timing. */
export function hasTiming<Row extends Partial<TimingColumns>>(row: Row): row is Row & TimingColumns {
  return row.initial_value !== undefined;
}

/** Take what time does into the checksum over a row. @throws TypeError when a column is of another type than was written */
export function sumTiming(sum: Checksum, columns: TimingColumns): Checksum {
  for (let i = 0; i < COLUMNS.length; i++) {
    const stored = columns[COLUMNS[i]!];
    if (stored !== null) sum.word(i + 1).int64(stored);
  }
  return sum;
}

/**
 * What the guard of a count has of all that SQL reckons its value by: a remainder by a number that no power of two is a
 * multiple of, so that one flipped bit is always noticed. At least so much that a count whose checksum lost the bit which
 * says that time does something to it does not pass for a sound one of the others.
 *
 * @param updateMs  a remainder by `MARK` will do
 * @param rest      of all the others: see `restOf`
 */
export function markOf(updateMs: number, rest: number): number {
  return MARK_MIN + (((((updateMs % MARK) + rest) % MARK) + MARK) % MARK);
}

/** The sum of the remainders of all that a mark is made from, but the time of the change. */
export function restOf(idleTtlMs: bigint | null, columns: TimingColumns): number {
  let rest = remainder(idleTtlMs);
  for (const column of MARKED) rest += remainder(columns[column]);
  return rest;
}

function remainder(column: bigint | null): number {
  return column === null ? ABSENT : Number(column % MARK_BIG);
}

const MARKED = [
  "initial_value",
  "window_end_ms",
  "full_ms",
  "refill_ms",
  "refill_carry",
  "refill_amount",
  "refill_every",
] as const;
const MARK = 16_373;
const MARK_BIG = BigInt(MARK);
const MARK_MIN = 7;
/** Stands for NULL, which is not to pass for 0. */
const ABSENT = 5;

/** The same in SQL. */
function markSql(updateMs: string): string {
  const parts = MARKED.map((column) => `coalesce(timing.${column}, ${ABSENT}) % ${MARK}`);
  const rest = [`${updateMs} % ${MARK}`, `coalesce(timing.idle_ttl_ms, ${ABSENT}) % ${MARK}`, ...parts].join(
    " + ",
  );
  return `${MARK_MIN} + ((${rest}) % ${MARK} + ${MARK}) % ${MARK}`;
}

/** The columns of a count in SQL. */
interface CountSql {
  readonly id: string;
  readonly value: string;
  readonly updateMs: string;
  readonly checksum: string;
}

/** Joins its timing to a count that has one. */
export function timingOf({ id, checksum }: CountSql): string {
  return `LEFT JOIN timings AS timing ON timing.id = iif(${isPlainSql(checksum)}, NULL, ${id})`;
}

/**
 * The value of a count as of $now, as `present` has it, in SQL: NULL when the counter has expired. No product overflows,
 * for between $now and full_ms a refill moves the value by less than from one bound to the other.
 */
export function presentedSql({ value, updateMs, checksum }: CountSql): string {
  const come =
    "(($now - timing.refill_ms) * timing.refill_amount + timing.refill_carry) / timing.refill_every";
  return `CASE WHEN ${isPlainSql(checksum)} THEN ${value}
    WHEN ${updateMs} + timing.idle_ttl_ms <= $now THEN NULL
    WHEN timing.window_end_ms <= $now OR timing.full_ms <= $now THEN timing.initial_value
    WHEN timing.refill_ms < $now THEN ${value} + iif(${value} > timing.initial_value, -1, 1) * (${come})
    ELSE ${value} END`;
}

/**
 * By how much the guard of a count is another than that of the value as of $now would be, in SQL; 0 for a count that time
 * does nothing to. A REAL where the timing is missing: then the sum is one, too.
 */
export function guardShiftSql(count: CountSql, presented: string): string {
  const { value, updateMs, checksum } = count;
  const shift = `${value} % ${GUARD} - coalesce(${presented} % ${GUARD}, 0) + ${markSql(updateMs)} - ${TIMED} + 0 * timing.id`;
  return `iif(${isPlainSql(checksum)}, 0, coalesce(${shift}, 0.5))`;
}

/** A time of which everything is as it is stored. */
export const AS_STORED = -(2n ** 63n);

/** Reads timings. For any connection. */
export class TimingReader {
  readonly #at: Statement<[bigint], TimingRow>;

  constructor(db: Database) {
    this.#at = db.prepare(`SELECT ${[...TIME_SETTINGS, ...COLUMNS].join(", ")} FROM timings WHERE id = +?`);
  }

  /** The row with what there is of its timing. */
  joined<Row extends { readonly id: bigint }>(row: Row): Row & Partial<TimingRow> {
    return { ...row, ...this.#at.get(row.id) };
  }
}

/** Writes timings, and when each is due. The caller owns the transaction. */
export class TimingWriter {
  readonly #insert: Statement<[object]>;
  readonly #update: Statement<(bigint | null)[]>;
  readonly #delete: Statement<[bigint]>;
  readonly #setDue: Statement<[bigint, bigint]>;
  readonly #unsetDue: Statement<[bigint, bigint]>;
  readonly #clear: () => void;

  constructor(db: Database) {
    const all = ["id", ...TIME_SETTINGS, ...COLUMNS];
    this.#insert = db.prepare(
      `INSERT INTO timings (${all.join(", ")}) VALUES (${all.map((column) => `$${column}`).join(", ")})`,
    );
    const set = MOVING.map((column) => `${column} = ?`).join(", ");
    this.#update = db.prepare(`UPDATE timings SET ${set} WHERE id = ?`);
    this.#delete = db.prepare("DELETE FROM timings WHERE id = ?");
    // An entry that is there already, or is not, has rotted: that takes nothing from the counter.
    this.#setDue = db.prepare("INSERT OR IGNORE INTO due_counters (due_ms, counter_id) VALUES (?, ?)");
    this.#unsetDue = db.prepare("DELETE FROM due_counters WHERE due_ms = ? AND counter_id = ?");
    this.#clear = () => db.exec("DELETE FROM timings; DELETE FROM due_counters");
  }

  insert(row: TimingRow): void {
    this.#insert.run(row);
    this.#due(row.id, undefined, row.due_ms);
  }

  /** @returns  false when there is none */
  update(id: bigint, before: Timing, columns: TimingColumns): boolean {
    const { window_start_ms, window_end_ms, refill_ms, refill_carry, due_ms, full_ms } = columns;
    const { changes } = this.#update.run(
      ...[window_start_ms, window_end_ms, refill_ms, refill_carry, due_ms, full_ms, id], // As in MOVING.
    );
    if (changes !== 1) return false;
    this.#due(id, before.due, columns.due_ms);
    return true;
  }

  /** @returns  false when there is none */
  delete(id: bigint, before: Timing): boolean {
    this.#due(id, before.due, null);
    return this.#delete.run(id).changes === 1;
  }

  /** Have the entry of a counter that is due there, and another one, which leads to it and is not it, gone. */
  mendDue(id: bigint, found: bigint, due: bigint | null): void {
    this.#due(id, Number(found), due);
  }

  clear(): void {
    this.#clear();
  }

  #due(id: bigint, before: number | undefined, due: bigint | null): void {
    const was = ms(before);
    if (was === due) return;
    if (was !== null) this.#unsetDue.run(was, id);
    if (due !== null) this.#setDue.run(due, id);
  }
}
