import type { Clock } from "../core/clock.ts";
import type { Catalogue } from "../service/store-catalogue.ts";
import { Directory } from "./directory.ts";

/** When to look for what others have written, and whom to tell. */
export interface Following {
  /** How often to look, in milliseconds. */
  readonly everyMs: number;
  /** For how long it may be used when it cannot be read, in milliseconds: what was revoked meanwhile is not known. */
  readonly staleMs: number;
  /** Told when it cannot be read, once, and when it can again. */
  onFailure(error: unknown): void;
  onRecovery(): void;
}

/** The directory of a store, kept up with what this process and others write. */
export class CurrentDirectory {
  readonly #catalogue: Catalogue;
  readonly #clock: Clock;
  readonly #following: Following;
  readonly #timer: NodeJS.Timeout;
  readonly #listeners = new Set<() => void>();
  #directory = new Directory();
  #revision = 0;
  /** When the latest read that succeeded began. */
  #readAtMs = Number.NEGATIVE_INFINITY;
  #failed = false;
  #turn: Promise<unknown> = Promise.resolve();
  #reading = false;

  private constructor(catalogue: Catalogue, clock: Clock, following: Following) {
    this.#catalogue = catalogue.forReader?.() ?? catalogue;
    this.#clock = clock;
    this.#following = following;
    this.#timer = setInterval(() => this.#look(), following.everyMs);
    this.#timer.unref();
  }

  /**
   * Read all of it.
   *
   * @throws TallyError  when it cannot be read
   */
  static async open(catalogue: Catalogue, clock: Clock, following: Following): Promise<CurrentDirectory> {
    const current = new CurrentDirectory(catalogue, clock, following);
    try {
      await current.refresh();
    } catch (error) {
      current.close();
      throw error;
    }
    return current;
  }

  /** As it was read last. */
  get directory(): Directory {
    return this.#directory;
  }

  /** Another number whenever anything of it is another, or it is not to be trusted any more. */
  get revision(): number {
    return this.#revision;
  }

  /** Whether it could not be read for so long that it is not to be used. */
  get isStale(): boolean {
    return this.isStaleAt(this.#clock.monotonic());
  }

  /** The same, for who has read the clock just now. */
  isStaleAt(monotonicMs: number): boolean {
    return monotonicMs - this.#readAtMs > this.#following.staleMs;
  }

  /** How long ago the latest read began that succeeded, in milliseconds; Infinity: what was read is not to be used. */
  get ageMs(): number {
    return this.#clock.monotonic() - this.#readAtMs;
  }

  /** Have it be as the store has it: every write is in it that ended before this was called. */
  refresh(): Promise<Directory> {
    const done = this.#turn.then(() => this.#read());
    this.#turn = done.catch(() => {});
    return done;
  }

  /** It is not to be used before it was read again: something was written, and it could not be read afterwards. */
  distrust(): void {
    this.#readAtMs = Number.NEGATIVE_INFINITY;
    this.#revision++; // Who does not ask how old it is, for no time has passed, is to ask.
  }

  /**
   * Be told when anything of it has become another, and now and then while it is not to be used.
   *
   * @returns  ends it
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** A look that is still on its way is not waited for by another one. */
  #look(): void {
    if (this.isStale) this.#tell(); // Nobody else does, if a read neither fails nor ends.
    if (this.#reading) return;
    this.#reading = true;
    this.refresh()
      .catch(() => {}) // Which has been told.
      .finally(() => {
        this.#reading = false;
      });
  }

  async #read(): Promise<Directory> {
    const beganMs = this.#clock.monotonic();
    try {
      await this.#take();
    } catch (error) {
      if (!this.#failed) this.#following.onFailure(error);
      this.#failed = true;
      throw error;
    }
    this.#readAtMs = beganMs;
    if (this.#failed) this.#following.onRecovery();
    this.#failed = false;
    return this.#directory;
  }

  async #take(): Promise<void> {
    const { version } = this.#directory;
    const changes = await this.#catalogue.read(version);
    // Another catalogue stands there, or a row is damaged: whatever that was before, it is not any more.
    const anew = changes.version < version || (version > 0 && changes.corrupt.length > 0);
    if (!anew && changes.version === version) return;
    if (anew) {
      const directory = new Directory();
      directory.apply(await this.#catalogue.read(0));
      this.#directory = directory;
    } else this.#directory.apply(changes);
    this.#revision++;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
