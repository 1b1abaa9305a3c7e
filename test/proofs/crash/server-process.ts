import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { TALLY, TALLY_OF_SOURCES } from "../../support/bundles/command.ts";
import { Connection, Unanswered } from "./connection.ts";

export interface ServerOptions {
  readonly port: number;
  /** Where the counters are, as for --store. */
  readonly store: string;
  /** The command of another checkout; by default this one's. */
  readonly command?: string | undefined;
  /** What else `tally serve` is told: `["--http2-engine", "own"]`. */
  readonly flags?: readonly string[];
  /** Modules that are loaded before everything else, in the workers too: seeded faults, which stand in for sources. */
  readonly preload?: readonly string[];
  /** A command that runs the server: `["strace", "-f", ...]`. */
  readonly under?: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** `tally serve` as a process of its own. */
export class ServerProcess {
  readonly exited: Promise<Exit>;
  readonly #options: ServerOptions;
  readonly #child: ChildProcess;
  #exit: Exit | undefined;
  #output = "";

  constructor(options: ServerOptions) {
    const { port, store, command: other, flags = [], preload = [], under = [] } = options;
    this.#options = options;
    const args = [
      ...preload.flatMap((module) => ["--import", module]),
      ...[other ?? (preload.length === 0 ? TALLY : TALLY_OF_SOURCES), "serve"],
      ...["--listen", `127.0.0.1:${port}`, "--store", store, ...flags],
    ];
    const [command, ...rest] = [...under, process.execPath, ...args];
    // process.execPath is Node 24, so the entry does not start another node: the signals reach the server itself.
    this.#child = spawn(command!, rest, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk).slice(-OUTPUT_KEPT);
      });
    }
    this.exited = once(this.#child, "close").then(([code, signal]) => {
      this.#exit = { code, signal };
      return this.#exit;
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** The end of what it printed. */
  get output(): string {
    return this.#output;
  }

  /** Resolves once it takes connections. @throws Error, with what it printed, when it ends or stays silent instead */
  async ready(withinMs = READY_MS): Promise<void> {
    for (const deadline = Date.now() + withinMs; Date.now() < deadline; await pause(POLL_MS)) {
      if (!this.running) throw new Error(`the server ended instead of serving:\n${this.#output}`);
      try {
        (await Connection.open(this.#options.port)).close();
        return;
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
      }
    }
    throw new Error(`the server did not serve within ${withinMs} ms:\n${this.#output}`);
  }

  /** End it without any chance to tidy up. */
  kill(): Promise<Exit> {
    this.#child.kill("SIGKILL");
    return this.exited;
  }

  /** Ask it to end. */
  stop(): Promise<Exit> {
    this.#child.kill("SIGTERM");
    return this.exited;
  }
}

const OUTPUT_KEPT = 20_000;
const POLL_MS = 20;

/** Long enough for a machine that is busy with much else: it took 14 s once. How fast a start is, the bench tells. */
const READY_MS = 240_000;

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
