import { RPC, TallyClient } from "../../../src/client/client.ts";
import { pause } from "../crash/server-process.ts";

/** Somebody with a good credential, who counts all the time. */
export class Beside {
  answered = 0;
  #stopped = false;
  readonly #done: Promise<void>;

  /** @param faults  to which is added what it is told but answers */
  constructor(port: number, key: string, faults: string[]) {
    const client = new TallyClient({ server: `127.0.0.1:${port}`, apiKey: key, attemptsMax: 1 });
    this.#done = this.#work(client, faults);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #work(client: TallyClient, faults: string[]): Promise<void> {
    while (!this.#stopped) {
      try {
        await client.call(RPC.increment, { name: "shop.a" });
        this.answered++;
      } catch (error) {
        faults.push(`whoever counts beside was told: ${(error as Error).message}`);
      }
      await pause(PAUSE_MS);
    }
    client.close();
  }
}

const PAUSE_MS = 10;
