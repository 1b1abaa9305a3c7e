import type { Database } from "better-sqlite3";
import { TallyError } from "../../core/errors.ts";

/** Takes the WAL into the file when it has grown: after the answers are out, never within a commit. */
export class Checkpoints {
  readonly #db: Database;
  #commitsSinceLook = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  committed(): void {
    this.#commitsSinceLook++;
  }

  /**
   * Cheap when nothing is due.
   *
   * @throws TallyError OUTCOME_UNKNOWN when the disk fails: what is cached may differ from what is kept
   */
  ifDue(): void {
    if (this.#commitsSinceLook >= LOOK_COMMITS) this.ifGrown();
  }

  /** The same, without waiting for the next look. */
  ifGrown(): void {
    this.#commitsSinceLook = 0;
    try {
      const [wal] = this.#db.pragma("wal_checkpoint(NOOP)") as [{ log: bigint; checkpointed: bigint }];
      if (wal.log - wal.checkpointed >= CHECKPOINT_PAGES) this.#db.pragma("wal_checkpoint(PASSIVE)");
    } catch (error) {
      throw new TallyError("OUTCOME_UNKNOWN", "the disk failed during a checkpoint", { cause: error });
    }
  }

  /** Take it in whole and leave it empty, before the file is closed. */
  last(): void {
    this.#commitsSinceLook = 0;
    this.#db.pragma("wal_checkpoint(TRUNCATE)");
  }
}

/** Pages of 4 KiB in the WAL that make a checkpoint worth its two fsyncs. */
const CHECKPOINT_PAGES = 4_000n;
const LOOK_COMMITS = 16;
