/** What `tally verify`, `tally backup` and `tally restore` have in common: work on files that may take long. */
import type { LiveLines } from "./live-lines.ts";
import { dieOf, onStopSignals } from "./signals.ts";
import { startFailureOf } from "./start-failure.ts";

/**
 * Do it; Ctrl-C ends it in order, and then the process as if nobody had listened.
 *
 * @param live  cleared before anything else is printed
 */
export async function stoppable<Result>(
  live: LiveLines | undefined,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const stop = new AbortController();
  let signal: NodeJS.Signals | undefined;
  onStopSignals({
    first: (received) => {
      signal = received;
      stop.abort();
    },
    again: dieOf,
  });
  try {
    const result = await work(stop.signal);
    live?.clear();
    return result;
  } catch (error) {
    live?.clear();
    if (signal !== undefined) dieOf(signal);
    throw startFailureOf(error);
  }
}

/** Draws a line now and then, on a terminal. */
export function drawn(live: LiveLines | undefined): (line: () => string) => void {
  let drawnAt = Number.NEGATIVE_INFINITY;
  return (line) => {
    const now = performance.now();
    if (live === undefined || now - drawnAt < DRAW_MS) return;
    drawnAt = now;
    live.draw([line()]);
  };
}

const DRAW_MS = 250;

/** A size as people read it: "12.3 MiB". */
export function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
