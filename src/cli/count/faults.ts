import { visible } from "../visible.ts";

/** What was not done, by the reason why: how many lines or counters it was, and the first of them to show. */
export class Faults {
  readonly #lines = new Map<string, number>();
  #examples = 0;
  readonly #show: (sentence: string) => void;
  readonly #words: Words;

  /** @param show  tells the first few */
  constructor(show: (sentence: string) => void, words: Words = COUNTING) {
    this.#show = show;
    this.#words = words;
  }

  /** Note that so many lines were not counted, and show it if it is among the first. */
  add(reason: string, lines: number, example: () => string): void {
    this.#lines.set(reason, (this.#lines.get(reason) ?? 0) + lines);
    const { what, examplesMax } = this.#words;
    if (this.#examples === examplesMax) return;
    this.#examples++;
    const more = this.#examples === examplesMax ? " (more like it are only counted, not shown)" : "";
    this.#show(`${what}: ${visible(example())}${more}`);
  }

  /** Lines not counted, whatever the reason. */
  get total(): number {
    let total = 0;
    for (const lines of this.#lines.values()) total += lines;
    return total;
  }

  /** How many lines for each reason. */
  byReason(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#lines);
  }
}

/** How it is told. */
interface Words {
  /** What stands before an example. */
  readonly what: string;
  /** How many are shown. */
  readonly examplesMax: number;
}

/** Five are enough to see what kind of lines they are. */
const COUNTING: Words = { what: "Not counted", examplesMax: 5 };
