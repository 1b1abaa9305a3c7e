import { freePort } from "../../support/free-port.ts";
import { ServerProcess } from "../crash/server-process.ts";

/** One `tally serve` of several on one database. */
export class Instance {
  readonly port: number;
  readonly #store: string;
  #command: string | undefined;
  #process: ServerProcess;

  private constructor(port: number, store: string, command: string | undefined) {
    this.port = port;
    this.#store = store;
    this.#command = command;
    this.#process = this.#started();
  }

  /** @param command  of another checkout; by default this one's */
  static async start(store: string, command?: string): Promise<Instance> {
    const instance = new Instance(await freePort(), store, command);
    await instance.#process.ready();
    return instance;
  }

  /** End it in order, and start another checkout's in its place, as an upgrade does. @returns what was wrong with that */
  async replace(command?: string): Promise<string[]> {
    const faults = await this.stop();
    this.#command = command;
    this.#process = this.#started();
    await this.#process.ready();
    return faults;
  }

  async killAndRestart(): Promise<void> {
    if (!this.#process.running) throw new Error(`an instance ended by itself:\n${this.output}`);
    await this.#process.kill();
    for (let start = 1; ; start++) {
      this.#process = this.#started();
      try {
        return await this.#process.ready();
      } catch (error) {
        // As a supervisor does: on a busy machine, PostgreSQL may take more than its time to let somebody in.
        const found = this.#process.running ? undefined : await this.#process.exited;
        if (found?.code !== STORE_MISSING || start === STARTS_MAX) throw error;
      }
    }
  }

  /** End it in order. @returns what was wrong with that */
  async stop(): Promise<string[]> {
    const { code } = await this.#process.stop();
    return code === 0 ? [] : [`SIGTERM ended an instance with ${code}:\n${this.output}`];
  }

  async kill(): Promise<void> {
    if (this.#process.running) await this.#process.kill();
  }

  get output(): string {
    return this.#process.output;
  }

  #started(): ServerProcess {
    return new ServerProcess({ port: this.port, store: this.#store, command: this.#command });
  }
}

/** The exit code of a start that did not reach the database: docs/configuration.md. */
const STORE_MISSING = 69;
const STARTS_MAX = 5;
