import type { ChangeColumns } from "./change.ts";

/**
 * Commits of a change log, one after another, their changes in columns. Counters stand in it as the log has them, by what
 * the store knows them by, each once: whoever reads it looks up a counter when it is first met, and no name a change.
 */
export class CommitColumns {
  /** Of each commit, the index after its last change. */
  readonly ends: Uint32Array;
  /** Of each commit, its place in the log: each is one more than the one before. */
  readonly positions: Float64Array;
  /** Of each commit, what it was known by before it had a position; undefined where each has one from the first. */
  readonly numbers: Float64Array | undefined;
  /** Of each commit, its time, in milliseconds since the Unix epoch; a change may be earlier. */
  readonly times: Float64Array;
  /** What the store knows counters by. */
  readonly counterIds: BigInt64Array;
  /** Of all commits; `counters` are indices into counterIds. */
  readonly changes: ChangeColumns;

  constructor({ ends, positions, numbers, times, counterIds, changes }: CommitFields) {
    this.ends = ends;
    this.positions = positions;
    this.numbers = numbers;
    this.times = times;
    this.counterIds = counterIds;
    this.changes = changes;
  }

  /** How many commits. */
  get count(): number {
    return this.ends.length;
  }

  /** The index of the first change of commit i. */
  start(i: number): number {
    return i === 0 ? 0 : this.ends[i - 1]!;
  }

  /** Where commit i stands, as StoredChange.position has it, for Store.covers. */
  position(i: number): string {
    const at = `${this.positions[i]}`;
    return this.numbers === undefined ? at : `${at}.${this.numbers[i]}`;
  }

  /** A copy of the commits after a position. */
  after(position: number): CommitColumns {
    let i = this.positions.findIndex((each) => each > position);
    if (i === -1) i = this.count;
    const start = this.start(i);
    return new CommitColumns({
      ends: this.ends.slice(i).map((end) => end - start),
      positions: this.positions.slice(i),
      numbers: this.numbers?.slice(i),
      times: this.times.slice(i),
      counterIds: this.counterIds,
      changes: this.changes.slice(start, this.changes.count),
    });
  }
}

/** What of CommitColumns is told by itself. */
export type CommitFields = Pick<
  CommitColumns,
  "ends" | "positions" | "numbers" | "times" | "counterIds" | "changes"
>;
