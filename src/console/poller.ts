/** Asks again and again, as long as somebody looks, and less often when nobody answers. */
import { type Signal, signal } from "@preact/signals";
import { waited } from "./change.ts";
import { isForTheKey, type Problem, problemOf } from "./problem.ts";

/** How it stands with the server. */
export type Link =
  /** Nothing was heard yet. */
  | { readonly kind: "opening" }
  /** The last question was answered. */
  | { readonly kind: "live" }
  /** The last question was answered with a refusal: what was asked is wrong. */
  | { readonly kind: "refused"; readonly problem: Problem }
  /** The server answers, and lets this page ask nothing. */
  | { readonly kind: "barred"; readonly problem: Problem }
  /** The server does not answer, and is asked again at `retryAt`, in milliseconds of `performance.now()`. */
  | { readonly kind: "away"; readonly problem: Problem; readonly retryAt: number };

/** Whatever is asked, these are the answer. */
const BARRED: ReadonlySet<string> = new Set(["ORIGIN_NOT_ALLOWED", "HOST_NOT_ALLOWED"]);

/** What is asked again and again, and when. */
export interface PollerOptions {
  /** Asks once; rejects when there is no answer or a refusal. */
  readonly ask: (signal: AbortSignal) => Promise<void>;
  /** How long to wait after an answer, in milliseconds. */
  readonly everyMs: number;
  /** How long to wait when there was none, in milliseconds: the first time, then doubled up to the last. */
  readonly awayMs: { readonly first: number; readonly last: number };
}

/** Asks again and again while somebody looks at the page, less often when there is no answer, and not when nobody is let in. */
export class Poller {
  readonly link: Signal<Link> = signal({ kind: "opening" });
  readonly #options: PollerOptions;
  #watched = Promise.withResolvers<void>();
  #visible = false;
  #round = new AbortController();
  #closed = false;

  constructor(options: PollerOptions) {
    this.#options = options;
    void this.#run();
  }

  /** Whether somebody looks. It asks at once when somebody does again, and not at all while nobody does. */
  set visible(visible: boolean) {
    if (visible === this.#visible) return;
    this.#visible = visible;
    if (visible) this.#watched.resolve();
    else this.#watched = Promise.withResolvers();
    if (visible) this.askNow();
  }

  /** Drop the question that is on its way, if there is one, and ask at once. */
  askNow(): void {
    this.#round.abort();
  }

  close(): void {
    this.#closed = true;
    this.#watched.resolve();
    this.#round.abort();
  }

  async #run(): Promise<void> {
    const { everyMs, awayMs } = this.#options;
    let pause = awayMs.first;
    for (;;) {
      await this.#watched.promise;
      if (this.#closed) return;
      this.#round = new AbortController();
      const { signal: dropped } = this.#round;
      const problem = await this.#ask(dropped);
      if (dropped.aborted) continue;
      if (problem === undefined || problem.notApplied) {
        this.link.value =
          problem === undefined
            ? { kind: "live" }
            : { kind: BARRED.has(problem.reason) || isForTheKey(problem) ? "barred" : "refused", problem };
        pause = awayMs.first;
        // Whoever is not let in is not let in the next time: until they give another key, or look anew, nothing is asked.
        if (problem !== undefined && isForTheKey(problem)) await aborted(dropped);
        else await waited(everyMs, dropped);
      } else {
        this.link.value = { kind: "away", problem, retryAt: performance.now() + pause };
        const wait = pause;
        pause = Math.min(2 * pause, awayMs.last);
        await waited(wait, dropped);
      }
    }
  }

  async #ask(dropped: AbortSignal): Promise<Problem | undefined> {
    try {
      await this.#options.ask(dropped);
      return undefined;
    } catch (error) {
      return problemOf(error);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}
