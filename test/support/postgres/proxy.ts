import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { asksForEncryption, Messages, sqlOf, tagOf } from "./messages.ts";

/**
 * What becomes of a COMMIT: it passes; or the connection ends before the server has it; or after the server has
 * done it, and before the client is told.
 */
export type Fate = "pass" | "cut before" | "cut after";

/** Stands before a PostgreSQL server: points to another when told so, and cuts connections where it hurts. */
export class PostgresProxy {
  readonly port: number;
  /** Where new connections go. */
  target: number;
  /** Asked for each statement before it goes to the server: whether the connection ends instead. */
  cutsAt: (sql: string) => boolean = () => false;
  /** Asked for each COMMIT. */
  fateOf: () => Fate = () => "pass";
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #silent = false;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.target = target;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (client) => {
      const link = new Link(client, connect(this.target, "127.0.0.1"), this);
      this.#links.add(link);
      link.pass(!this.#silent);
      void link.ended.then(() => this.#links.delete(link));
    });
  }

  static async start(target: number): Promise<PostgresProxy> {
    const server = createServer({ noDelay: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new PostgresProxy(server, target);
  }

  /** Whether it passes on nothing, as a network does in which packets get lost; what was held back passes afterwards. */
  set silent(silent: boolean) {
    this.#silent = silent;
    for (const link of this.#links) link.pass(!silent);
  }

  /** End all connections that there are. */
  cutAll(): void {
    for (const link of this.#links) link.cut();
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.cutAll();
    await once(this.#server, "close");
  }
}

/** A client's connection, and the one to the server that belongs to it. */
class Link {
  readonly ended: Promise<unknown>;
  readonly #client: Socket;
  readonly #server: Socket;
  /** Whether the connection ends when the server says that it has done the COMMIT. */
  #cutsAfter = false;

  constructor(client: Socket, server: Socket, proxy: PostgresProxy) {
    this.#client = client;
    this.#server = server;
    server.setNoDelay(true);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on("error", () => {}); // "close" follows.
      from.on("end", () => to.end());
      from.on("close", () => to.destroy());
    }
    const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));
    this.ended = Promise.all([closed(client), closed(server)]);
    const [asked, told] = [new Messages("client"), new Messages("server")];
    client.on("data", (chunk) => {
      for (const message of asked.take(chunk)) {
        if (asksForEncryption(message)) told.answersEncryption();
        const sql = sqlOf(message);
        const fate = sql === "COMMIT" ? proxy.fateOf() : "pass";
        if (fate === "cut before" || (sql !== undefined && proxy.cutsAt(sql))) return this.cut();
        this.#cutsAfter ||= fate === "cut after";
        server.write(message.bytes);
      }
    });
    server.on("data", (chunk) => {
      for (const message of told.take(chunk)) {
        if (this.#cutsAfter && tagOf(message) === "COMMIT") return this.cut();
        client.write(message.bytes);
      }
    });
  }

  pass(passes: boolean): void {
    for (const socket of [this.#client, this.#server]) passes ? socket.resume() : socket.pause();
  }

  cut(): void {
    this.#client.destroy();
    this.#server.destroy();
  }
}
