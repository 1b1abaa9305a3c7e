import { Level, PERIOD_MS, periodStart } from "../../../core/levels.ts";
import { unpackBuckets } from "../../../core/packed-buckets.ts";
import { fits } from "../../shared/checksum.ts";
import type { HistoryHead } from "../../shared/history/rows.ts";
import { type Statements, sumOf } from "./statements.ts";

/**
 * Shows that packed rows are missing: by the next coarser level, which has the same changes; and of days by a table that has
 * the key of each, on pages of its own: a page that rots may take rows of all levels with it, but not those keys.
 */
export class Witnesses {
  readonly #statements: Used;
  /** The row that was asked for last. */
  #witness: { readonly key: string; readonly starts: readonly number[] | undefined } | undefined;

  constructor(statements: Used) {
    this.#statements = statements;
  }

  /** Note that a row is written. Inside the caller's transaction, as what follows. */
  writes(level: Level, period: number, number: number): void {
    this.#witness = undefined;
    if (level === Level.DAY) this.#statements.addDays.run(BigInt(period), BigInt(number));
  }

  /** Note that a row is removed. */
  removes(level: Level, period: number, number: number): void {
    this.#witness = undefined;
    if (level === Level.DAY) this.#statements.removeDays.run(BigInt(period), BigInt(number));
  }

  /** Note that what is older is kept no more. */
  drops(level: Level, before: number): void {
    this.#witness = undefined;
    if (level === Level.DAY) this.#statements.dropDays.run(BigInt(before));
  }

  /** What was written was undone. */
  forget(): void {
    this.#witness = undefined;
  }

  /** Whether a row that is not found ought to be there. */
  isMissing(head: HistoryHead, level: Level, period: number, number: number): boolean {
    if (period < head.droppedTo[level]! || period > head.latest) return false;
    if (level === Level.DAY)
      return this.#statements.hasDays.get(BigInt(period), BigInt(number)) !== undefined;
    const coarser = level === Level.MINUTE ? Level.QUARTER : Level.DAY;
    const starts = this.#startsIn(head, coarser, periodStart(coarser, period), number);
    return starts === undefined || starts.some((at) => at >= period && at < period + PERIOD_MS[level]);
  }

  /** Where the buckets of a row begin; undefined when that cannot be told, for it is damaged or missing itself. */
  #startsIn(head: HistoryHead, level: Level, period: number, number: number): readonly number[] | undefined {
    const key = `${level}.${period}.${number}`;
    if (this.#witness?.key !== key) {
      const row = this.#statements.packed.get(BigInt(level), BigInt(period), BigInt(number));
      let starts: number[] | undefined;
      if (row === undefined) starts = this.isMissing(head, level, period, number) ? undefined : [];
      else if (fits(() => sumOf([level, period, number], row.bytes), row.checksum))
        starts = unpackBuckets(level, period, row.bytes).map(({ start }) => start);
      this.#witness = { key, starts };
    }
    return this.#witness.starts;
  }
}

type Used = Pick<Statements, "packed" | "hasDays" | "addDays" | "removeDays" | "dropDays">;
