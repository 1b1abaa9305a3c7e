/**
 * The load that is under way, of what began lately.
 *
 * What has been under way for much longer than calls wait is held by something else (a row that a stranger has locked,
 * a connection that is lost), and says nothing about how long the next one will wait. Were it counted, a few thousand
 * such calls would shut out everybody else.
 */
export class RecentLoad {
  readonly #sliceMs: number;
  /** Of each slice of time, how much that began in it is still under way. */
  readonly #slices = new Array<number>(SLICES).fill(0);
  #newest = 0;
  #load = 0;

  /** @param sliceMs  an eighth of the time after which a call is not counted any more */
  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** @param now  milliseconds that never go back, as everywhere here */
  at(now: number): number {
    this.#pass(now);
    return this.#load;
  }

  /** @returns  what `remove` is to be told, once, when the call has ended */
  add(load: number, now: number): number {
    this.#pass(now);
    this.#slices[this.#newest % SLICES]! += load;
    this.#load += load;
    return this.#newest;
  }

  remove(load: number, slice: number, now: number): void {
    this.#pass(now);
    if (slice <= this.#newest - SLICES) return;
    this.#slices[slice % SLICES]! -= load;
    this.#load -= load;
  }

  #pass(now: number): void {
    const newest = Math.floor(now / this.#sliceMs);
    for (let slice = Math.max(this.#newest + 1, newest - SLICES + 1); slice <= newest; slice++) {
      this.#load -= this.#slices[slice % SLICES]!;
      this.#slices[slice % SLICES] = 0;
    }
    this.#newest = Math.max(this.#newest, newest);
  }
}

const SLICES = 8;
