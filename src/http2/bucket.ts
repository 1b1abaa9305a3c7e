/** How often something may be done: so often at once, so often more each second, and beyond that what was earned. */
export class Bucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
  }

  /** It is done once more. @returns  false: too often */
  spend(): boolean {
    this.#left--;
    return this.#left >= 0;
  }

  /**
   * May be done so often more, for what was done beside. Without an end, for what goes with that may come long after it:
   * who has a thousand answers may read them all before it says anything.
   */
  earn(times: number): void {
    this.#left += times;
  }

  refill(seconds: number): void {
    if (this.#left < this.#burst) this.#left = Math.min(this.#burst, this.#left + this.#perSecond * seconds);
  }
}
