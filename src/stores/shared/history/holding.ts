/** After so long without progress the log drops what was not taken in, in milliseconds. */
export const HISTORY_STALL_MS = 60_000;

/** Has the change log keep what history has not taken in, as long as that goes on. */
export class Holding {
  #progressMs: number;

  /** @param now  by the monotonic clock */
  constructor(now: number) {
    this.#progressMs = now;
  }

  /** Something was taken in. */
  moved(now: number): void {
    this.#progressMs = now;
  }

  /**
   * Up to which position commits may be dropped.
   *
   * @param taken  up to which all was taken in, and saved
   * @param end    of the log
   */
  droppable(taken: bigint, end: bigint, now: number): bigint {
    if (taken >= end) this.#progressMs = now; // There is nothing to take in.
    return now - this.#progressMs >= HISTORY_STALL_MS ? end : taken;
  }
}
