import type { CommitTimings } from "../core/columns.ts";
import { TallyError } from "../core/errors.ts";
import { type CallParts, partsOf } from "../telemetry/call-parts.ts";

/** A call of a commit that may be followed. */
interface MaybeFollowed {
  readonly parts?: CallParts | undefined;
}

/** A call, by how many operations it has. */
interface Sized {
  readonly size: number;
}

/** What of a commit's outcomes those who follow a call want to know. */
interface Ended {
  readonly timings: CommitTimings;
  /** By call. */
  readonly replayed: Uint8Array;
}

/** The calls of one commit that are followed: each is told of its way through it, and those that are traced tell of the commit. */
export class FollowedCalls {
  readonly #calls: readonly MaybeFollowed[];
  readonly #sizes: readonly Sized[];
  readonly #cutMs: number;

  /**
   * The commit begins.
   *
   * @param calls  all that are in it
   * @param sizes  how many operations each of them has
   * @param cutMs  by the clock that never goes back
   */
  constructor(calls: readonly MaybeFollowed[], sizes: readonly Sized[], cutMs: number) {
    this.#calls = calls;
    this.#sizes = sizes;
    this.#cutMs = cutMs;
    for (const { parts } of calls) if (parts !== undefined) parts.cutMs = cutMs;
  }

  committed(outcomes: Ended, nowMs: number): void {
    for (const [c, { parts }] of this.#calls.entries())
      if (parts !== undefined) {
        parts.timings = outcomes.timings;
        parts.isReplayed = outcomes.replayed[c] === 1;
      }
    this.#ended(nowMs, partsOf(outcomes.timings), undefined);
  }

  failed(error: unknown, nowMs: number): void {
    this.#ended(nowMs, {}, error instanceof TallyError ? error.code : "INTERNAL_ERROR");
  }

  #ended(endedMs: number, parts: Record<string, number>, failed: string | undefined): void {
    const followed = this.#calls.flatMap(({ parts }) => parts ?? []);
    for (const each of followed) each.committedMs = endedMs;
    // One call may have several operations for the writer, each by itself.
    const [first, ...others] = new Set(followed.flatMap(({ span }) => span ?? []));
    if (first === undefined) return;
    const operations = this.#sizes.reduce((sum, { size }) => sum + size, 0);
    const [beganMs, calls] = [this.#cutMs, this.#calls.length];
    first.committed(others, { beganMs, endedMs, calls, operations, parts, failed });
  }
}
