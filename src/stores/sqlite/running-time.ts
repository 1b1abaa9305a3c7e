import type { Database } from "better-sqlite3";
import { unusable } from "../unusable.ts";

/** The time of one request to the store, told by the main thread. */
export interface Moment {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Milliseconds from an arbitrary start that the process keeps. */
  readonly monotonic: number;
}

/** How long the service has run on this file, over all its starts, in milliseconds. Request ids age by it. */
export class RunningTime {
  readonly #db: Database;
  /** When this start was, by the monotonic clock. */
  readonly #startedMs: number;
  /** Running time before this start, from the file. */
  #ranMs: number;
  #persistedMs: number;
  #changedSincePersist = false;

  constructor(db: Database, { monotonic }: Moment) {
    this.#db = db;
    this.#startedMs = monotonic;
    const ranMs = db.prepare<[], bigint>("SELECT run_ms FROM service_time").pluck().get();
    if (ranMs === undefined) {
      throw unusable(
        "The table service_time has no row, which somebody deleted by hand; put it back: INSERT INTO service_time " +
          "(run_ms, starts) VALUES (0, 0).",
      );
    }
    this.#ranMs = Number(ranMs);
    this.#persistedMs = this.#ranMs;
  }

  at({ monotonic }: Moment): number {
    return this.#ranMs + monotonic - this.#startedMs;
  }

  /** Go on from another running time than the file's. */
  goOnFrom(runMs: number, moment: Moment): void {
    this.#ranMs += runMs - this.at(moment);
  }

  /** Something was committed: the file falls behind sooner. */
  changed(): void {
    this.#changedSincePersist = true;
  }

  /** Whether it is time to write into the file what is only kept in memory. */
  persistDue(runMs: number): boolean {
    return runMs - this.#persistedMs >= (this.#changedSincePersist ? PERSIST_MS : PERSIST_IDLE_MS);
  }

  /** Inside the caller's transaction. */
  persist(runMs: number): void {
    this.#db.prepare("UPDATE service_time SET run_ms = ?").run(BigInt(Math.trunc(runMs)));
    this.#persistedMs = runMs;
    this.#changedSincePersist = false;
  }
}

const PERSIST_MS = 10_000;
const PERSIST_IDLE_MS = 600_000;
