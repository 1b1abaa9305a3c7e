import type { CatalogueName, CatalogueWrite } from "../core/catalogue.ts";
import type { Clock } from "../core/clock.ts";
import type { Epoch } from "../core/epoch.ts";
import { type Refusal, TallyError } from "../core/errors.ts";
import type { Catalogue } from "../service/store-catalogue.ts";
import type { CurrentDirectory } from "./current-directory.ts";
import type { Directory, Dropped } from "./directory.ts";

/** What a change comes to, as the directory is: what to write, and what it answers then. */
export interface Decided<T> {
  readonly write: CatalogueWrite;
  /** @param version  of the entry from now on */
  answer(version: number): T;
}

/** Nothing is to be written, for it is so already. */
export interface Settled<T> {
  readonly settled: T;
}

/**
 * Changes the directory, in one catalogue that other processes change as well: each change is decided on the directory as it
 * is, and written if that still holds. What has been answered is in effect in this process.
 */
export class DirectoryChanges {
  readonly current: CurrentDirectory;
  readonly clock: Clock;
  /** Of the store: what etags of principals end in. */
  readonly epoch: Epoch;
  readonly #catalogue: Catalogue;
  /** One after another, so that those of one process do not get into each other's way. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(current: CurrentDirectory, catalogue: Catalogue, clock: Clock, epoch?: Epoch) {
    this.current = current;
    this.#catalogue = catalogue;
    this.clock = clock;
    this.epoch = epoch;
  }

  /**
   * Make a change.
   *
   * @param decide  asked once more whenever somebody else was quicker
   * @throws TallyError OUTCOME_UNKNOWN  when it was written, and cannot be read: until it can be, this process refuses calls
   */
  change<T>(decide: (directory: Directory) => Decided<T> | Settled<T> | Refusal): Promise<T | Refusal> {
    const done = this.#turn.then(() => this.#change(decide));
    this.#turn = done.catch(() => {});
    return done;
  }

  async #change<T>(
    decide: (directory: Directory) => Decided<T> | Settled<T> | Refusal,
  ): Promise<T | Refusal> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const decided = decide(await this.current.refresh());
      if ("code" in decided) return decided;
      if ("settled" in decided) return decided.settled;
      const version = await this.#catalogue.write(decided.write);
      if (version === undefined) continue;
      await this.#takeUp();
      return decided.answer(version);
    }
    throw new TallyError("STORE_UNAVAILABLE", "others change the catalogue all the time; try again");
  }

  /** Take away what stands for nobody any more. */
  sweep(): Promise<void> {
    return this.drop(this.current.directory.orphans.slice(0, SWEPT_MAX));
  }

  /**
   * Take away what is of no use any more. What is left after a failure is of no more use than before, and goes another time.
   */
  async drop(entries: readonly Dropped[]): Promise<void> {
    if (entries.length === 0) return;
    try {
      for (const { kind, key, version } of entries)
        await this.#catalogue.write({ kind, key, body: undefined, expectedVersion: version });
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
    }
    await this.#takeUp();
  }

  async #takeUp(): Promise<void> {
    try {
      await this.current.refresh();
    } catch (cause) {
      this.current.distrust();
      throw new TallyError("OUTCOME_UNKNOWN", "it was written, and could not be read again", { cause });
    }
  }
}

/** Why an entry is neither read nor written; undefined: it can be. */
export function unreadable(directory: Directory, name: CatalogueName): Refusal | undefined {
  return directory.unreadableVersion(name) === undefined
    ? undefined
    : { code: "ROW_CORRUPT", part: "principals" };
}

const TRIES_MAX = 100;

/** As many as a principal can have, and more: who deletes one waits for it. */
const SWEPT_MAX = 1_000;
