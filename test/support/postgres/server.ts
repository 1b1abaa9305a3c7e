import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pause } from "../../proofs/crash/server-process.ts";
import { freePort } from "../free-port.ts";
import { ADMIN, PostgresAddress, ROLE } from "./address.ts";
import { binary, giveToServer, identity, newFolder, runAsServer } from "./programs.ts";

/** Of postgresql.conf. */
export type Settings = Readonly<Record<string, string>>;

/**
 * A real PostgreSQL server, in a folder of its own, on a free port of the loopback.
 *
 * It keeps what it commits: `fsync` and `synchronous_commit` are on, as they are by default.
 */
export class PostgresServer extends PostgresAddress {
  readonly #folder: string;
  readonly #settings: Settings;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #output = "";

  private constructor(folder: string, port: number, settings: Settings) {
    super(port);
    this.#folder = folder;
    this.#settings = settings;
  }

  /**
   * Make an empty server and start it; a second or so.
   *
   * @param settings  of postgresql.conf, for as long as it lives
   * @param parent    the folder to make its own in
   */
  static async start(settings: Settings = {}, parent: string = tmpdir()): Promise<PostgresServer> {
    const server = new PostgresServer(await newFolder(parent), await freePort(), settings);
    try {
      const passwordFile = join(server.#folder, "password");
      writeFileSync(passwordFile, ADMIN.password);
      giveToServer(passwordFile);
      const auth = ["--auth=scram-sha-256", `--username=${ADMIN.user}`, `--pwfile=${passwordFile}`];
      // What is here is gone with the machine anyway; only what the server commits need be on disk.
      await runAsServer("initdb", [`--pgdata=${server.#data}`, ...auth, "--locale=C.UTF-8", "--no-sync"]);
      await server.restart();
      const { user, password, database } = ROLE;
      await server.sql(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'`);
      await server.sql(`CREATE DATABASE ${database} OWNER ${user} ${NOT_BYTEWISE}`);
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  /**
   * Copy a running server with pg_basebackup, and start the copy as a standby that streams from it.
   *
   * @param name      what it calls itself, for `synchronous_standby_names`
   * @param settings  as those of `start`; what `ALTER SYSTEM` set on the primary is copied
   */
  static async standbyOf(
    primary: PostgresServer,
    name: string,
    settings: Settings = {},
  ): Promise<PostgresServer> {
    const conninfo = `${primary.conninfo()} application_name=${name}`;
    const folder = await newFolder(tmpdir());
    const standby = new PostgresServer(folder, await freePort(), { ...settings, primary_conninfo: conninfo });
    try {
      const target = [`--pgdata=${standby.#data}`, "--checkpoint=fast", "--wal-method=stream", "--no-sync"];
      await runAsServer("pg_basebackup", [`--dbname=${primary.conninfo()}`, ...target]);
      const signal = join(standby.#data, "standby.signal");
      writeFileSync(signal, "");
      giveToServer(signal);
      await standby.restart();
    } catch (error) {
      await standby.dispose();
      throw error;
    }
    return standby;
  }

  /**
   * Copy a running server with pg_basebackup, as docs/backup.md has it.
   *
   * @returns  the copy, which does not run; see `recover`
   */
  static async baseBackupOf(server: PostgresServer, settings: Settings): Promise<PostgresServer> {
    const copy = new PostgresServer(await newFolder(tmpdir()), await freePort(), settings);
    const target = [`--pgdata=${copy.#data}`, "--checkpoint=fast", "--no-sync"];
    await runAsServer("pg_basebackup", [`--dbname=${server.conninfo()}`, ...target]);
    return copy;
  }

  /** Bring a copy to where its settings say, by the archive that they name; resolves once it takes writes. */
  async recover(): Promise<void> {
    const signal = join(this.#data, "recovery.signal");
    writeFileSync(signal, "");
    giveToServer(signal);
    await this.restart();
    for (const deadline = Date.now() + READY_MS; await this.isStandby(); await pause(POLL_MS))
      if (Date.now() > deadline) throw new Error(`it did not recover:\n${this.#output}`);
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Make a standby the primary; resolves once it takes writes. */
  async promote(): Promise<void> {
    await this.sql("SELECT pg_promote(wait => true, wait_seconds => 60)");
    if (await this.isStandby()) throw new Error(`the standby was not promoted:\n${this.#output}`);
  }

  /** Start it on its old data, after it was stopped or killed; resolves once it answers. */
  async restart(): Promise<void> {
    if (this.running) throw new TypeError("expected a server that was stopped or killed");
    const settings = { ...SETTINGS, ...this.#settings, port: `${this.port}` };
    const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    // Whatever becomes of the process that started it, it ends with it.
    const asServer = ["--pdeathsig=INT", ...identity(), "--", binary("postgres"), "-D", this.#data, ...args];
    const child = spawn("setpriv", asServer, { stdio: ["ignore", "pipe", "pipe"], cwd: this.#folder });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk).slice(-OUTPUT_KEPT);
      });
    }
    this.#ended = once(child, "close").then(() => {
      this.#child = undefined;
    });
    await this.#answers();
  }

  /** Stop it in order; connections are cut. */
  async stop(): Promise<void> {
    this.#child?.kill("SIGINT");
    await this.#ended;
  }

  /**
   * End all of its processes at once without any chance to tidy up, as a machine that fails does. (Were only the
   * first of them killed, the others would go on until they notice, and still commit.)
   */
  async kill(): Promise<void> {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    process.kill(pid, "SIGSTOP"); // It starts no more of them.
    for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")) {
      if (child !== "") killIfThere(Number(child));
    }
    process.kill(pid, "SIGKILL");
    await this.#ended;
  }

  /** Copy what it keeps, while it is stopped. @returns  puts that back, while it is stopped again */
  backUp(): () => void {
    const backup = join(this.#folder, "backup");
    execFileSync("cp", ["-a", this.#data, backup]);
    return () => {
      execFileSync("rm", ["-r", this.#data]);
      execFileSync("mv", [backup, this.#data]);
    };
  }

  /** End it, and remove what it kept. */
  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The end of its log. */
  get output(): string {
    return this.#output;
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  async #answers(): Promise<void> {
    for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await pause(POLL_MS)) {
      if (!this.running) throw new Error(`PostgreSQL ended instead of serving:\n${this.#output}`);
      try {
        await this.sql("SELECT 1");
        return;
      } catch {
        // Not yet.
      }
    }
    throw new Error(`PostgreSQL did not serve within ${READY_MS} ms:\n${this.#output}`);
  }
}

/** Beside the defaults: small, and nowhere but on the loopback. */
const SETTINGS: Settings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_buffers: "32MB",
  max_connections: "200",
};

/** Text sorts as people sort it, and not by its bytes: a database that Tally must not rely on. */
const NOT_BYTEWISE = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";

const READY_MS = 240_000;
const POLL_MS = 30;
const OUTPUT_KEPT = 20_000;

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
