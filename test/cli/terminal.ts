import { spawn } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { program } from "../support/needs.ts";
import { cleanEnv } from "./cli.ts";

/** Terminals are made by it. */
export const SCRIPT = program("script", { install: "apt-get install bsdutils" });

/** A program at a pseudo-terminal. */
export interface Terminal {
  /** All that it has shown, what was typed included. */
  readonly screen: string;
  /** The exit code. */
  readonly ended: Promise<number>;
  type(text: string): void;
  /** Resolves when it shows such a text, after what was waited for before. @throws Error when it ends without */
  shows(text: string | RegExp): Promise<void>;
}

/** Run a program at a pseudo-terminal, made by script(1), which hands on what is typed, Ctrl-C and Ctrl-D included. */
export function openTerminal(
  command: readonly string[],
  {
    columns,
    ...options
  }: { readonly env: NodeJS.ProcessEnv; readonly cwd?: string; readonly columns?: number },
): Terminal {
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const line = columns === undefined ? words : `stty cols ${columns}; ${words}`;
  const child = spawn("script", ["--quiet", "--return", "--flush", "--command", line, "/dev/null"], {
    ...options,
    env: { ...cleanEnv(), TERM: "xterm", ...options.env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let screen = "";
  let seen = 0; // Up to here something was waited for.
  const ended = once(child, "close").then(([code]) => code as number);
  child.stdout.on("data", (text) => {
    screen += text;
  });
  const find = (text: string | RegExp) => {
    const rest = screen.slice(seen);
    const found = typeof text === "string" ? rest.indexOf(text) : rest.search(text);
    if (found >= 0) seen += found + 1;
    return found >= 0;
  };
  return {
    get screen() {
      return screen;
    },
    ended,
    type: (text) => void child.stdin.write(text),
    async shows(text) {
      while (!find(text)) {
        const more = once(child.stdout, "data").then(() => true);
        if (!(await Promise.race([more, ended.then(() => false)])) && !find(text))
          throw new Error(`it ended, and what it showed has no ${text}: ${JSON.stringify(screen)}`);
      }
    },
  };
}
