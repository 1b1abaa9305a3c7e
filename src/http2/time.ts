/** Time as the engine needs it. Handed in, so that tests own it. */
export interface Time {
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Run something again and again. Keeps no process alive. @returns  what stops it */
  every(ms: number, run: () => void): () => void;
  /** Run something once all that this turn of the event loop has brought was read, and what it settled has been answered. */
  soon(run: () => void): void;
}

/** Time by the timers of Node.js. @param monotonic  milliseconds from an arbitrary start; never goes back */
export function systemTime(monotonic: () => number): Time {
  return {
    monotonic,
    every(ms, run) {
      const timer = setInterval(run, ms).unref();
      return () => clearInterval(timer);
    },
    soon: (run) => void setImmediate(run),
  };
}
