import { closeSync, constants, openSync } from "node:fs";
import inspector from "node:inspector";

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
 * Listen for the signals that mean something to other services, and would end this one without a word.
 *
 * @param on.reload     SIGHUP: read again what can be
 * @param on.abandoned  SIGHUP when the terminal that the service was started at has gone: nobody is left to press
 *                      Ctrl-C, so it is to stop as if somebody had
 * @param on.spent      SIGXCPU: its processor time is used up, and a while later it will be killed
 * @param on.ignored    any other
 */
export function onOtherSignals(on: {
  reload: (signal: NodeJS.Signals) => void;
  abandoned: (signal: NodeJS.Signals) => void;
  spent: (signal: NodeJS.Signals) => void;
  ignored: (signal: NodeJS.Signals) => void;
}): void {
  const atTerminal = hasTerminal();
  process.on("SIGHUP", (signal) => {
    if (atTerminal && !hasTerminal()) on.abandoned(signal);
    else on.reload(signal);
  });
  process.on("SIGXCPU", on.spent);
  for (const signal of IGNORED) process.on(signal, on.ignored);
  if (!isStartedWith(/--(cpu-)?prof/)) process.on("SIGPROF", on.ignored); // Else V8's profiler has it.
}

/** What would end it by the system's custom, and means nothing to it. bin/tally.mjs has them too, for until this is loaded. */
const IGNORED = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGIO", "SIGPWR", "SIGVTALRM", "SIGSTKFLT"] as const;

/**
 * A SIGUSR1 that comes before anything of ours runs opens Node's debugger to everybody on this machine, some time in
 * the first turns of the event loop: shut it then, unless it was asked for.
 *
 * @param onShut  told when it was open
 */
export function keepDebuggerShut(onShut: () => void): void {
  if (isStartedWith(/--inspect/)) return;
  let looks = LOOKS;
  const looking = setInterval(() => {
    if (inspector.url() !== undefined) {
      inspector.close();
      onShut();
    }
    if (--looks === 0) clearInterval(looking);
  }, LOOK_MS).unref();
}

/** Whether Node.js was given such a flag. */
function isStartedWith(flag: RegExp): boolean {
  return flag.test(`${process.env.NODE_OPTIONS ?? ""} ${process.execArgv.join(" ")}`);
}

/** Two seconds; it opened within 60 ms when tried. */
const LOOK_MS = 20;
const LOOKS = 100;

/** Whether the process belongs to a terminal that is still there. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", constants.O_RDONLY | constants.O_NOCTTY));
    return true;
  } catch {
    return false;
  }
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
