import type { Clock } from "../core/clock.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { Permissions } from "../core/permissions.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { DENIED_REASONS } from "../telemetry/series.ts";
import { ANONYMOUS } from "./names.ts";

/** A call that was refused for who called, or what they may do. */
export interface Denial {
  readonly reason: ErrorCode;
  /** The principal's name, or what stands for it; "" where nobody can say. */
  readonly caller: string;
  /** The id of the API key; "" without one. */
  readonly keyId: string;
  /** Where it came from; "" where that is not known. */
  readonly address: string;
  /** By which kind of door it came. */
  readonly door: "grpc" | "http";
  /** "tally.v1.CounterService/Increment". */
  readonly method: string;
  /** What was needed; 0 for other reasons. */
  readonly permission: Permissions;
  /** The name or the prefix that it was needed on; "" for other reasons. */
  readonly target: string;
  /** The trace that it belonged to; undefined: none that is known. */
  readonly traceId?: string | undefined;
}

/** Denials that are alike in all but their time and their target. */
export interface DeniedCalls extends Denial {
  /** Of the latest, in milliseconds since the Unix epoch. */
  readonly timeMs: number;
  readonly count: number;
}

/**
 * The denials of a process since it started: of callers that are known the last 500 that differ, and as many of nobody's. So who
 * has no credential, and as many addresses as they like, pushes nothing out of what is told of those who have one.
 */
export class Denials {
  readonly #clock: Clock;
  readonly #ofCallers = new Map<string, Kept>();
  readonly #ofNobody = new Map<string, Kept>();
  #added = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The latest first, whoever they are of. */
  get latest(): DeniedCalls[] {
    const kept = [...this.#ofCallers.values(), ...this.#ofNobody.values()];
    return kept.sort((a, b) => b.order - a.order).map(({ calls }) => calls);
  }

  add(denial: Denial): void {
    const { reason, caller, keyId, method, permission } = denial;
    const [address, target] = [ofItsOwn(denial.address), ofItsOwn(denial.target)];
    // The id of a key is no secret: a caller is known by its secret alone.
    const ring = caller === "" || caller === ANONYMOUS ? this.#ofNobody : this.#ofCallers;
    const id = [reason, caller, keyId, address, method, permission].join(" ");
    const count = (ring.get(id)?.calls.count ?? 0) + 1;
    ring.delete(id); // So that the one that was there last is at the end.
    ring.set(id, {
      calls: { ...denial, address, target, timeMs: this.#clock.now(), count },
      order: this.#added++,
    });
    if (ring.size > KEPT_MAX) ring.delete(ring.keys().next().value!);
  }
}

interface Kept {
  readonly calls: DeniedCalls;
  /** How many there were before, of both kinds: the clock may stand, or be set back. */
  readonly order: number;
}

/** A text that is not part of a longer one: V8 keeps all of a header, or of a message, as long as a part of it is kept. */
function ofItsOwn(text: string): string {
  return Buffer.from(text).toString();
}

/** Where denials are counted, by reason. */
export function deniedPlaces(metrics: Metrics | undefined): ReadonlyMap<string, number> {
  if (metrics === undefined) return new Map();
  return new Map(DENIED_REASONS.map((reason) => [reason, metrics.placeOf("denied", { reason })]));
}

/** Of each kind. */
const KEPT_MAX = 500;
