import type { WriteStream } from "node:tty";
import type { CallError } from "../../client/call-error.ts";
import { LiveLines } from "../live-lines.ts";
import { visible } from "../visible.ts";
import { counted, figure, perSecond } from "./summary.ts";

/** How far it is. */
export interface Reached {
  readonly lines: number;
  /** About how many names differ; undefined where nobody counts them. */
  readonly names?: number;
  /** Bytes read, or whatever else there is so much of. */
  readonly bytes: number;
}

/** What somebody who waits is told: messages, and on a terminal a line that moves. */
export interface Progress {
  /**
   * Begin to show how far it is, in place of what was shown before.
   *
   * @param bytes  how much there is to read, if that is known
   * @param what   what `lines` are, one of them
   */
  start(reached: () => Reached, bytes: number | undefined, what?: string): void;
  /** Print a sentence. */
  print(sentence: string): void;
  /** A call got no answer and will be tried again. Said once, until one is answered. */
  retrying(server: string, error: CallError, timeoutMs: number): void;
  answered(): void;
  /** Stop showing. */
  end(): void;
}

/**
 * @param options.quiet  show and say nothing
 * @param options.live   show the line that moves; not where somebody types
 */
export function openProgress(
  stderr: NodeJS.WriteStream,
  options: { quiet: boolean; live: boolean },
): Progress {
  const { quiet } = options;
  const live = stderr.isTTY && options.live && !quiet ? new LiveLines(stderr as WriteStream) : undefined;
  let timer: NodeJS.Timeout | undefined;
  let away = false;
  const print = (sentence: string) => {
    if (quiet) return;
    if (live === undefined) stderr.write(`${visible(sentence)}\n`);
    else live.print(`${visible(sentence)}\n`);
  };
  return {
    print,
    start(reached, bytes, what = "line") {
      if (live === undefined) return;
      clearInterval(timer);
      const drawn = [{ lines: 0, at: performance.now() }];
      const draw = () => {
        const now = performance.now();
        const { lines, names, bytes: read } = reached();
        const differing = names === undefined ? "" : `  ~${counted(names, "name")}`;
        const [before] = drawn as [{ lines: number; at: number }];
        const rate = perSecond(lines - before.lines, now - before.at);
        drawn.push({ lines, at: now });
        if (drawn.length > RATE_DRAWS) drawn.shift();
        const share = bytes === undefined ? "" : `${barOf(read / Math.max(bytes, 1))}  `;
        const state = away ? "  waiting for the server" : "";
        live.draw([`${share}${counted(lines, what)}  ${figure(rate)} ${what}s/s${differing}${state}`]);
      };
      timer = setInterval(draw, DRAW_MS);
    },
    retrying(server, { message }, timeoutMs) {
      if (away) return;
      away = true;
      const patience = `${timeoutMs / 1000} s`;
      print(`No answer from ${server} (${message}); trying again, for ${patience} at most.`);
    },
    answered() {
      if (away) print("The server answers again.");
      away = false;
    },
    end() {
      clearInterval(timer);
      live?.clear();
    },
  };
}

/** Often enough to move, seldom enough to be read. */
const DRAW_MS = 250;

/** The rate is that of the last two seconds: of a shorter time it would jump as calls come and go. */
const RATE_DRAWS = 8;

/** [========>           ]  41 % */
function barOf(share: number): string {
  const full = Math.round(Math.min(share, 1) * BAR_WIDTH);
  const bar = "=".repeat(full).padEnd(BAR_WIDTH);
  return `[${bar}] ${Math.floor(Math.min(share, 1) * 100)
    .toString()
    .padStart(3)} %`;
}

const BAR_WIDTH = 20;
