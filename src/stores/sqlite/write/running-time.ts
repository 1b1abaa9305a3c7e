import type { Clock } from "../../../core/clock.ts";
import type { Head } from "../rows/head.ts";

/** The time of one request to the store, told by the main thread. */
export interface Moment {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Milliseconds from an arbitrary start that the process keeps. */
  readonly monotonic: number;
}

/** This moment, as it is told to the thread that writes. */
export function momentOf(clock: Clock): Moment {
  return { now: clock.now(), monotonic: clock.monotonic() };
}

/** How long the service has run on this file, over all its starts, in milliseconds. Request ids age by it. */
export class RunningTime {
  readonly #head: Head;
  /** When this start was, by the monotonic clock. */
  readonly #startedMs: number;
  /** Running time before this start, from the file. */
  #ranMs: number;
  #persistedMs: number;
  #changedSincePersist = false;

  constructor(head: Head, { monotonic }: Moment) {
    this.#head = head;
    this.#startedMs = monotonic;
    this.#ranMs = Number(head.row.run_ms);
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

  /** The wall clock when it was last written, if it ever was. */
  get lastWallMs(): number | undefined {
    const { wall_ms } = this.#head.row;
    return wall_ms === null ? undefined : Number(wall_ms);
  }

  /** Inside the caller's transaction, which saves the head. @param wallMs  the wall clock; undefined keeps what was saved */
  persist(runMs: number, wallMs: number | undefined): void {
    this.#head.set({
      run_ms: BigInt(Math.trunc(runMs)),
      ...(wallMs !== undefined && { wall_ms: BigInt(wallMs) }),
    });
    this.#persistedMs = runMs;
    this.#changedSincePersist = false;
  }
}

const PERSIST_MS = 10_000;
const PERSIST_IDLE_MS = 600_000;
