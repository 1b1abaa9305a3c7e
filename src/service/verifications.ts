import type { Verification, Verifying, VerifyProgress } from "./store-findings.ts";

/** The store of a server looked at while it is served, for whoever asks: one at a time. */
export class Verifications {
  readonly #verifying: Verifying;
  readonly #stop = new AbortController();
  #running: Promise<unknown> | undefined;

  constructor(verifying: Verifying) {
    this.#verifying = verifying;
  }

  /**
   * Look at all of it.
   *
   * @param signal  ends it
   * @returns       undefined: somebody else has it looked at, or the server stops
   * @throws TallyError  as Verifying.verify
   */
  async run(
    signal: AbortSignal,
    onProgress: (progress: VerifyProgress) => void,
  ): Promise<Verification | undefined> {
    if (this.#running !== undefined || this.#stop.signal.aborted) return undefined;
    const ends = AbortSignal.any([signal, this.#stop.signal]);
    const running = this.#verifying.verify({ signal: ends, onProgress });
    this.#running = running.catch(() => {});
    try {
      return await running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Stop the one that runs; none is begun any more. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
