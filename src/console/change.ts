/**
 * One change after another, each counted exactly once: whatever gets lost on the way is sent again under the same
 * request id, until there is an answer or the person stops it.
 */
import { type Signal, signal } from "@preact/signals";
import { type Problem, problemOf } from "./problem.ts";

/** How a change is sent: passed on to the call. */
export interface Sending {
  readonly requestId: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** What has become of a change. */
export type ChangeState =
  /** Nothing is on its way, and the last change was made. */
  | { readonly kind: "idle" }
  /** Sent, and the answer is awaited. */
  | { readonly kind: "sent" }
  /** There was no answer, or not yet a useful one: it is sent again until there is. */
  | { readonly kind: "resent"; readonly problem: Problem }
  /** The last change was not made, or nobody knows whether it was. */
  | { readonly kind: "failed"; readonly problem: Problem };

/** How changes are sent. */
export interface ChangeOptions {
  /** A request id that was never used before: a UUID of version 7. */
  readonly newRequestId: () => string;
  /** How long to wait for an answer before it counts as lost, in milliseconds. */
  readonly attemptMs: number;
  /** How long to wait before it is sent again, in milliseconds: the first time, then doubled up to the last. */
  readonly pauseMs: { readonly first: number; readonly last: number };
}

/** The server remembers ids for an hour at least. After half of it, sending again might count twice. */
const RESEND_MAX_MS = 30 * 60_000;

/** Makes changes one after another, each sent under one request id until it is answered. */
export class Changes {
  readonly state: Signal<ChangeState> = signal({ kind: "idle" });
  readonly #options: ChangeOptions;
  #last: Promise<unknown> = Promise.resolve();
  #stopped = new AbortController();

  constructor(options: ChangeOptions) {
    this.#options = options;
  }

  /**
   * Make a change when those before it are made.
   *
   * @param send  makes the call; it is called again, with the same request id, when its answer was lost
   * @returns     the answer, or undefined when it was not made; `state` then says why
   */
  make<T>(send: (sending: Sending) => Promise<T>): Promise<T | undefined> {
    const stopped = this.#stopped.signal;
    const made = this.#last.then(() => (stopped.aborted ? undefined : this.#make(send, stopped)));
    this.#last = made;
    return made;
  }

  /** Send nothing again, and forget the changes that wait for their turn. */
  stop(): void {
    this.#stopped.abort();
    this.#stopped = new AbortController();
  }

  /** The person has seen what went wrong. */
  dismiss(): void {
    if (this.state.value.kind === "failed") this.state.value = { kind: "idle" };
  }

  async #make<T>(send: (sending: Sending) => Promise<T>, stopped: AbortSignal): Promise<T | undefined> {
    const { newRequestId, attemptMs, pauseMs } = this.#options;
    const sending: Sending = { requestId: newRequestId(), signal: stopped, timeoutMs: attemptMs };
    const giveUpAt = performance.now() + RESEND_MAX_MS;
    let lost = false; // Whether an attempt may have been applied.
    if (this.state.value.kind !== "resent") this.state.value = { kind: "sent" };
    for (let pause = pauseMs.first; ; pause = Math.min(2 * pause, pauseMs.last)) {
      try {
        const answer = await send(sending);
        this.state.value = { kind: "idle" };
        return answer;
      } catch (error) {
        const problem = problemOf(error);
        lost ||= !problem.notApplied;
        const over = stopped.aborted || performance.now() > giveUpAt;
        if (over || !problem.passing) {
          this.state.value = {
            kind: "failed",
            problem: lost && (over || problem.beforeReplay) ? UNKNOWN : problem,
          };
          return undefined;
        }
        this.state.value = { kind: "resent", problem };
        await waited(pause, stopped);
      }
    }
  }
}

const UNKNOWN: Problem = {
  message: "No answer came, so this may or may not have been counted.",
  advice: "Look at the value before you try again.",
  reason: "OUTCOME_UNKNOWN",
  field: undefined,
  atField: "",
  notApplied: false,
  passing: false,
  beforeReplay: false,
};

/** Resolves after a while, or when it is no longer worth waiting. */
export function waited(ms: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      until.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (until.aborted) done();
    until.addEventListener("abort", done);
  });
}
