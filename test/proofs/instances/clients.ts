import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pythonEnvironment } from "../real-input/python.ts";

/** How to run the clients: the one in Python with its stubs, and the one on grpc-js. */
export interface Languages {
  readonly python: string;
  readonly stubs: string;
}

/** Processes that increment until they are to stop, and each of their requests is answered. */
export class Clients {
  /** Requests that were answered, and attempts that got no answer. */
  answered = 0;
  broken = 0;
  readonly answerFiles: readonly string[];
  /** Rejects as soon as a client gives up. */
  readonly done: Promise<unknown>;
  readonly #children: ChildProcess[] = [];

  /**
   * @param address  HOST:PORT of whom they call
   * @param folder   for their answers
   */
  constructor(address: string, folder: string, { python, stubs }: Languages) {
    const files = Array.from({ length: CLIENTS }, (_, at) => `${folder}/answers-${at}`);
    this.answerFiles = files;
    const all = files.map((file, at) => {
      const args = [address, file, `${WORKERS}`];
      return at % 2 === 0
        ? this.#run(python, [path("increment.py"), ...args], pythonEnvironment(stubs))
        : this.#run(process.execPath, [path("increment.ts"), ...args], process.env);
    });
    this.done = Promise.all(all);
    this.done.catch(() => {}); // Whoever waits for it is told.
  }

  /** Have them finish what they are at; `done` tells when. */
  stop(): void {
    for (const child of this.#children) child.stdin!.end();
  }

  async #run(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env });
    this.#children.push(child);
    const kill = () => child.kill("SIGKILL"); // It would go on trying for ever.
    process.on("exit", kill);
    let answered = 0;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const told = JSON.parse(line);
      if (told.broken !== undefined) this.broken++;
      if (told.answered === undefined) return;
      this.answered += told.answered - answered;
      answered = told.answered;
    });
    const [code] = await once(child, "close");
    process.off("exit", kill);
    if (code !== 0) throw new Error(`${args[0]} ended with ${code}`);
  }
}

/** Half in Python, half on grpc-js; each with so many requests in flight. */
export const CLIENTS = 4;
const WORKERS = 32;

function path(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
