/** How often something may be done: so often at once, and so often more each second. */
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

  /** May be done so often more, for what was done beside. */
  earn(times: number): void {
    this.#left = Math.min(this.#burst, this.#left + times);
  }

  refill(seconds: number): void {
    this.earn(this.#perSecond * seconds);
  }
}
