import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { type Authority, authority } from "../../support/certificates.ts";
import { freePort } from "../../support/free-port.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { overGrpc } from "./doors.ts";
import { type Credential, LATE_MAX_MS } from "./ledger.ts";

/** What the callers of a site may: with its own prefix, all that they do. */
export const GRANTS = "read,increment@rotations.";

/** Instances on one store, over TLS, with the files that say whom they let in. */
export class Site {
  readonly ports: readonly number[];
  /** Who signs the server's certificates. */
  readonly signing: Authority;
  readonly #folder: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly #servers: readonly ServerProcess[];
  /** By which the site is administrated, whatever is rotated; at first the root key. */
  operator = FIRST_ROOT_KEY;

  private constructor(
    folder: string,
    signing: Authority,
    servers: readonly (readonly [number, ServerProcess])[],
  ) {
    this.#folder = folder;
    this.signing = signing;
    this.ports = servers.map(([port]) => port);
    this.#servers = servers.map(([, server]) => server);
  }

  /**
   * @param engines  the `http2-engine` of each instance
   * @param issuer   the URL of an issuer of OIDC, whose people may as callers do when they are of the group "counters"
   * @param clients  who signs clients' certificates at first, in PEM
   */
  static async start(
    folder: string,
    {
      store,
      engines,
      issuer,
      clients,
    }: { store: string; engines: string[]; issuer: string; clients: string },
  ): Promise<Site> {
    const signing = authority();
    const at = (name: string) => join(folder, name);
    writeFileSync(at("root"), FIRST_ROOT_KEY);
    writeFileSync(at("clients.pem"), clients);
    writeFileSync(at("tally.toml"), configOf(issuer));
    const { certFile, keyFile } = signing.issue();
    copyFileSync(certFile, at("server.pem"));
    copyFileSync(keyFile, at("server.key"));
    const servers = await Promise.all(
      engines.map(async (engine) => {
        const port = await freePort();
        const flags = [
          ...["--config", at("tally.toml"), "--http2-engine", engine, "--root-key-file", at("root")],
          ...["--tls-cert-file", at("server.pem"), "--tls-key-file", at("server.key")],
          ...["--tls-client-ca-file", at("clients.pem"), "--tls-client-auth", "optional"],
        ];
        return [port, new ServerProcess({ port, store, flags })] as const;
      }),
    );
    const site = new Site(folder, signing, servers);
    try {
      for (const server of site.#servers) await server.ready();
    } catch (error) {
      await site.kill();
      throw error;
    }
    return site;
  }

  /** Write a file that the instances read. */
  write(name: "root" | "clients.pem" | "server.pem" | "server.key", text: string | Buffer): void {
    writeFileSync(join(this.#folder, name), text);
  }

  /** The server's certificate, as its file is, in PEM. */
  get certificate(): Buffer {
    return readFileSync(join(this.#folder, "server.pem"));
  }

  /** Have all instances read their files again. */
  hangUp(): void {
    for (const { pid } of this.#servers) process.kill(pid, "SIGHUP");
  }

  /** A call of AdminService at the first instance. @throws Error  of a refusal, with what was said */
  async administrate(path: string, body: object): Promise<{ readonly key?: string }> {
    return this.#asked("POST", `/v1/admin/${path}`, body);
  }

  /** Make a counter, for callers who may not. */
  async make(counter: string): Promise<void> {
    await this.#asked("POST", `/v1/counters/${counter}:set`, { value: "0" });
  }

  /** What a counter has. */
  async valueOf(counter: string): Promise<number> {
    const { counter: found } = (await this.#asked("GET", `/v1/counters/${counter}`)) as {
      counter: { value: string };
    };
    return Number(found.value);
  }

  #asked(method: string, path: string, body?: object): Promise<object> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.operator}`, "content-type": "application/json" };
      const to = {
        host: "127.0.0.1",
        servername: "localhost",
        port: this.ports[0]!,
        ca: this.signing.ca,
        agent: this.#agent,
        headers,
      };
      const call = request({ ...to, method, path }, async (response) => {
        const text = (await response.toArray()).join("");
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${method} ${path}: HTTP ${response.statusCode} ${text}`));
      });
      call.on("error", reject);
      call.end(body && JSON.stringify(body));
    });
  }

  /**
   * Resolves once every instance takes a credential.
   *
   * @returns  how long that took, in milliseconds
   * @throws Error  when one does not within the time that is promised
   */
  async knows(credential: Credential): Promise<number> {
    const counter = `rotations.${uuidv7()}`;
    await this.make(counter);
    const beganMs = Date.now();
    const each = this.ports.map(async (port) => {
      const door = overGrpc({ port, ca: this.signing.ca, credential });
      try {
        for (;;) {
          try {
            return await door.call(counter, uuidv7());
          } catch (error) {
            if (Date.now() - beganMs > LATE_MAX_MS)
              throw new Error(`${port} does not know a new ${credential.kind} within ${LATE_MAX_MS} ms`, {
                cause: error,
              });
            await pause(50);
          }
        }
      } finally {
        door.close();
      }
    });
    await Promise.all(each);
    return Date.now() - beganMs;
  }

  /** End it in order. @returns  what was wrong with that */
  async stop(): Promise<string[]> {
    const ends = await Promise.all(
      this.#servers.map(async (server) => {
        if (!server.running) return [`an instance ended by itself:\n${server.output}`];
        const { code } = await server.stop();
        return code === 0 ? [] : [`SIGTERM ended an instance with ${code}:\n${server.output}`];
      }),
    );
    return ends.flat();
  }

  async kill(): Promise<void> {
    for (const server of this.#servers) if (server.running) await server.kill();
    this.#agent.destroy();
    this.signing[Symbol.dispose]();
  }
}

export const FIRST_ROOT_KEY = "root-key-number-0-of-the-proof-of-rotations";

/** Reflection is asked for here by who has a credential: it is the stream that Tally has. Nobody is refused for being many. */
function configOf(issuer: string): string {
  return `
auth = "required"
auth-open = "page,docs"
queue-wait-max = "10s"
rate-tokens = "100000"

[[oidc]]
alias = "corp"
issuer = "${issuer}"
audience = "tally"
  [[oidc.grant]]
  claim = "groups"
  has = "counters"
  grants = ["${GRANTS}"]
`;
}
