import { PostgresProxy } from "../../support/postgres/proxy.ts";
import { PostgresServer } from "../../support/postgres/server.ts";

/**
 * A PostgreSQL primary with a synchronous standby, at one address: what a commit is answered for is on the disks of
 * both. When the primary is lost, the standby takes its place, and gets a standby of its own.
 */
export class Pair {
  readonly proxy: PostgresProxy;
  #primary: PostgresServer;
  #standby: PostgresServer | undefined;
  /** What the standby calls itself; the one after it is the other. */
  #name: "a" | "b" = "a";

  private constructor(primary: PostgresServer, proxy: PostgresProxy) {
    this.#primary = primary;
    this.proxy = proxy;
  }

  static async start(): Promise<Pair> {
    const primary = await PostgresServer.start();
    const pair = new Pair(primary, await PostgresProxy.start(primary.port));
    try {
      // Copied to each standby, so that it too waits for one as soon as it is the primary. pg_basebackup, which
      // streams as well, has another name.
      await primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (a, b)'");
      await primary.sql("SELECT pg_reload_conf()");
      await pair.addStandby();
    } catch (error) {
      await pair.stop();
      throw error;
    }
    return pair;
  }

  /** For Tally. */
  get url(): string {
    return this.#primary.url({ port: this.proxy.port });
  }

  get primary(): PostgresServer {
    return this.#primary;
  }

  /** Undefined from a promotion on until `addStandby`. */
  get standby(): PostgresServer | undefined {
    return this.#standby;
  }

  /**
   * Lose the primary for good, and promote the standby.
   *
   * @param early  whether Tally is led to the standby before it is promoted, while it takes no writes
   */
  async failOver({ early }: { early: boolean }): Promise<void> {
    const [lost, heir] = [this.#primary, this.#standby];
    if (heir === undefined) throw new TypeError("expected a standby");
    await lost.kill();
    if (early) this.proxy.target = heir.port;
    await heir.promote();
    this.proxy.target = heir.port;
    this.proxy.cutAll(); // As what leads to the primary does; or connections to the standby stay as they began.
    [this.#primary, this.#standby] = [heir, undefined];
    await lost.dispose();
  }

  /** Until there is one, no commit is answered. */
  async addStandby(): Promise<void> {
    this.#name = this.#name === "a" ? "b" : "a";
    this.#standby = await PostgresServer.standbyOf(this.#primary, this.#name);
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    await this.#standby?.dispose();
    await this.#primary.dispose();
  }
}
