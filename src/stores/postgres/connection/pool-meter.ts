import type pg from "pg";
import type { Metrics } from "../../../telemetry/metrics.ts";
import { POOLS, type PoolName } from "../../../telemetry/series.ts";

/** Measures the pools of connections: how many are in use, who waits for one, and how long that took. */
export class PoolMeter {
  readonly #metrics: Metrics;
  readonly #waits: ReadonlyMap<pg.Pool, number>;
  /** Stops looking. */
  readonly end: () => void;

  constructor(metrics: Metrics, pools: Readonly<Record<PoolName, pg.Pool>>) {
    this.#metrics = metrics;
    this.#waits = new Map(
      POOLS.map((pool) => [pools[pool], metrics.placeOf("postgresWaitSeconds", { pool })]),
    );
    const looks = POOLS.map((pool) => {
      const used = metrics.know("postgresConnections", { pool, state: "used" });
      const idle = metrics.know("postgresConnections", { pool, state: "idle" });
      const waiting = metrics.know("postgresWaiting", { pool });
      return () => {
        const { totalCount, idleCount, waitingCount } = pools[pool];
        metrics.numbers[used] = totalCount - idleCount;
        metrics.numbers[idle] = idleCount;
        metrics.numbers[waiting] = waitingCount;
      };
    });
    this.end = metrics.beforeRead(() => {
      for (const look of looks) look();
    });
  }

  /** Somebody has one, of this pool or lent to it. @param ms  how long it took */
  waited(pool: pg.Pool, ms: number): void {
    this.#metrics.observe("postgresWaitSeconds", this.#waits.get(pool)!, ms / 1_000);
  }
}
