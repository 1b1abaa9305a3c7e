import type { Time } from "../../src/http2/time.ts";

/** Time that goes on when a test says so. */
export class HandTime implements Time {
  #now = 1_000;
  #soon: (() => void)[] = [];
  readonly #regular = new Set<{ ms: number; run: () => void }>();

  monotonic(): number {
    return this.#now;
  }

  every(ms: number, run: () => void): () => void {
    const regular = { ms, run };
    this.#regular.add(regular);
    return () => this.#regular.delete(regular);
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** How many there are that run again and again. */
  get regulars(): number {
    return this.#regular.size;
  }

  /** End the turn of the event loop. */
  endTurn(): void {
    const due = this.#soon;
    this.#soon = [];
    for (const run of due) run();
  }

  /** End turns until nothing is left for the next. @returns  how many it took */
  endTurns(): number {
    let turns = 0;
    for (; this.#soon.length > 0; turns++) this.endTurn();
    return turns;
  }

  /** Go on by so many whole seconds. */
  pass(seconds: number): void {
    for (let second = 0; second < seconds; second++) {
      this.#now += 1_000;
      for (const { run } of [...this.#regular]) run();
      this.endTurns();
    }
  }
}
