/** What `tally verify`, `tally backup` and `tally restore` have in common: work on files that may take long. */
import { CommandError, EXIT } from "./exit.ts";
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

/**
 * The backup that a command names: "-" is standard input, of which nothing more is read once the signal is aborted.
 *
 * @throws CommandError  where that is a terminal
 */
export function backupNamed(file: string, signal: AbortSignal): string | Incoming {
  if (file !== "-") return file;
  if (process.stdin.isTTY)
    throw new CommandError(
      EXIT.USAGE,
      "A backup does not come from a terminal: pipe it in, or name its file.",
    );
  signal.addEventListener("abort", () => process.stdin.destroy());
  return { name: "standard input", chunks: process.stdin };
}

/** Bytes as they come, and what they are called to people. */
interface Incoming {
  readonly name: string;
  readonly chunks: AsyncIterable<Buffer>;
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
