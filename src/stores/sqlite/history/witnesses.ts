import { BUCKET_MS, Level, PERIOD_MS, periodStart } from "../../../core/levels.ts";
import { unpackBuckets } from "../../../core/packed-buckets.ts";
import { fits } from "../../shared/checksum.ts";
import type { HistoryHead } from "../../shared/history/rows.ts";
import { type Statements, sumOf } from "./statements.ts";

/**
 * Shows that packed rows are missing: by the next coarser level, which has the same changes, and of days by the quarters of
 * an hour.
 */
export class Witnesses {
  readonly #statements: Pick<Statements, "packed">;
  /** The row that was asked for last. */
  #witness: { readonly key: string; readonly starts: readonly number[] } | undefined;
  /** What is being packed: the coarser levels do not have it yet. */
  #packing: { readonly number: number; readonly hour: number } | undefined;

  constructor(statements: Pick<Statements, "packed">) {
    this.#statements = statements;
  }

  /** Say that a row is written. */
  packs(level: Level, period: number, number: number): void {
    if (level === Level.MINUTE) this.#packing = { number, hour: period };
    this.#witness = undefined;
  }

  /** Say that what was written was undone. */
  forget(): void {
    this.#packing = undefined;
    this.#witness = undefined;
  }

  /** Whether a row that is not found ought to be there. */
  isMissing({ droppedTo, latest }: HistoryHead, level: Level, period: number, number: number): boolean {
    const end = period + PERIOD_MS[level];
    if (period < droppedTo[level]! || period > latest) return false;
    if (level !== Level.DAY) {
      const coarser = level === Level.MINUTE ? Level.QUARTER : Level.DAY;
      return this.#startsIn(coarser, periodStart(coarser, period), number).some(
        (at) => at >= period && at < end,
      );
    }
    for (let day = period; day < end; day += BUCKET_MS[Level.DAY]) {
      if (this.#startsIn(Level.QUARTER, day, number).some((at) => !this.#isNew(number, at))) return true;
    }
    return false;
  }

  #startsIn(level: Level, period: number, number: number): readonly number[] {
    const key = `${level}.${period}.${number}`;
    if (this.#witness?.key !== key) {
      const row = this.#statements.packed.get(BigInt(level), BigInt(period), BigInt(number));
      const sound = row !== undefined && fits(() => sumOf([level, period, number], row.bytes), row.checksum);
      const starts = sound ? unpackBuckets(level, period, row.bytes).map(({ start }) => start) : [];
      this.#witness = { key, starts };
    }
    return this.#witness.starts;
  }

  /** Whether a bucket of a quarter of an hour is of what is being packed. */
  #isNew(number: number, start: number): boolean {
    const { hour = Number.NaN, number: packed } = this.#packing ?? {};
    return number === packed && start >= hour && start < hour + PERIOD_MS[Level.MINUTE];
  }
}
