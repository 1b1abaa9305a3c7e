import type { CommitTimings } from "../../core/columns.ts";

/** Tells how long the parts of a commit take, which follow each other. */
export class Laps {
  readonly timings: CommitTimings = {};
  #began = performance.now();

  /** A part has ended, which began with this object, or when the part before it ended. */
  ended(part: keyof CommitTimings): void {
    const now = performance.now();
    this.timings[part] = now - this.#began;
    this.#began = now;
  }
}
