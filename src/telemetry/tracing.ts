import type { Door } from "./series.ts";

/** Has calls recorded in the traces that they belong to. Where nobody collects traces there is none, and nothing is asked. */
export interface Tracing {
  /**
   * A call has begun.
   *
   * @param headerOf  its headers, by their names in lower case
   * @param beganMs   when, by the clock that never goes back, in milliseconds
   * @returns         undefined if it is in no trace that is recorded, as most are not: then nothing more is told of it
   */
  begin(
    method: Rpc,
    door: Door,
    headerOf: (name: string) => string | undefined,
    beganMs: number,
  ): CallSpan | undefined;
}

/** What was called. */
export interface Rpc {
  readonly name: string;
  /** Of the service. */
  readonly parent: { readonly typeName: string };
}

/** A call that is recorded, until it ends. Times are by the clock that never goes back, in milliseconds. */
export interface CallSpan {
  /** Of the trace that it is in, which it may have begun. */
  readonly traceId: string;
  /**
   * It was committed, together with others: told to the first of those that are recorded, once for all of them.
   *
   * @param others  the rest of them, in their order
   */
  committed(others: readonly CallSpan[], commit: TracedCommit): void;
  /** A slice of it, of a call that has several, has waited for its commit. */
  queued(beganMs: number, endedMs: number): void;
  /** It has ended. Told once. */
  end(call: TracedCall): void;
}

/** A commit that has ended. */
export interface TracedCommit {
  readonly beganMs: number;
  readonly endedMs: number;
  /** How many calls it had, recorded or not, and how many operations. */
  readonly calls: number;
  readonly operations: number;
  /** How long its parts took, by name, in milliseconds. */
  readonly parts: Readonly<Record<string, number>>;
  /** Why it failed, by the reason that its callers are told; undefined: it did not. */
  readonly failed: string | undefined;
}

/** A call that has ended. */
export interface TracedCall {
  /** What was called, as it is known by now. */
  readonly method: Rpc;
  /** gRPC's code, by its number. */
  readonly code: number;
  /** Why it was not answered; undefined: it was. */
  readonly reason: string | undefined;
  readonly endedMs: number;
  readonly parts: TracedParts;
}

/** What the slices of a call come to that have been committed, or were tried to be. */
export interface SlicesTogether {
  readonly count: number;
  /** How long all of them waited for their commits, and these took, in milliseconds. */
  readonly queueMs: number;
  readonly commitMs: number;
}

/** How far a call has come; undefined: it has not come to that. */
export interface TracedParts {
  /** When it began to wait for a commit, and when its commit began. */
  readonly queuedMs: number | undefined;
  readonly cutMs: number | undefined;
  /** Of a call that is committed slice by slice, which has none of the two before. */
  readonly slices: SlicesTogether | undefined;
  /** Whether it was answered as the first time, under its request id. */
  readonly isReplayed: boolean;
}
