import type { Database } from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import type { Metrics } from "../../../telemetry/metrics.ts";
import type { ArchiveGate } from "../archive/gate.ts";
import type { WalBinding } from "../file/wal-binding.ts";
import type { Whereabouts } from "../file/whereabouts.ts";

/** Takes the WAL into the file when it has grown: after the answers are out, never within a commit. */
export class Checkpoints {
  readonly #db: Database;
  readonly #whereabouts: Whereabouts;
  readonly #binding: WalBinding;
  readonly #metrics: Metrics;
  readonly #seconds: number;
  /** Where the store is archived. */
  readonly #gate: ArchiveGate | undefined;
  /** Whether what was found in the WAL at the start waits there to be archived. */
  readonly #isWaiting: boolean;
  #commitsSinceLook = 0;
  /** How long the WAL was when somebody who read it kept it from being taken in whole. */
  #heldAt = 0n;
  /** Whether the archive was begun anew, and nothing is committed since. */
  #hasBegun = false;

  constructor(
    db: Database,
    whereabouts: Whereabouts,
    binding: WalBinding,
    metrics: Metrics,
    gate: ArchiveGate | undefined,
    isWaiting: boolean,
  ) {
    this.#isWaiting = isWaiting;
    this.#gate = gate;
    this.#db = db;
    this.#whereabouts = whereabouts;
    this.#binding = binding;
    this.#metrics = metrics;
    this.#seconds = metrics.placeOf("checkpointSeconds", {});
  }

  /** @param now  when, in milliseconds since the Unix epoch */
  committed(now: number): void {
    this.#commitsSinceLook++;
    if (this.#gate !== undefined) this.#gate.now = now;
  }

  /**
   * Cheap when nothing is due.
   *
   * @throws TallyError OUTCOME_UNKNOWN when the disk fails: what is cached may differ from what is kept
   */
  ifDue(): void {
    if (this.#commitsSinceLook >= LOOK_COMMITS) this.#ifGrown(this.#heldAt);
  }

  /** The same, without waiting for the next look. */
  ifGrown(): void {
    this.#ifGrown(0n);
  }

  /** @param heldAt  while it has not grown by as much again since then, one would do nothing: a backup reads for minutes */
  #ifGrown(heldAt: bigint): void {
    this.#commitsSinceLook = 0;
    try {
      const { log, checkpointed } = look(this.#db);
      const taken = log < heldAt ? checkpointed : max(checkpointed, heldAt);
      if (log - taken < CHECKPOINT_PAGES) return;
      if (this.#gate?.lets(log - taken) === false) {
        this.#commitsSinceLook = LOOK_COMMITS; // After each commit, for there is little to be archived just then.
        return;
      }
      this.#heldAt = this.#take("PASSIVE") ? 0n : log;
    } catch (error) {
      if (error instanceof TallyError) throw error;
      throw new TallyError("OUTCOME_UNKNOWN", "the disk failed during a checkpoint", { cause: error });
    }
  }

  /**
   * Once a second, where the store is archived.
   *
   * @param now  milliseconds since the Unix epoch
   * @returns    whether something is to be committed: the archive was begun anew, and a backup that is made now is to have an id
   *             that is in it
   * @throws TallyError  as ifDue
   */
  archive(now: number): boolean {
    if (this.#gate === undefined) return false;
    try {
      this.#gate.tick(now);
      if (this.#gate.wantsCheckpoint && this.#take("PASSIVE")) {
        this.#gate.boundary();
        this.#hasBegun = true;
      }
      this.#hasBegun &&= this.#binding.isDue;
      return this.#hasBegun;
    } catch (error) {
      if (error instanceof TallyError) throw error;
      throw new TallyError("OUTCOME_UNKNOWN", "the disk failed during a checkpoint", { cause: error });
    }
  }

  /**
   * Once all that a start writes is written: have it in the file. The WAL is left as it is, for while the file says that
   * it is open, an empty one is one that was emptied. What waits to be archived stays there.
   */
  first(): void {
    this.#whereabouts.settle();
    if (this.#gate?.passes() === false) {
      if (this.#isWaiting && this.#gate.waits()) return;
      this.#gate.giveUp();
    }
    this.#take("RESTART");
  }

  /**
   * Take it in whole and leave it empty, before the file is closed.
   *
   * @returns  what became of it; what is not archived is left in it, for the next start to archive
   */
  last(): TakenIn {
    this.#commitsSinceLook = 0;
    return this.#whereabouts.checkpointing(() => takeInWhole(this.#db, this.#binding, this.#gate));
  }

  /** @returns  whether all of it is in the file now */
  #take(mode: "PASSIVE" | "RESTART"): boolean {
    const since = performance.now();
    const all = this.#whereabouts.checkpointing(() => takeIn(this.#db, mode));
    if (all) this.#binding.checkpointed();
    this.#metrics.observe("checkpointSeconds", this.#seconds, (performance.now() - since) / 1_000);
    return all;
  }
}

/** Pages of 4 KiB in the WAL that make a checkpoint worth its two fsyncs. */
const CHECKPOINT_PAGES = 4_000n;
const LOOK_COMMITS = 16;

/**
 * Take the WAL into the file whole, and have the file say that it is closed and needs no WAL any more: only then may that
 * be emptied.
 *
 * @returns  unless it is "whole", it stays as a crash would leave it
 */
export function takeInWhole(db: Database, binding: WalBinding, gate: ArchiveGate | undefined): TakenIn {
  if (gate?.passes() === false) return "not archived";
  if (!takeIn(db, "FULL")) return "read";
  db.transaction(() => binding.write(false)).immediate();
  if (gate?.passes() === false) return "not archived";
  return takeIn(db, "TRUNCATE") ? "whole" : "read";
}

/** Whether a WAL was taken in whole; or somebody reads it, or an archive does not have it yet. */
export type TakenIn = "whole" | "read" | "not archived";

function max(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

/** How much the WAL has. */
export function walFrames(db: Database): bigint {
  return look(db).log;
}

/** As connections give it that do, and do not, give integers as bigint. */
function look(db: Database): { log: bigint; checkpointed: bigint } {
  const [{ log, checkpointed }] = db.pragma("wal_checkpoint(NOOP)") as [Checkpointed];
  return { log: BigInt(log), checkpointed: BigInt(checkpointed) };
}

/** @returns  whether all of it is in the file now */
function takeIn(db: Database, mode: "PASSIVE" | "FULL" | "RESTART" | "TRUNCATE"): boolean {
  const [{ log, checkpointed }] = db.pragma(`wal_checkpoint(${mode})`) as [Checkpointed];
  return log === checkpointed;
}

interface Checkpointed {
  readonly log: bigint | number;
  readonly checkpointed: bigint | number;
}
