import type { Clock } from "../core/clock.ts";
import type { Log, LogFields } from "../telemetry.ts";
import type { LogEvent } from "./log-events.ts";

/**
 * Logs an event that callers bring about, ten times a second at most, and how many were left out since: `suppressed`, with the
 * next one that is logged, or by itself within a second. So strangers cannot fill a disk, and none of it goes unsaid.
 */
export class FewLines {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #event: LogEvent;
  /** When the last ten lines were logged, by the clock that does not jump; the oldest at #next. */
  readonly #loggedAtMs = new Array<number>(LINES_MAX).fill(Number.NEGATIVE_INFINITY);
  #next = 0;
  #suppressed = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, log: Log, event: LogEvent) {
    this.#clock = clock;
    this.#log = log;
    this.#event = event;
  }

  /** @param fieldsOf  what the line says; asked only if there is to be one */
  add(fieldsOf: () => LogFields): void {
    if (this.#clock.monotonic() - this.#loggedAtMs[this.#next]! < PER_MS) {
      this.#suppressed++;
      this.#timer ??= setTimeout(() => this.#tell({}), PER_MS).unref();
      return;
    }
    this.#tell(fieldsOf());
  }

  /** Tells how many were left out, if they were not told of yet. */
  close(): void {
    if (this.#suppressed > 0) this.#tell({});
  }

  #tell(fields: LogFields): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#loggedAtMs[this.#next] = this.#clock.monotonic();
    this.#next = (this.#next + 1) % LINES_MAX;
    this.#log(this.#event, { ...fields, ...(this.#suppressed > 0 && { suppressed: this.#suppressed }) });
    this.#suppressed = 0;
  }
}

const LINES_MAX = 10;
const PER_MS = 1_000;
