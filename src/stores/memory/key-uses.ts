import type { KeyUses } from "../../service/store-key-uses.ts";

/** When keys were last used, kept in memory: see KeyUses. */
export class KeyUsesInMemory implements KeyUses {
  readonly #hours = new Map<string, number>();
  readonly #assertOpen: () => void;

  /** @param assertOpen  throws when the store is closed */
  constructor(assertOpen: () => void) {
    this.#assertOpen = assertOpen;
  }

  async note(hours: ReadonlyMap<string, number>): Promise<void> {
    this.#assertOpen();
    this.take(hours);
  }

  /** The same, for the store itself. */
  take(hours: ReadonlyMap<string, number>): void {
    for (const [keyId, hour] of hours)
      this.#hours.set(keyId, Math.max(hour, this.#hours.get(keyId) ?? Number.NEGATIVE_INFINITY));
  }

  async read(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    this.#assertOpen();
    const found = new Map<string, number>();
    for (const keyId of keyIds) {
      const hour = this.#hours.get(keyId);
      if (hour !== undefined) found.set(keyId, hour);
    }
    return found;
  }

  /** After a key is gone. */
  forget(keyId: string): void {
    this.#hours.delete(keyId);
  }

  clear(): void {
    this.#hours.clear();
  }
}
