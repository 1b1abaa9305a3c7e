/** What time does to counters, in a table of its own: only those have a row there that it does something to. */
import type { Database, Statement } from "better-sqlite3";
import type { Counter, Timing } from "../../../core/counter.ts";
import { reduced } from "../../../core/refill.ts";
import { fullTimeOf } from "../../../core/timing.ts";
import type { Checksum } from "../../shared/checksum.ts";
import { markOfCarry, refillIn } from "./carry.ts";
import { type SettingColumns, TIME_SETTINGS } from "./setting-columns.ts";

/** The columns of `timings` beside the settings: a Timing, but for what the count has of it, and what SQL reckons values by. */
export interface TimingColumns {
  readonly window_start_ms: bigint | null;
  readonly window_end_ms: bigint | null;
  /** NULL at initial, without a refill, and where the count has a carry: see carry.ts. */
  readonly refill_ms: bigint | null;
  /** NULL without a refill, and where the count has a carry. */
  readonly refill_carry: bigint | null;
  readonly due_ms: bigint | null;
  /** As in `counters`. */
  readonly initial_value: bigint;
  /** Of the reduced refill. */
  readonly refill_amount: bigint | null;
  readonly refill_every: bigint | null;
  /** When the value is at initial by the refill; NULL when it is, has none, or the count has a carry. */
  readonly full_ms: bigint | null;
}

export const COLUMNS = [
  ...["window_start_ms", "window_end_ms", "refill_ms", "refill_carry", "due_ms"],
  ...["initial_value", "refill_amount", "refill_every", "full_ms"],
] as readonly string[] as readonly (keyof TimingColumns)[];

/** What changes without a change of the settings. */
const MOVING = [
  ...["window_start_ms", "window_end_ms", "refill_ms", "refill_carry", "due_ms", "full_ms"],
] as readonly string[] as readonly (keyof TimingColumns)[];

/** A row of `timings`. */
export type TimingRow = { readonly id: bigint } & TimingColumns & Partial<SettingColumns>;

/** The columns of a counter that time does something to. @param carries  whether its count says where its refill is */
export function toTimingColumns(
  { initial, refill }: TimedSettings,
  value: bigint,
  timing: Timing,
  carries: boolean,
): TimingColumns {
  const { amount, every } = refill === undefined ? NO_REFILL : reduced(refill);
  const here = refill !== undefined && !carries;
  return {
    window_start_ms: ms(timing.windowStart),
    window_end_ms: ms(timing.windowEnd),
    refill_ms: here ? ms(timing.refillTime) : null,
    refill_carry: here ? timing.refillCarry : null,
    due_ms: ms(timing.due),
    initial_value: initial,
    refill_amount: amount,
    refill_every: every,
    full_ms: here ? ms(fullTimeOf({ value, initial, refill, timing })) : null,
  };
}

const NO_REFILL = { amount: null, every: null };

function ms(time: number | undefined): bigint | null {
  return time === undefined ? null : BigInt(time);
}

export type TimedSettings = Pick<Counter, "initial" | "refill" | "idleTtlMs">;

/** The Timing that columns say, with those of the count. */
export function toTiming(columns: TimingColumns, carry: bigint | null, updateMs: bigint): Timing {
  const time = (column: bigint | null) => (column === null ? undefined : Number(column));
  const here = { refillTime: time(columns.refill_ms), refillCarry: columns.refill_carry ?? 0n };
  const { refillTime, refillCarry } = carry === null ? here : refillIn(carry, updateMs);
  return {
    windowStart: time(columns.window_start_ms),
    windowEnd: time(columns.window_end_ms),
    refillTime,
    refillCarry,
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
 * @param carry     of the count; a remainder by `MARK` will do
 */
export function markOf(updateMs: number, rest: number, carry: number | null | undefined): number {
  // A double's % is slow. This is as exact for whole numbers below 2^53, up to a multiple of MARK; the rest are small numbers.
  const ofUpdate = (updateMs - Math.floor(updateMs / MARK) * MARK) | 0;
  const sum = (ofUpdate + rest + markOfCarry(carry, MARK)) | 0;
  return MARK_MIN + (((sum % MARK) + MARK) % MARK);
}

/** The sum of the remainders of all that a mark is made from, but the time of the change. */
export function restOf(idleTtlMs: bigint | null, columns: TimingColumns): number {
  let rest = remainder(idleTtlMs);
  for (const column of MARKED) rest += remainder(columns[column]);
  return rest;
}

/** Of a carry that may be of any size, what will do for markOf. */
export function remainderOf(carry: bigint | null): number | null {
  return carry === null ? null : Number(carry % MARK_BIG);
}

function remainder(column: bigint | null): number {
  return column === null ? ABSENT : Number(column % MARK_BIG);
}

export const MARKED = [
  "initial_value",
  "window_end_ms",
  "full_ms",
  "refill_ms",
  "refill_carry",
  "refill_amount",
  "refill_every",
] as const;
export const MARK = 16_373;
const MARK_BIG = BigInt(MARK);
export const MARK_MIN = 7;
/** Stands for NULL, which is not to pass for 0. */
export const ABSENT = 5;

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
