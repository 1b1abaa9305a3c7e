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

  /** How much to do at a time, so that a turn takes 50 ms: 1 MiB at most, and 64 KiB at least. */
  get turnBytes(): number {
    return this.#stopped
      ? TURN_BYTES_MAX
      : Math.min(TURN_BYTES_MAX, Math.max(2 ** 16, 50 * this.#bytesPerMs));
  }

  /** From now on as fast as can be. */
  stop(): void {
    this.#stopped = true;
  }

  /** Note that so many bytes were done, and block the thread for as long as they ought to take. */
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

const TURN_BYTES_MAX = 2 ** 20;
const NEVER = new Int32Array(new SharedArrayBuffer(4));
