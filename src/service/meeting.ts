import { ChangeKind, endsCounter } from "../core/change.ts";
import type { ChangeLogReads, LoggedCounter, LogPage } from "./store-log.ts";

/** Looks up the counters of pages of the change log for who takes them into history: each once, and again when it is to. */
export class Meeting {
  readonly #changeLog: ChangeLogReads;
  readonly #known = new Set<bigint>();

  constructor(changeLog: ChangeLogReads) {
    this.#changeLog = changeLog;
  }

  /** How many it has looked at, and still knows. */
  get size(): number {
    return this.#known.size;
  }

  /** Know none any more. */
  anew(): void {
    this.#known.clear();
  }

  /** Those of a page's counters that are to be looked at: new ones, those that end on it, and those with new settings. */
  async meet({
    commits: { changes, counterIds },
  }: LogPage): Promise<ReadonlyMap<number, LoggedCounter | undefined>> {
    const known = this.#known;
    const met = new Map<number, LoggedCounter | undefined>();
    for (const [index, id] of counterIds.entries()) if (!known.has(id)) met.set(index, undefined);
    const ended = new Set<number>();
    for (let k = 0; k < changes.count; k++) {
      const kind = changes.kinds[k]! as ChangeKind;
      if (kind === ChangeKind.SETTINGS) met.set(changes.counters[k]!, undefined);
      else if (endsCounter(kind)) ended.add(changes.counters[k]!);
    }
    for (const index of ended) met.set(index, undefined);
    const indices = [...met.keys()];
    for (let first = 0; first < indices.length; first += LOOKED_UP_AT_ONCE) {
      const some = indices.slice(first, first + LOOKED_UP_AT_ONCE);
      const counters = await this.#changeLog.counters(
        BigInt64Array.from(some, (index) => counterIds[index]!),
      );
      for (const [i, index] of some.entries()) {
        met.set(index, counters[i]);
        known.add(counterIds[index]!);
      }
    }
    for (const index of ended) known.delete(counterIds[index]!);
    return met;
  }
}

/** As many as ChangeLogReads.counters takes. */
const LOOKED_UP_AT_ONCE = 10_000;
