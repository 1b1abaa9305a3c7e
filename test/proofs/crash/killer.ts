import { once } from "node:events";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

/**
 * Kills processes from a thread of its own.
 *
 * A timer of the thread that also runs the clients would always fire when they have just dealt with their answers:
 * the kill would hit the same few moments of the server again and again.
 */
export class Killer {
  readonly #worker = new Worker(new URL(import.meta.url));

  /** Send SIGKILL after a while. @returns when it was sent: CLOCK_MONOTONIC in microseconds */
  async kill(pid: number, afterMs: number): Promise<number> {
    this.#worker.postMessage({ pid, afterMs } satisfies Order);
    const [killedUs] = await once(this.#worker, "message");
    return killedUs;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

interface Order {
  readonly pid: number;
  readonly afterMs: number;
}

if (!isMainThread) {
  const sleeping = new Int32Array(new SharedArrayBuffer(4));
  parentPort!.on("message", ({ pid, afterMs }: Order) => {
    Atomics.wait(sleeping, 0, 0, afterMs);
    const killedUs = Number(process.hrtime.bigint() / 1000n);
    process.kill(pid, "SIGKILL");
    parentPort!.postMessage(killedUs);
  });
}
