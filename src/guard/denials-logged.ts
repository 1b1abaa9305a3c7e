import type { Clock } from "../core/clock.ts";
import { permissionsToText } from "../core/permissions.ts";
import type { Log } from "../telemetry.ts";
import type { Denial } from "./denials.ts";

/**
 * Logs each call that was denied, ten a second at most, and how many were left out since: `suppressed`, with the next one that
 * is logged, or by itself within a second. So strangers cannot fill a disk, and none of it goes unsaid. No name and no prefix
 * that was asked for is in it, and nothing of a credential but the id of a key that is known.
 */
export class DenialsLogged {
  readonly #clock: Clock;
  readonly #log: Log;
  /** When the last ten lines were logged, by the clock that does not jump; the oldest at #next. */
  readonly #loggedAtMs = new Array<number>(LINES_MAX).fill(Number.NEGATIVE_INFINITY);
  #next = 0;
  #suppressed = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  add({ reason, caller, keyId, address, door, method, permission }: Denial): void {
    if (this.#clock.monotonic() - this.#loggedAtMs[this.#next]! < PER_MS) {
      this.#suppressed++;
      this.#timer ??= setTimeout(() => this.#tell({}), PER_MS).unref();
      return;
    }
    this.#tell({
      reason,
      rpc: method.slice(method.lastIndexOf("/") + 1),
      door,
      address,
      by: caller,
      ...(keyId !== "" && { key_id: keyId }),
      ...(permission !== 0 && { permission: permissionsToText(permission) }),
    });
  }

  /** Tells how many were left out, if they were not told of yet. */
  close(): void {
    if (this.#suppressed > 0) this.#tell({});
  }

  #tell(fields: Readonly<Record<string, unknown>>): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#loggedAtMs[this.#next] = this.#clock.monotonic();
    this.#next = (this.#next + 1) % LINES_MAX;
    this.#log("call.denied", { ...fields, ...(this.#suppressed > 0 && { suppressed: this.#suppressed }) });
    this.#suppressed = 0;
  }
}

const LINES_MAX = 10;
const PER_MS = 1_000;
