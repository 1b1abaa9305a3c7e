/** Running `tally` as operators do: as a process. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished, vi } from "vitest";
import { TALLY } from "../../support/bundles/command.ts";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

vi.setConfig({ testTimeout: 60_000 }); // A start takes half a second, and several on a machine that is busy.

/** A line of the JSON log. */
export interface Logged {
  readonly event: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Options {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Of the sources, where it is told apart from that of bundles. */
  readonly command?: string;
  /** A pipe, for who wants to write to it. */
  readonly stdin?: "ignore" | "pipe";
}

/** A process that prints a JSON log. Killed at the end of the test, if it is still there. */
export class Tally {
  readonly child: ChildProcess;
  /** Resolves when it has ended and everything that it printed is here. */
  readonly ended: Promise<Ended>;
  readonly #logged: Logged[] = [];
  readonly #lines = new EventEmitter();
  #stdout = "";
  #stderr = "";

  constructor(command: string, args: readonly string[], options: Options = {}) {
    this.child = spawn(command, args, {
      stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
      cwd: options.cwd ?? ROOT,
      env: { ...withoutOurs(process.env), ...options.env },
    });
    createInterface({ input: this.child.stdout! }).on("line", (line) => this.#hear(line));
    this.child.stderr!.on("data", (chunk) => {
      this.#stderr += chunk;
      this.#lines.emit("line");
    });
    this.ended = once(this.child, "close").then(([code, signal]) => {
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
    onTestFinished(() => void this.child.kill("SIGKILL"));
  }

  /** The first such event of its log. @throws Error when it ends without */
  logged(event: string): Promise<Logged> {
    return this.#await(event, () => this.#logged.find((logged) => logged.event === event));
  }

  /** Resolves when it has printed a line with this text. @throws Error when it ends without */
  async printed(text: string): Promise<void> {
    await this.#await(text, () => this.#stdout.includes(text) || undefined);
  }

  /** The same of its messages. */
  async told(text: string): Promise<void> {
    await this.#await(text, () => this.#stderr.includes(text) || undefined);
  }

  async #await<T>(what: string, find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const ended = await Promise.race([once(this.#lines, "line").then(() => undefined), this.ended]);
      if (ended !== undefined && find() === undefined) {
        throw new Error(`it ended without ${what}: ${JSON.stringify(ended)}`);
      }
    }
  }

  #hear(line: string): void {
    this.#stdout += `${line}\n`;
    if (line.startsWith('{"')) this.#logged.push(JSON.parse(line));
    this.#lines.emit("line");
  }
}

/** `tally ...` on this Node.js. */
export function tally(args: readonly string[], options: Options = {}): Tally {
  return new Tally(process.execPath, [options.command ?? TALLY, ...args], options);
}

/** `tally serve` on a free port, with counters in memory unless `args` say otherwise. */
export function serve(args: readonly string[] = [], options: Options = {}): Tally {
  return tally(["serve", "--listen", "127.0.0.1:0", "--store", "memory:", ...args], options);
}

/** A folder of the test's own. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-process-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Whoever runs the tests may have settings of their own. */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(TALLY_|OTEL_|NODE_OPTIONS$)/.test(name)),
  );
}
