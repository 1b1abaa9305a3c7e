import type { FullCounter } from "../../core/counter.ts";
import { endOf, hasLabels, type Selection } from "../../core/selection.ts";

/** Counters by name, and in the order of their names. */
export class CountersInMemory {
  readonly #counters = new Map<string, FullCounter>();
  /** The names in order, as far as they were when somebody last asked for them; those made since at the end. */
  #names: string[] = [];
  #state: "sorted" | "added" | "deleted" = "sorted";
  /** The names of those that are to be looked at some time (see Timing.due), and how far a round has come. */
  readonly #timed = new Set<string>();
  #round: Iterator<string> | undefined;

  get size(): number {
    return this.#counters.size;
  }

  get(name: string): FullCounter | undefined {
    return this.#counters.get(name);
  }

  set(counter: FullCounter): void {
    const { name } = counter;
    if (!this.#counters.has(name)) {
      this.#names.push(name);
      if (this.#state === "sorted") this.#state = "added";
    }
    this.#counters.set(name, counter);
    if (counter.timing?.due !== undefined) this.#timed.add(name);
    else if (this.#timed.size > 0) this.#timed.delete(name);
  }

  /**
   * Go on looking for those that are due.
   *
   * @param limit  how many to look at
   * @returns      whether this round has more to look at
   */
  due(now: number, limit: number): { due: FullCounter[]; more: boolean } {
    const due: FullCounter[] = [];
    this.#round ??= this.#timed.values();
    for (let looked = 0; looked < limit; looked++) {
      const { value: name, done } = this.#round.next();
      if (done) {
        this.#round = undefined;
        return { due, more: false };
      }
      const counter = this.#counters.get(name)!;
      if (counter.timing!.due! <= now) due.push(counter);
    }
    return { due, more: true };
  }

  delete(name: string): void {
    this.#counters.delete(name);
    this.#timed.delete(name);
    this.#state = "deleted";
  }

  clear(): void {
    this.#counters.clear();
    this.#timed.clear();
    this.#names = [];
    this.#state = "sorted";
  }

  /**
   * Those selected, in the order of their names.
   *
   * @param from  leave out the names before it
   */
  *select({ prefix, labels }: Selection, from = prefix): Iterable<FullCounter> {
    const names = this.#sorted();
    const end = endOf(prefix);
    for (let i = lowerBound(names, from < prefix ? prefix : from); i < names.length; i++) {
      const name = names[i]!;
      if (name >= end) return;
      const counter = this.#counters.get(name)!;
      if (hasLabels(counter.labels, labels)) yield counter;
    }
  }

  #sorted(): readonly string[] {
    if (this.#state === "deleted") this.#names = [...this.#counters.keys()];
    if (this.#state !== "sorted") this.#names.sort(); // What is in order already costs a comparison a name.
    this.#state = "sorted";
    return this.#names;
  }
}

/** The index of the first name that is not below a bound. */
function lowerBound(sorted: readonly string[], bound: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
