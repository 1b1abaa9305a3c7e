/**
 * Whether the wall clock is to be doubted: then what has expired by it is hidden, and not removed, for a clock that is years
 * ahead must not erase what it hides. It is, for ten minutes, after a jump ahead of more than a minute against the monotonic
 * clock, and after a start at a time more than a day after the last that was saved. A clock that falls back removes nothing
 * too early, and where it comes to be right again, that is a jump ahead.
 */
export class ClockDoubt {
  readonly #warn: (message: string) => void;
  /** The wall clock less the monotonic one, when it was last looked at. */
  #apart: number | undefined;
  /** By the monotonic clock. */
  #until = Number.NEGATIVE_INFINITY;

  /** @param warn  told once of each reason to doubt */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /**
   * Look at both clocks, at a start.
   *
   * @param savedMs  the wall clock as it was saved last; undefined when it never was
   */
  start(nowMs: number, monotonicMs: number, savedMs: number | undefined): void {
    this.#apart = nowMs - monotonicMs;
    if (savedMs !== undefined && nowMs - savedMs > DAY_MS) {
      this.#doubt(monotonicMs, `is ${inWords(nowMs - savedMs)} ahead of what it was when last seen`);
    }
  }

  /** Look at both clocks, once a second or so; returns whether the wall clock is to be doubted. */
  look(nowMs: number, monotonicMs: number): boolean {
    const apart = nowMs - monotonicMs;
    const jump = apart - (this.#apart ?? apart);
    this.#apart = apart;
    if (jump > JUMP_MS) this.#doubt(monotonicMs, `has jumped ahead by ${inWords(jump)}`);
    return monotonicMs < this.#until;
  }

  #doubt(monotonicMs: number, why: string): void {
    this.#until = monotonicMs + DOUBT_MS;
    this.#warn(`The clock ${why}: for ten minutes, counters that have expired are hidden and not removed.`);
  }
}

const JUMP_MS = 60_000;
const DAY_MS = 24 * 3_600_000;
const DOUBT_MS = 10 * 60_000;

function inWords(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return ms > 2 * DAY_MS ? `${Math.round(ms / DAY_MS)} days` : `${seconds} s`;
}
