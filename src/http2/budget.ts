/** Room for bytes. */
export interface Budget {
  /** @returns  false, and nothing is taken, where there is not as much left */
  take(bytes: number): boolean;
  /** Give back what was taken. */
  give(bytes: number): void;
}

/** What one connection may have of the room of all. */
export class Share implements Budget {
  readonly #all: Budget;
  readonly #bytesMax: number;
  #taken = 0;

  constructor(all: Budget, bytesMax: number) {
    this.#all = all;
    this.#bytesMax = bytesMax;
  }

  /** In bytes. */
  get taken(): number {
    return this.#taken;
  }

  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#bytesMax || !this.#all.take(bytes)) return false;
    this.#taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
    this.#all.give(bytes);
  }
}
