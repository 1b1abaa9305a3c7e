/** Has something be done at so many bytes a second at most, in any second of it. */
export class Pace {
  readonly #bytesPerMs: number;
  readonly #monotonic: () => number;
  /** When all that was spent will have had its time. */
  #paidMs: number;
  #stopped = false;

  /**
   * @param bytesPerSecond  infinite for as fast as can be
   * @param monotonic       a clock that does not jump, in milliseconds
   */
  constructor(bytesPerSecond: number, monotonic: () => number) {
    this.#bytesPerMs = bytesPerSecond / 1_000;
    this.#monotonic = monotonic;
    this.#paidMs = monotonic();
  }

  /** From now on as fast as can be. */
  stop(): void {
    this.#stopped = true;
  }

  /** Note that so many bytes were done, and block the thread for as long as they ought to take: a fraction of a second. */
  spendNow(bytes: number): void {
    const waitMs = this.#waitMs(bytes);
    if (waitMs > 0) Atomics.wait(NEVER, 0, 0, waitMs);
  }

  #waitMs(bytes: number): number {
    if (this.#stopped) return 0;
    const now = this.#monotonic();
    this.#paidMs = Math.max(this.#paidMs, now) + bytes / this.#bytesPerMs;
    return this.#paidMs - now;
  }
}

const NEVER = new Int32Array(new SharedArrayBuffer(4));
