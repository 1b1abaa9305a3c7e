import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { freePort } from "../../support/free-port.ts";
import { Unanswered } from "../crash/connection.ts";
import { type Exit, ServerProcess } from "../crash/server-process.ts";
import { Caller } from "../faults/calls.ts";

/** What belongs to a store beside its lock. */
export const PARTS = ["", "-wal", "-shm"] as const;

/** After so many commits a store looks at how much its WAL has. */
const LOOK_COMMITS = 16;

/** A folder with a data file, the server on it, and all that is known of its one counter. */
export class Site {
  readonly root = mkdtempSync(join(tmpdir(), "tally-files-"));
  readonly folder = join(this.root, "store");
  readonly file = join(this.folder, "tally.db");
  /** What was answered. */
  acknowledged = 0n;
  /** How many increments may have been applied beside those. */
  unknown = 0n;
  /** Answered in all. */
  answers = 0;
  #server: ServerProcess | undefined;
  #port = 0;
  #fillers = 0;

  constructor() {
    mkdirSync(this.folder);
  }

  /** Start on a file. @returns  how it ended, if it does not serve */
  async start(file = this.file): Promise<Exit | undefined> {
    const port = await freePort();
    const server = new ServerProcess({ port, store: `sqlite:${file}` });
    this.#server = server;
    this.#port = port;
    try {
      await server.ready();
      return undefined;
    } catch {
      return await server.exited;
    }
  }

  /** What the server said. */
  get output(): string {
    return this.#server?.output ?? "";
  }

  /** Try to have a second server. @returns  its exit code; undefined when it serves, which it then does no more */
  async startAnother(file: string): Promise<number | null | undefined> {
    const server = new ServerProcess({ port: await freePort(), store: `sqlite:${file}` });
    try {
      await server.ready();
    } catch {
      return (await server.exited).code;
    }
    await server.kill();
    return undefined;
  }

  /** Increment so often, or until nobody answers. @returns  how often it was answered */
  async count(times: number): Promise<number> {
    let answered = 0;
    try {
      const caller = await Caller.on(this.#port);
      for (let i = 0; i < times; i++) {
        this.unknown++;
        const value = await caller.increment("n");
        if (typeof value === "string") {
          if (value !== "OUTCOME_UNKNOWN") this.unknown--;
          break;
        }
        this.unknown--;
        this.acknowledged = value;
        answered++;
      }
      caller.close();
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
    }
    this.answers += answered;
    return answered;
  }

  /** Write so much that the WAL is taken into the file. */
  async fill(): Promise<void> {
    const caller = await Caller.on(this.#port);
    for (let batch = 0; batch < 5; batch++) {
      const operations = Array.from({ length: 2_050 }, (_, i) => ({
        name: `filler/${this.#fillers}/${i}/${"x".repeat(150)}`,
        action: { case: "increment" as const, value: 1n },
        ifMissing: { description: "x".repeat(1_000) }, // Large rows, for many take the processor.
      }));
      this.#fillers++;
      await caller.call(CounterService.method.batchApply, { operations });
    }
    caller.close();
    await this.count(LOOK_COMMITS);
  }

  async value(): Promise<bigint> {
    const caller = await Caller.on(this.#port);
    const value = await caller.get("n");
    caller.close();
    return typeof value === "bigint" ? value : 0n;
  }

  async ready(): Promise<boolean> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/readyz`).catch(() => undefined);
    return answer?.status === 200;
  }

  async stop(): Promise<Exit> {
    return this.#server!.stop();
  }

  async kill(): Promise<Exit> {
    return this.#server!.kill();
  }

  get exited(): Promise<Exit> {
    return this.#server!.exited;
  }

  /** SQLite's own judgement of the file, when nobody has it. */
  integrity(file = this.file): unknown {
    const db = new Database(file, { readonly: true });
    try {
      return db.pragma("integrity_check", { simple: true });
    } finally {
      db.close();
    }
  }

  /** Copy what is there of the store, when nobody has it. */
  save(name: string): string {
    const to = join(this.root, name);
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to);
    for (const part of PARTS)
      if (existsSync(this.file + part)) cpSync(this.file + part, join(to, `tally.db${part}`));
    return join(to, "tally.db");
  }

  /** Have just what was saved. */
  restore(saved: string): void {
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder);
    for (const part of PARTS) if (existsSync(saved + part)) cpSync(saved + part, this.file + part);
  }

  async dispose(): Promise<void> {
    if (this.#server?.running) await this.#server.kill();
    rmSync(this.root, { recursive: true, force: true });
  }
}
