import type { Clock } from "../core/clock.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { Permissions } from "../core/permissions.ts";

/** A call that was refused for who called, or what they may do. */
export interface Denial {
  readonly reason: ErrorCode;
  /** The principal's name, or what stands for it; "" where nobody can say. */
  readonly caller: string;
  /** The id of the API key; "" without one. */
  readonly keyId: string;
  /** Where it came from; "" where that is not known. */
  readonly address: string;
  /** "tally.v1.CounterService/Increment". */
  readonly method: string;
  /** What was needed; 0 for other reasons. */
  readonly permission: Permissions;
  /** The name or the prefix that it was needed on; "" for other reasons. */
  readonly target: string;
}

/** Denials that are alike in all but their time and their target. */
export interface DeniedCalls extends Denial {
  /** Of the latest, in milliseconds since the Unix epoch. */
  readonly timeMs: number;
  readonly count: number;
}

/** The denials of a process since it started: of the last 1,000 that differ. */
export class Denials {
  readonly #clock: Clock;
  /** The one that was there last at the end. */
  readonly #kept = new Map<string, DeniedCalls>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The latest first. */
  get latest(): DeniedCalls[] {
    return [...this.#kept.values()].reverse();
  }

  add(denial: Denial): void {
    const { reason, caller, keyId, address, method, permission } = denial;
    const id = [reason, caller, keyId, address, method, permission].join(" ");
    const count = (this.#kept.get(id)?.count ?? 0) + 1;
    this.#kept.delete(id);
    this.#kept.set(id, { ...denial, timeMs: this.#clock.now(), count });
    if (this.#kept.size > KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value!);
  }
}

const KEPT_MAX = 1_000;
