import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { TallyError } from "../../../core/errors.ts";
import { isAnswer, isAway } from "./errors.ts";

/**
 * Gets connections out of pools. Where the server gives fewer than they wish for, they go on with those they have, and
 * lend each other; where it is away for a moment, it is waited for.
 */
export class Connecting {
  readonly #pools: readonly pg.Pool[];
  readonly #connect: (pool: pg.Pool) => Promise<pg.PoolClient>;
  readonly #madeAt = new WeakMap<pg.ClientBase, number>();
  /** Those that are connected; a pool counts those that are about to be, too. */
  readonly #made = new Map<pg.Pool, number>();

  /** @param connect  gets one of a pool; the way to the server is another matter */
  constructor(pools: readonly pg.Pool[], connect: (pool: pg.Pool) => Promise<pg.PoolClient>) {
    this.#pools = pools;
    this.#connect = connect;
    for (const pool of pools) {
      pool.on("connect", (client) => {
        this.#madeAt.set(client, performance.now());
        this.#made.set(pool, this.#alive(pool) + 1);
      });
      pool.on("remove", () => this.#made.set(pool, this.#made.get(pool)! - 1));
    }
  }

  /**
   * @param newerThan  only one that was made after this moment of `performance.now()`; older ones are closed
   * @throws the driver's or the server's error; TallyError where the server is not one to count on
   */
  async connect(pool: pg.Pool, newerThan = Number.NEGATIVE_INFINITY): Promise<pg.PoolClient> {
    const giveUpAt = performance.now() + AWAY_MS;
    for (;;) {
      try {
        return await this.#take(pool, newerThan);
      } catch (error) {
        if (error instanceof TallyError || isTimeout(error)) throw error;
        // Whatever keeps new ones out (no slot is free, pg_hba.conf was changed), there may be old ones.
        const lender = [pool, ...this.#pools].find((each) => this.#alive(each) > 0);
        if (lender !== undefined) {
          keepTo(lender, this.#alive(lender));
          const client = await this.#take(lender, newerThan).catch(() => undefined);
          if (client !== undefined) return client;
        }
        if (!isAway(error) || performance.now() >= giveUpAt) throw error;
        await pause(RETRY_MS);
      }
    }
  }

  #alive(pool: pg.Pool): number {
    return Math.min(this.#made.get(pool) ?? 0, pool.totalCount);
  }

  async #take(pool: pg.Pool, newerThan: number): Promise<pg.PoolClient> {
    for (;;) {
      const client = await this.#connect(pool);
      if (this.#madeAt.get(client)! > newerThan) return client;
      client.release(true);
    }
  }
}

/**
 * How long a server that is not there is waited for: the moment of a restart. And who refuses at once looks like the
 * one that has least to do, to a balancer that gives the next call to it.
 */
const AWAY_MS = 1_000;
const RETRY_MS = 50;
/** When to wish for more again. */
const CONTENT_MS = 5_000;

const wishes = new WeakMap<pg.Pool, number>();

/** Have a pool make no more connections than it has, for a while. */
function keepTo(pool: pg.Pool, connections: number): void {
  const { options } = pool;
  if (!wishes.has(pool)) {
    wishes.set(pool, options.max!);
    setTimeout(() => {
      options.max = wishes.get(pool)!;
      wishes.delete(pool);
    }, CONTENT_MS).unref();
  }
  options.max = connections;
}

/** Of the way to the server; one of the server's own, of an idle session, is an answer. */
function isTimeout(error: unknown): boolean {
  return !isAnswer(error) && /timeout/i.test((error as Error).message);
}
