import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pause } from "../../proofs/crash/server-process.ts";
import { freePort } from "../free-port.ts";
import { type PostgresAddress, ROLE } from "./address.ts";
import { giveToServer, identity, newFolder } from "./programs.ts";

/**
 * PgBouncer in front of a PostgreSQL server. In transaction mode, a connection to it is another one to the server for
 * each transaction.
 */
export class PgBouncer {
  readonly port: number;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = "";

  private constructor(folder: string, port: number) {
    this.port = port;
    this.#folder = folder;
    // It refuses to run as root, as PostgreSQL does.
    const args = [...identity(), "--", "pgbouncer", join(folder, "pgbouncer.ini")];
    this.#child = spawn("setpriv", ["--pdeathsig=KILL", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output += chunk;
      });
    }
    this.#ended = once(this.#child, "close");
  }

  /** @param connections  how many to the server all its clients share */
  static async start(
    postgres: PostgresAddress,
    { connections, mode = "transaction" }: { connections: number; mode?: "transaction" | "statement" },
  ): Promise<PgBouncer> {
    const [folder, port] = [await newFolder(tmpdir()), await freePort()];
    const users = join(folder, "users");
    const files = {
      [users]: `"${ROLE.user}" "${ROLE.password}"\n`,
      [join(folder, "pgbouncer.ini")]: `
        [databases]
        * = host=127.0.0.1 port=${postgres.port}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = ${port}
        unix_socket_dir =
        auth_type = scram-sha-256
        auth_file = ${users}
        pool_mode = ${mode}
        default_pool_size = ${connections}
        max_client_conn = 500
      `,
    };
    for (const [path, content] of Object.entries(files)) {
      writeFileSync(path, content.replaceAll(/^ +/gm, ""));
      giveToServer(path);
    }
    const bouncer = new PgBouncer(folder, port);
    try {
      await bouncer.#answers();
    } catch (error) {
      await bouncer[Symbol.asyncDispose]();
      throw error;
    }
    return bouncer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
    await rm(this.#folder, { recursive: true });
  }

  async #answers(): Promise<void> {
    while (this.#child.exitCode === null) {
      const socket = connect(this.port, "127.0.0.1");
      const [event] = await Promise.race([
        once(socket, "connect").then(() => ["connect"]),
        once(socket, "close").then(() => ["close"]),
      ]).catch(() => ["close"]);
      socket.destroy();
      if (event === "connect") return;
      await pause(20); // It tells nobody when it listens.
    }
    throw new Error(`PgBouncer ended instead of serving:\n${this.#output}`);
  }
}
