/**
 * Listen for SIGTERM and SIGINT.
 *
 * A signal that follows the first at once counts as the same one: under `npm start` a Ctrl-C arrives twice, from
 * the terminal and forwarded by npm, and systemd signals a parent that forwards as well as its child.
 *
 * @param on.first  stop in order
 * @param on.again  somebody insists
 */
export function onStopSignals(on: {
  first: (signal: NodeJS.Signals) => void;
  again: (signal: NodeJS.Signals) => void;
}): void {
  let firstAt: number | undefined;
  const hear = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      on.first(signal);
    } else if (now - firstAt > SAME_PRESS_MS) {
      on.again(signal);
    }
  };
  process.on("SIGTERM", hear);
  process.on("SIGINT", hear);
}

/**
 * End of a signal as if nobody had listened, so that a shell script that runs the command stops too; a shell shows
 * it as exit code 130 or 143.
 */
export function dieOf(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** Longer than forwarding takes on a busy machine, shorter than a person's second thought. */
const SAME_PRESS_MS = 300;
