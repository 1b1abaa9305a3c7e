import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type LastMinute, Recent, type RecentThread } from "../telemetry/recent.ts";
import { warningsOf } from "../telemetry/warnings.ts";
import type { Store } from "./store.ts";
import type { StoreSize } from "./store-size.ts";

/** A server as it is now, for who may observe. */
export interface ServerStateNow {
  /** Tells this process from others on the same store: the name of the machine, and the number of the process there. */
  readonly instance: string;
  /** As it was found last; undefined: the store has not told yet. */
  readonly size: StoreSize | undefined;
  readonly lastMinute: LastMinute;
  readonly threads: readonly RecentThread[];
  /** What is not as it should be, by what is measured: a sentence each. */
  readonly warnings: readonly string[];
}

/** Keeps up with what a server is doing, and asks its store how large it is when somebody wants to know. */
export class ServerState {
  readonly #store: Pick<Store, "size">;
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #recent: Recent;
  readonly #timer: NodeJS.Timeout;
  #size: StoreSize | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> = Promise.resolve();

  constructor(store: Pick<Store, "size">, metrics: Metrics, clock: Clock) {
    this.#store = store;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#recent = new Recent(metrics, () => clock.monotonic());
    this.#timer = setInterval(() => this.#recent.look(), LOOK_MS).unref();
  }

  /** Who asks within a second of each other is told the same size, and nobody waits long for a store that does not answer. */
  async now(): Promise<ServerStateNow> {
    await Promise.race([this.#ask(), sleep(WAIT_MS, undefined, { ref: false })]);
    const { lastMinute, threads } = this.#recent;
    const warnings = warningsOf(this.#metrics, this.#clock.now());
    return { instance: INSTANCE, size: this.#size, lastMinute, threads, warnings };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #ask(): Promise<void> {
    const now = this.#clock.monotonic();
    if (now - this.#askedAtMs < SHARED_MS) return this.#asking;
    this.#askedAtMs = now;
    this.#asking = this.#store.size().then(
      (size) => {
        this.#size = size;
      },
      () => {
        this.#size = undefined; // Whether it answers is told beside this.
      },
    );
    return this.#asking;
  }
}

const INSTANCE = `${hostname()}:${process.pid}`;
const LOOK_MS = 5_000;
const SHARED_MS = 1_000;
const WAIT_MS = 500;
