import type { Clock } from "../../src/core/clock.ts";

/** A clock that a test moves. Both hands start at a given time and move together unless told otherwise. */
export class HandClock implements Clock {
  wallMs: number;
  runMs = 0;

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.wallMs = wallMs;
  }

  now(): number {
    return this.wallMs;
  }

  monotonic(): number {
    return this.runMs;
  }

  /** Let time pass. */
  advance(ms: number): void {
    this.wallMs += ms;
    this.runMs += ms;
  }
}
