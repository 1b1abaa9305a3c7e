import { visible } from "../visible.ts";

/** Lines that were not counted, by the reason why: how many, and the first of them to show. */
export class Faults {
  readonly #lines = new Map<string, number>();
  #examples = 0;
  readonly #show: (sentence: string) => void;

  /** @param show  tells the first few */
  constructor(show: (sentence: string) => void) {
    this.#show = show;
  }

  /** Note that so many lines were not counted, and show it if it is among the first. */
  add(reason: string, lines: number, example: () => string): void {
    this.#lines.set(reason, (this.#lines.get(reason) ?? 0) + lines);
    if (this.#examples === EXAMPLES_MAX) return;
    this.#examples++;
    const more = this.#examples === EXAMPLES_MAX ? " (more like it are only counted, not shown)" : "";
    this.#show(`Not counted: ${visible(example())}${more}`);
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

/** Enough to see what kind of lines they are. */
const EXAMPLES_MAX = 5;
