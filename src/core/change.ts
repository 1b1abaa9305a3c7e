import { halvesOf } from "./bytes.ts";
import { UINT64_MAX } from "./int64.ts";
import { Verb } from "./op.ts";

/**
 * What became of one counter in one commit, for its history: the increments and decrements (and what was taken and given
 * back) that stood next to each other as one change, and each set, reset, creation, update of settings and deletion as its own; and what time has
 * done, a roll and an expiry. A refill is in the change of the operation that met it.
 *
 * `value - (added - removed)` is the value before; the sums of all changes of a counter give its value.
 */
export interface Change {
  readonly kind: ChangeKind;
  /**
   * The revisions that this change covers, both inclusive. Settings, deletion and expiry take none: theirs is the empty
   * range after the last, firstRevision = revision + 1.
   */
  readonly firstRevision: number;
  readonly revision: number;
  /** How many operations: revision - firstRevision + 1. */
  readonly ops: number;
  /** How much the value went up and down in all, each 0 to 2^64-1 (one set can move it by that much). */
  readonly added: bigint;
  readonly removed: bigint;
  /** The lowest and the highest value that one of its operations left, or met after a refill. */
  readonly low: bigint;
  readonly high: bigint;
  /** The value after. */
  readonly value: bigint;
  /**
   * Milliseconds since the Unix epoch; never earlier than the change of the value before. It may be earlier than its
   * commit, which then writes down what has become of the counter in the meantime.
   */
  readonly time: number;
  /** Who and why, for all but increments and decrements; increments of many callers stand in one change and name no one. */
  readonly caller: string;
  readonly note: string;
}

/** The most bytes of a caller's name, in UTF-8: with that of a note, what a change can say beside its numbers. */
export const CALLER_NAME_BYTES_MAX = 160;

/**
 * `OPENING` stands for changes that were dropped to keep the log within its size: it gives a counter's value
 * after the last of them (added and removed 0), and what a follower knew before is replaced by it.
 *
 * `DELETE` and `EXPIRE` are the last change under a uid. `ROLL` is the end of a window that moved the value.
 */
export const ChangeKind = {
  ADD: 0,
  SET: 1,
  RESET: 2,
  CREATE: 3,
  OPENING: 4,
  SETTINGS: 5,
  DELETE: 6,
  ROLL: 7,
  EXPIRE: 8,
} as const;
export type ChangeKind = (typeof ChangeKind)[keyof typeof ChangeKind];

/** The kind of change that an operation makes. */
export function changeKindOf(verb: Verb): ChangeKind {
  switch (verb) {
    case Verb.INCREMENT:
    case Verb.DECREMENT:
    case Verb.TAKE:
    case Verb.GIVE_BACK:
      return ChangeKind.ADD;
    case Verb.SET:
      return ChangeKind.SET;
    case Verb.RESET:
      return ChangeKind.RESET;
    case Verb.CREATE:
      return ChangeKind.CREATE;
    case Verb.UPDATE:
      return ChangeKind.SETTINGS;
    case Verb.DELETE:
      return ChangeKind.DELETE;
  }
}

function takesRevision(kind: ChangeKind): boolean {
  return kind !== ChangeKind.SETTINGS && !endsCounter(kind);
}

/** Whether after a change of this kind there is no counter any more. */
export function endsCounter(kind: ChangeKind): boolean {
  return kind === ChangeKind.DELETE || kind === ChangeKind.EXPIRE;
}

/**
 * The changes of a commit, or of several, in columns: thousands of them live until it ends, and as objects they would be
 * most of what the garbage collector has to carry. Those of one counter stand in the order of its revisions.
 */
export class ChangeColumns {
  #count = 0;
  #halves: ChangeColumns["halves"] | undefined;
  /** The index of its counter in the batch; see CommitColumns for those of several commits. */
  readonly counters: Uint32Array;
  readonly kinds: Uint8Array;
  readonly firstRevisions: Float64Array;
  readonly revisions: Float64Array;
  readonly added: BigUint64Array;
  readonly removed: BigUint64Array;
  readonly low: BigInt64Array;
  readonly high: BigInt64Array;
  readonly values: BigInt64Array;
  readonly times: Float64Array;
  /** Who and why, where there is something to say. */
  readonly remarks: Map<number, { readonly caller: string; readonly note: string }>;

  /**
   * @param max   how many there can be; one more is a defect (TypeError)
   * @param full  columns of that many changes, which another thread has sent
   */
  constructor(max: number, full?: Pick<ChangeColumns, "buffer" | "remarks">) {
    const buffer = full?.buffer ?? new ArrayBuffer(69 * max);
    this.remarks = full?.remarks ?? new Map();
    if (full !== undefined) this.#count = max;
    this.firstRevisions = new Float64Array(buffer, 0, max);
    this.revisions = new Float64Array(buffer, 8 * max, max);
    this.added = new BigUint64Array(buffer, 16 * max, max);
    this.removed = new BigUint64Array(buffer, 24 * max, max);
    this.low = new BigInt64Array(buffer, 32 * max, max);
    this.high = new BigInt64Array(buffer, 40 * max, max);
    this.values = new BigInt64Array(buffer, 48 * max, max);
    this.times = new Float64Array(buffer, 56 * max, max);
    this.counters = new Uint32Array(buffer, 64 * max, max);
    this.kinds = new Uint8Array(buffer, 68 * max, max);
  }

  get count(): number {
    return this.#count;
  }

  /** The columns of 64-bit numbers by their halves: see halvesOf. Made once: each view costs as much as some changes. */
  get halves(): Readonly<Record<"values" | "added" | "removed" | "low" | "high", Uint32Array>> {
    this.#halves ??= {
      values: halvesOf(this.values),
      added: halvesOf(this.added),
      removed: halvesOf(this.removed),
      low: halvesOf(this.low),
      high: halvesOf(this.high),
    };
    return this.#halves;
  }

  /** How many there can be. */
  get max(): number {
    return this.kinds.length;
  }

  /** What all of the columns stand in. */
  get buffer(): ArrayBufferLike {
    return this.kinds.buffer;
  }

  /**
   * A copy of the changes from index `from` to before `to`.
   *
   * @param max  how many there can be in it
   */
  slice(from: number, to: number, max = to - from): ChangeColumns {
    const slice = new ChangeColumns(max);
    for (const column of COLUMNS) slice[column].set(this[column].subarray(from, to) as never);
    for (const [k, remark] of this.remarks) if (k >= from && k < to) slice.remarks.set(k - from, remark);
    slice.#count = to - from;
    return slice;
  }

  /**
   * A change that led to `revision`, or left it where it was; returns its index.
   *
   * @param met  the value as of the change, where a refill had moved it from `previous`
   * @throws TypeError  when there is no room for it
   */
  push(
    counter: number,
    kind: ChangeKind,
    previous: bigint,
    value: bigint,
    revision: number,
    time: number,
    met?: bigint,
  ): number {
    const from = met ?? previous;
    const k = this.next();
    let added = value > from ? value - from : 0n;
    let removed = value < from ? from - value : 0n;
    this.counters[k] = counter;
    this.kinds[k] = kind;
    this.firstRevisions[k] = takesRevision(kind) ? revision : revision + 1;
    this.low[k] = value;
    this.high[k] = value;
    if (met !== undefined && met !== previous) {
      if (met > previous) added += met - previous;
      else removed += previous - met;
      if (met < value) this.low[k] = met;
      else this.high[k] = met;
    }
    this.added[k] = added;
    this.removed[k] = removed;
    this.#end(k, value, revision, time);
    return k;
  }

  /** A change as another store has it. @throws TypeError  when there is no room for it */
  append(counter: number, change: Change): void {
    const k = this.next();
    this.counters[k] = counter;
    this.kinds[k] = change.kind;
    this.firstRevisions[k] = change.firstRevision;
    this.restore(k, change);
    if (change.caller !== "" || change.note !== "") this.remarks.set(k, change);
  }

  /** Take one more increment or decrement into change k; false when it must be a change of its own. */
  merge(k: number, previous: bigint, value: bigint, revision: number, time: number): boolean {
    if (this.kinds[k] !== ChangeKind.ADD) return false;
    if (value >= previous) {
      const added = this.added[k]! + (value - previous);
      if (added > UINT64_MAX) return false;
      this.added[k] = added;
      if (value > this.high[k]!) this.high[k] = value;
    } else {
      const removed = this.removed[k]! + (previous - value);
      if (removed > UINT64_MAX) return false;
      this.removed[k] = removed;
      if (value < this.low[k]!) this.low[k] = value;
    }
    this.#end(k, value, revision, time);
    return true;
  }

  /**
   * The index of one more change, whose columns are for the caller to write.
   *
   * @throws TypeError  when there is no room for it: beyond its end a typed array drops what is written, without a word
   */
  next(): number {
    if (this.#count >= this.max) {
      throw new TypeError(`expected at most ${this.max} changes, got one more`);
    }
    return this.#count++;
  }

  #end(k: number, value: bigint, revision: number, time: number): void {
    this.values[k] = value;
    this.revisions[k] = revision;
    this.times[k] = time;
  }

  /** Forget the changes from index k on. */
  truncate(k: number): void {
    for (let i = k; i < this.#count; i++) this.remarks.delete(i);
    this.#count = k;
  }

  /** Change k as it is now; `restore` puts it back. */
  copy(k: number): Change {
    const { caller, note } = this.remarks.get(k) ?? { caller: "", note: "" };
    const firstRevision = this.firstRevisions[k]!;
    const revision = this.revisions[k]!;
    return {
      kind: this.kinds[k] as ChangeKind,
      firstRevision,
      revision,
      ops: revision - firstRevision + 1,
      added: this.added[k]!,
      removed: this.removed[k]!,
      low: this.low[k]!,
      high: this.high[k]!,
      value: this.values[k]!,
      time: this.times[k]!,
      caller,
      note,
    };
  }

  restore(k: number, { added, removed, low, high, value, revision, time }: Change): void {
    this.added[k] = added;
    this.removed[k] = removed;
    this.low[k] = low;
    this.high[k] = high;
    this.#end(k, value, revision, time);
  }
}

const COLUMNS = [
  ...(["counters", "kinds", "firstRevisions", "revisions", "added", "removed"] as const),
  ...(["low", "high", "values", "times"] as const),
];
