import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Connection, Unanswered } from "../proofs/crash/connection.ts";
import { pause } from "../proofs/crash/server-process.ts";
import { freePort } from "./free-port.ts";

/** What is given to operators, and run here. */
const CONFIG = fileURLToPath(new URL("../../deploy/haproxy/tally.cfg", import.meta.url));

/** haproxy in front of two instances, by the configuration that operators are given; only the addresses differ. */
export class Balancer {
  /** For gRPC and HTTP/1.1. */
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "tally-haproxy-"));
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = "";

  private constructor(port: number, config: string) {
    this.port = port;
    const path = join(this.#folder, "haproxy.cfg");
    writeFileSync(path, config);
    this.#child = spawn("haproxy", ["-f", path], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output += chunk;
      });
    }
    this.#ended = once(this.#child, "close");
  }

  /** Resolves once it takes connections, which may be before it knows the instances. */
  static async start([one, other]: readonly [number, number]): Promise<Balancer> {
    if (spawnSync("haproxy", ["-v"]).status !== 0) {
      throw new Error("haproxy is not here; to have it: apt-get install haproxy");
    }
    const port = await freePort();
    let config = readFileSync(CONFIG, "utf8");
    const addresses = { "127.0.0.1:8080": port, "10.0.0.11:8080": one, "10.0.0.12:8080": other };
    for (const [address, ours] of Object.entries(addresses)) {
      if (!config.includes(address)) throw new Error(`expected ${address} in ${CONFIG}`);
      config = config.replaceAll(address, `127.0.0.1:${ours}`);
    }
    const balancer = new Balancer(port, config);
    try {
      await balancer.#answers();
    } catch (error) {
      await balancer.stop();
      throw error;
    }
    return balancer;
  }

  /** Whether both instances get calls, as far as it has said. One that was killed gets none until a check succeeds. */
  get hasBoth(): boolean {
    return ["tally1", "tally2"].every((name) => {
      const server = `Server tally_grpc/${name} is`;
      return this.#output.lastIndexOf(`${server} DOWN`) <= this.#output.lastIndexOf(`${server} UP`);
    });
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
    rmSync(this.#folder, { recursive: true });
  }

  async #answers(): Promise<void> {
    while (this.#child.exitCode === null) {
      try {
        (await Connection.open(this.port)).close();
        return;
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        await pause(20); // It tells nobody when it listens.
      }
    }
    throw new Error(`haproxy ended instead of serving:\n${this.#output}`);
  }
}
