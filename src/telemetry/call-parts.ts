import type { CommitTimings } from "../core/columns.ts";
import { traceIdOf } from "./trace-parent.ts";
import type { CallSpan, SlicesTogether, TracedParts } from "./tracing.ts";

/**
 * How far a call has come, and when: for its trace, and for its line in the log. Only a call that somebody wants to know it of
 * has one. Times are by the clock that never goes back, in milliseconds; undefined: it has not come to that.
 */
export class CallParts implements TracedParts {
  /** Undefined: it is in no trace that is recorded. */
  readonly span: CallSpan | undefined;
  /** When it began to wait for a commit. */
  queuedMs: number | undefined;
  /** When its commit began. */
  cutMs: number | undefined;
  /** When that ended, for better or worse. */
  committedMs: number | undefined;
  /** How long the parts of its commit took, for all that were in it. */
  timings: CommitTimings | undefined;
  /** Whether it was answered as the first time, under its request id. */
  isReplayed = false;
  /** Of a call that is committed slice by slice, which has none of the times before: what its slices came to. */
  slices: SlicesTogether | undefined;

  constructor(span: CallSpan | undefined) {
    this.span = span;
  }

  /** Follow a slice of it: what all that goes to the writer of that slice has in the place of this. */
  beginSlice(): CallParts {
    const isRecorded = (this.slices?.count ?? 0) < SLICES_RECORDED_MAX;
    return new CallParts(isRecorded ? this.span : undefined);
  }

  /** Nothing of a slice waits any more, or is being committed. */
  endSlice({ span, queuedMs, cutMs, committedMs }: CallParts): void {
    if (queuedMs === undefined || cutMs === undefined) return; // None of it found room.
    span?.queued(queuedMs, cutMs);
    const { count, queueMs, commitMs } = this.slices ?? { count: 0, queueMs: 0, commitMs: 0 };
    this.slices = {
      count: count + 1,
      queueMs: rounded(queueMs + (cutMs - queuedMs)),
      commitMs: rounded(commitMs + (committedMs! - cutMs)),
    };
  }

  /**
   * How long its parts took, by their names in the log, in milliseconds; of one in slices all of them together, and how many
   * these were.
   *
   * @param endedMs  when it ended
   */
  times(endedMs: number): Record<string, number> {
    const { queuedMs, cutMs, committedMs, timings, slices } = this;
    if (slices !== undefined) {
      const { count, queueMs, commitMs } = slices;
      return { slices: count, queue_ms: queueMs, commit_ms: commitMs };
    }
    return {
      ...(queuedMs !== undefined && { queue_ms: rounded((cutMs ?? endedMs) - queuedMs) }),
      ...(committedMs !== undefined && { commit_ms: rounded(committedMs - cutMs!) }),
      ...(timings !== undefined && partsOf(timings)),
    };
  }
}

/** A stream may have a hundred thousand of them, whose spans would be of no use to anybody, and drive out those of others. */
const SLICES_RECORDED_MAX = 128;

/** How long the parts of a commit took, by their names in the log, in milliseconds: those that the store tells apart. */
export function partsOf({ loadMs, decideMs, saveMs, syncMs }: CommitTimings): Record<string, number> {
  const parts = { load_ms: loadMs, decide_ms: decideMs, save_ms: saveMs, sync_ms: syncMs };
  const known = Object.entries(parts).filter((part): part is [string, number] => part[1] !== undefined);
  return Object.fromEntries(known.map(([name, ms]) => [name, rounded(ms)]));
}

/** The trace that a call belongs to: the one that it has begun here, or the one that its headers name. */
export function traceIdOfCall({
  headerOf,
  parts,
}: {
  readonly headerOf: (name: string) => string | undefined;
  readonly parts?: CallParts | undefined;
}): string | undefined {
  return parts?.span?.traceId ?? traceIdOf(headerOf("traceparent"));
}

/** What lines of the log have of that; nothing where it belongs to none. */
export function traceFieldOf(call: Parameters<typeof traceIdOfCall>[0]): { readonly trace_id?: string } {
  const traceId = traceIdOfCall(call);
  return traceId === undefined ? {} : { trace_id: traceId };
}

/** To the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1e3) / 1e3;
}
