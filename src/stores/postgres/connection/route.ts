import pg from "pg";
import { TallyError } from "../../../core/errors.ts";
import { StandbyError } from "./durability.ts";
import { isAnswer } from "./errors.ts";
import type { ConnectionSettings } from "./parameters.ts";
import type { PostgresUrl } from "./url.ts";

/** One way to the server: a host, with TLS or without. */
interface Way {
  readonly host: string;
  readonly name: string;
  readonly port: number;
  readonly ssl: pg.ClientConfig["ssl"];
  /** Its place in the URL. */
  readonly at: number;
}

/**
 * The ways to the server that takes writes. Each new connection takes the way that led there last, and the next one
 * when it does no more: so with several hosts whichever is the primary is found, at the start and after a failover.
 */
export class Route {
  readonly #ways: readonly Way[];
  #taken = 0;
  /** The one that led there last. */
  #led = 0;

  constructor({ hosts }: Pick<PostgresUrl, "hosts">, { tls, addresses }: ConnectionSettings) {
    this.#ways = hosts.flatMap(({ host: name, port }, at) => {
      const host = addresses[at] ?? name;
      const ways = name.startsWith("/") ? [false as const] : tls; // A socket of this machine has none.
      return ways.map((way): Way => ({ host, name, port, at, ssl: way === false ? way : way(name) }));
    });
  }

  /** The driver's client, which connects the way that is taken when it is made. */
  get Client(): typeof pg.Client {
    const route = this;
    return class extends pg.Client {
      constructor(config?: pg.ClientConfig) {
        const { host, port, ssl } = route.#ways[route.#taken]!;
        super({ ...config, password: config?.password, host, port, ssl }); // The pool has hidden it from copies.
      }
    };
  }

  /** A connection of a pool whose clients are the route's. @throws what the server said, or the network at last */
  async connect(pool: pg.Pool): Promise<pg.PoolClient> {
    const tried = new Set<number>();
    let told: unknown;
    for (;;) {
      const taken = this.#taken;
      tried.add(taken);
      try {
        const client = await pool.connect();
        this.#led = taken;
        return client;
      } catch (error) {
        if (told === undefined || !says(told)) told = error;
        const next = this.#after(taken, error, tried);
        if (next === undefined) {
          this.#taken = this.#led; // Not the last one tried, which may lead nowhere for ever.
          throw told;
        }
        if (this.#taken === taken) this.#taken = next; // Else another connection has gone on already.
        tried.add(this.#taken);
      }
    }
  }

  #after(taken: number, error: unknown, tried: ReadonlySet<number>): number | undefined {
    const { at } = this.#ways[taken]!;
    const { otherWay, otherHost } = hopesAfter(error);
    const count = this.#ways.length;
    const following = Array.from({ length: count - 1 }, (_, i) => (taken + 1 + i) % count);
    const untried = following.filter((way) => !tried.has(way));
    const beside = otherWay ? untried.find((way) => this.#ways[way]!.at === at) : undefined;
    return beside ?? (otherHost ? untried.find((way) => this.#ways[way]!.at !== at) : undefined);
  }
}

/** What a failure leaves to be tried: the same host with TLS, or without; or another. */
function hopesAfter(error: unknown): { otherWay: boolean; otherHost: boolean } {
  const { code = "", message } = error as { code?: string; message: string };
  if (error instanceof StandbyError) return { otherWay: false, otherHost: true };
  if (error instanceof TallyError || message === WAITED) return { otherWay: false, otherHost: false };
  if (isAnswer(error)) {
    const elsewhere = /^(57P|53|08)/.test(code); // It starts, stops or is full.
    return { otherWay: !elsewhere, otherHost: elsewhere };
  }
  const unreached =
    /^E(CONN|HOST|NET|TIMEDOUT|AI_|NOTFOUND|NOENT|ACCES|PIPE)/.test(code) || /timeout/i.test(message);
  return { otherWay: !unreached || code === "ECONNRESET", otherHost: true };
}

/** What the pool says when all of its connections are in use for too long. */
const WAITED = "timeout exceeded when trying to connect";

/** Whether it is the server's own word, which says more than that another way leads nowhere. */
function says(error: unknown): boolean {
  return error instanceof TallyError || isAnswer(error);
}
