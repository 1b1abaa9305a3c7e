import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Random } from "../crash/random.ts";
import { pause } from "../crash/server-process.ts";
import { Caller } from "../faults/calls.ts";

/** A counter that one client alone increments by one, and what it knows of it. */
export interface Counted {
  readonly name: string;
  /** The value of the latest answer. */
  acknowledged: bigint;
  /** How many were sent. */
  sent: bigint;
}

/** Clients that count, until they are stopped. */
export class Load {
  readonly counters: readonly Counted[];
  /** How long increments took, in milliseconds, since this was emptied last. */
  tookMs: number[] = [];
  readonly #restMs: number;
  readonly #grown = Promise.withResolvers<void>();
  readonly #loops: readonly Promise<void>[];
  #stopped = false;

  /**
   * @param clients  as many counters are incremented one by one; beside them many others in batches
   * @param restMs   how long each client rests after an answer, in milliseconds; 0: it counts as fast as it is answered.
   *                 Who writes batches begins to once the store has grown
   */
  constructor(port: number, clients: number, restMs: number, random: Random) {
    this.#restMs = restMs;
    this.counters = Array.from({ length: clients }, (_, i) => ({
      name: `one/${i}`,
      acknowledged: 0n,
      sent: 0n,
    }));
    this.#loops = [
      ...this.counters.map((counter) => this.#increment(port, counter)),
      this.#others(port, random.fork()),
    ];
    // What fails before anybody waits for it is told by stop(), and only where nothing else has failed first.
    for (const loop of this.#loops) loop.catch(() => {});
  }

  /** Resolves once the store is so large that a backup of it takes its time. @throws as stop() */
  async grown(): Promise<void> {
    await Promise.race([this.#grown.promise, ...this.#loops]);
  }

  /** @throws when an answer was not what it was to be */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }

  async #increment(port: number, counter: Counted): Promise<void> {
    const caller = await Caller.on(port);
    while (!this.#stopped) {
      counter.sent++;
      const began = performance.now();
      const value = await caller.increment(counter.name);
      if (value !== counter.sent) throw new Error(`${counter.name}: expected ${counter.sent}, got ${value}`);
      counter.acknowledged = value;
      this.tookMs.push(performance.now() - began);
      await this.#rest();
    }
    caller.close();
  }

  /** Counters that come, go, have labels and limits: so that each table is written. */
  async #others(port: number, random: Random): Promise<void> {
    const caller = await Caller.on(port);
    for (let round = 0; !this.#stopped; round++) {
      const operations = Array.from({ length: 300 }, () => ({
        name: `many/${random.between(0, 20_000)}`,
        action: { case: "increment" as const, value: BigInt(random.between(1, 1_000)) },
      }));
      await caller.call(CounterService.method.batchApply, { operations });
      const name = `other/${round}`;
      const labels = { team: `t${round % 5}` };
      const window = { span: { case: "every" as const, value: { seconds: 60n, nanos: 0 } } };
      await caller.call(CounterService.method.createCounter, {
        name,
        labels,
        ...(round % 3 === 0 && { window }),
      });
      if (round % 4 === 0)
        await caller.call(CounterService.method.deleteCounter, { name, keepHistory: true });
      if (round === GROWN_ROUNDS) this.#grown.resolve();
      if (round >= GROWN_ROUNDS) await this.#rest(BATCH_RESTS);
    }
    caller.close();
  }

  async #rest(times = 1): Promise<void> {
    if (this.#restMs > 0) await pause(times * this.#restMs);
  }
}

/** How much longer it rests after a batch. */
const BATCH_RESTS = 10;
/** Some 4 MB. */
const GROWN_ROUNDS = 150;

/** The time that 99 of 100 took no longer than. */
export function p99(tookMs: readonly number[]): number {
  const sorted = [...tookMs].sort((a, b) => a - b);
  return sorted[Math.floor(0.99 * (sorted.length - 1))] ?? Number.NaN;
}
