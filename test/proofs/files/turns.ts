import type { Random } from "../crash/random.ts";

/** Each of some things in its turn, in random order: none a second time before all that could be had were had once. */
export class Turns<T> {
  readonly #all: readonly T[];
  readonly #seen = new Set<T>();
  #left: T[] = [];

  constructor(all: readonly T[]) {
    this.#all = all;
  }

  /** Whether each was had. */
  get complete(): boolean {
    return this.#seen.size === this.#all.length;
  }

  /**
   * @param attempt  does it, or returns undefined where that cannot be done: then it stays for another time
   * @returns        what was done, and with which
   */
  take<Done>(random: Random, attempt: (item: T) => Done | undefined): { item: T; done: Done } {
    for (const fresh of [false, true]) {
      if (fresh) this.#left = [...this.#left, ...this.#all.filter((item) => !this.#left.includes(item))];
      for (const item of shuffled(this.#left, random)) {
        const done = attempt(item);
        if (done === undefined) continue;
        this.#left = this.#left.filter((each) => each !== item);
        this.#seen.add(item);
        return { item, done };
      }
    }
    throw new Error("none can be done");
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.between(0, left.length - 1), 1)[0]!);
}
