import { freePort, ServerProcess } from "../crash/server-process.ts";

/** One `tally serve` of several on one database. */
export class Instance {
  readonly port: number;
  readonly #file: string;
  readonly #store: string;
  #process: ServerProcess;

  private constructor(port: number, file: string, store: string) {
    this.port = port;
    this.#file = file;
    this.#store = store;
    this.#process = this.#started();
  }

  /** @param file  what stands beside it, see ServerOptions */
  static async start(file: string, store: string): Promise<Instance> {
    const instance = new Instance(await freePort(), file, store);
    await instance.#process.ready();
    return instance;
  }

  async killAndRestart(): Promise<void> {
    if (!this.#process.running) throw new Error(`an instance ended by itself:\n${this.output}`);
    await this.#process.kill();
    this.#process = this.#started();
    await this.#process.ready();
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
    return new ServerProcess({ port: this.port, file: this.#file, store: this.#store });
  }
}
