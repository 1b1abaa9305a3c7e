/** How long a read of history waits for what the change log has, in milliseconds. */
export const HISTORY_WAIT_MS = 3_000;

/** Has reads wait until something has come so far. */
export class Arrival {
  readonly #waiting = new Set<{ readonly position: bigint; readonly arrived: (there: boolean) => void }>();
  #position: () => bigint;

  /** @param position  how far it has come */
  constructor(position: () => bigint) {
    this.#position = position;
  }

  /** Resolves with whether it has come to a position: at once when it has, and at the latest after HISTORY_WAIT_MS. */
  async at(position: bigint): Promise<boolean> {
    if (this.#position() >= position) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const entry = { position, arrived: resolve };
    const timer = setTimeout(() => resolve(false), HISTORY_WAIT_MS);
    this.#waiting.add(entry);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(entry);
    }
  }

  /** Say that it has come further. */
  moved(): void {
    if (this.#waiting.size === 0) return;
    const now = this.#position();
    for (const { position, arrived } of this.#waiting) if (now >= position) arrived(true);
  }
}
