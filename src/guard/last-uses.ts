import type { KeyUses } from "../service/store-key-uses.ts";
import type { Log } from "../telemetry.ts";
import type { Directory } from "./directory.ts";

/** What it takes to know when keys were used. */
export interface LastUsesOptions {
  /** Where it is written down; undefined: nowhere, and nothing is known. */
  readonly keyUses: KeyUses | undefined;
  /** The directory as it is now. */
  readonly directory: () => Directory;
  readonly log: Log;
  /** Told each time before, to note what is used all the time. */
  readonly beforeWrite: () => void;
}

/**
 * When each API key was last used, to the hour: noted in memory, and written down now and then in one go. What was not
 * written down, because the process was killed, is lost; what could not be, is tried again with the next.
 */
export class LastUses {
  readonly #options: LastUsesOptions;
  readonly #timer: NodeJS.Timeout;
  /** The hours that are not written down yet, by key. */
  readonly #noted = new Map<string, number>();
  #writing: Promise<void> | undefined;

  constructor(options: LastUsesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      options.beforeWrite();
      void this.#write();
    }, WRITE_EVERY_MS).unref();
  }

  /**
   * Note that a key is used.
   *
   * @param keyId  undefined: what is used is no key
   * @param nowMs  milliseconds since the Unix epoch
   * @returns      up to when noting it again would change nothing
   */
  note(keyId: string | undefined, nowMs: number): number {
    const hour = nowMs - (nowMs % HOUR_MS);
    if (keyId !== undefined && this.#options.keyUses !== undefined)
      this.#noted.set(keyId, Math.max(hour, this.#noted.get(keyId) ?? hour));
    return hour + HOUR_MS;
  }

  /**
   * When the hours began in which keys were last used: those that other processes have written down, and what is noted here.
   *
   * @throws TallyError  when it cannot be read
   */
  async of(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { keyUses } = this.#options;
    if (keyUses === undefined || keyIds.length === 0) return new Map();
    const noted = keyIds.map((keyId) => this.#noted.get(keyId)); // Before: what is written down meanwhile is gone from here.
    const hours = new Map(await keyUses.read(keyIds));
    for (const [i, keyId] of keyIds.entries()) {
      const hour = noted[i];
      if (hour !== undefined) hours.set(keyId, Math.max(hour, hours.get(keyId) ?? hour));
    }
    return hours;
  }

  /** Write down what is left. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing; // What was noted since it began is not in it.
    await this.#write();
  }

  /** Never rejects; what is on its way is not begun again. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    const { keyUses, directory, log } = this.#options;
    if (keyUses === undefined) return;
    // With a key that is gone meanwhile went what was noted of it: it is not to come back.
    for (const keyId of this.#noted.keys())
      if (directory().keyById(keyId) === undefined) this.#noted.delete(keyId);
    const all = [...this.#noted];
    try {
      for (let first = 0; first < all.length; first += AT_ONCE) {
        const some = all.slice(first, first + AT_ONCE);
        await keyUses.note(new Map(some));
        for (const [keyId, hour] of some) if (this.#noted.get(keyId) === hour) this.#noted.delete(keyId);
      }
    } catch (err) {
      log("auth.uses_unwritten", { err });
    }
  }
}

const HOUR_MS = 3_600_000;
const WRITE_EVERY_MS = 300_000;
/** See KeyUses.note. */
const AT_ONCE = 1_000;
