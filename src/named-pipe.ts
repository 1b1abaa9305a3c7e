import { realpathSync, statSync } from "node:fs";

/**
 * Refuse the path of a named pipe (FIFO): who opens one waits, without a word, until somebody else writes into it. A pipe that is
 * open already, as /dev/stdin or a shell's `<(...)`, is read like a file: it has no name in the file system.
 *
 * @throws Error  whose message is why it cannot be read, without the path
 */
export function assertNoNamedPipe(path: string): void {
  if (kindOf(path) === "named pipe") throw new Error(NAMED_PIPE);
}

/** Whether a path can be read again, with what it has by then: what came through a pipe is gone. */
export function isRereadable(path: string): boolean {
  return kindOf(path) === "other";
}

function kindOf(path: string): "named pipe" | "open pipe" | "other" {
  try {
    if (!statSync(path).isFIFO()) return "other";
  } catch {
    return "other"; // Whoever opens it has the better sentence.
  }
  try {
    realpathSync.native(path); // The other one leaves a pipe as it is.
    return "named pipe";
  } catch {
    return "open pipe"; // Its link leads to "pipe:[N]", which is nowhere.
  }
}

const NAMED_PIPE = "it is a named pipe (FIFO); give a file, or a pipe that is open, such as <(...)";
