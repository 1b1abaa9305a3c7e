/**
 * How much load ends in a millisecond while there is much: what the service can do, and not what it is asked for.
 *
 * So it is only measured from when there is `loadMin` until hardly any is left; at other times it stays what it was.
 * Over about a second, because group commits end hundreds of calls at once, and a disk may stand still for as long.
 * What refusals cost counts as done: otherwise, the more were refused, the less it would seem that can be done.
 */
export class Throughput {
  readonly #loadMin: number;
  #perMs: number;
  #lost = 0;
  /** When the time that is not in `#busyMs` yet began; undefined: nothing is measured. */
  #sinceMs: number | undefined;
  #busyMs = 0;
  #ended = 0;
  #refused = 0;

  /** @param perMs  what to reckon with until it is known */
  constructor(loadMin: number, perMs: number) {
    this.#loadMin = loadMin;
    this.#perMs = perMs;
  }

  get perMs(): number {
    return this.#perMs;
  }

  /** Which share of what was done of late was refusing. */
  get lost(): number {
    return this.#lost;
  }

  /** @param left  how much load there is, with that which began */
  began(left: number, now: number): void {
    if (left >= this.#loadMin) this.#sinceMs ??= now;
  }

  /** @param left  how much load there is, without that which ended */
  ended(load: number, left: number, now: number): void {
    if (this.#sinceMs === undefined) return;
    this.#ended += load;
    this.#pass(now);
    if (left < this.#loadMin / FEW) this.#sinceMs = undefined;
  }

  /** @param cost  as load */
  refused(cost: number): void {
    if (this.#sinceMs !== undefined) this.#refused += cost;
  }

  /**
   * Look at what was measured: when a call comes, and not when one ends, for others of its commit end next. Where none
   * ends, time passes all the same, and little can be done.
   *
   * @returns  whether there was something new
   */
  look(now: number): boolean {
    if (this.#sinceMs !== undefined) this.#pass(now);
    if (this.#busyMs < SAMPLE_MS) return false;
    const done = this.#ended + this.#refused;
    const weight = 1 - Math.exp(-this.#busyMs / MEMORY_MS);
    this.#perMs += (done / this.#busyMs - this.#perMs) * weight;
    this.#lost += ((done === 0 ? 0 : this.#refused / done) - this.#lost) * weight;
    this.#busyMs = 0;
    this.#ended = 0;
    this.#refused = 0;
    return true;
  }

  #pass(now: number): void {
    this.#busyMs += now - this.#sinceMs!;
    this.#sinceMs = now;
  }
}

const FEW = 8;
const SAMPLE_MS = 100;
const MEMORY_MS = 1_000;
