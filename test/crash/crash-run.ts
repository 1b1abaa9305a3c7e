import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Account } from "./account.ts";
import { Client, RunTally } from "./client.ts";
import type { Entry, Violation } from "./history.ts";
import { Killer } from "./killer.ts";
import type { Random } from "./random.ts";
import { seededRandom } from "./random.ts";
import { freePort, pause, ServerProcess } from "./server-process.ts";
import { checkStored, type Stored } from "./stored.ts";
import { CREATED, isPlainSum } from "./workload.ts";

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  /** Modules that put a fault into the server. */
  readonly preload?: readonly string[];
  /** After how many kills the history is checked, and forgotten. The first violation found ends the run. */
  readonly killsPerCheck?: number;
  /** Takes lines that say how far the run is. */
  readonly progress?: (line: string) => void;
}

export interface CrashReport {
  readonly violations: readonly Violation[];
  /** By kill: how many attempts had been sent and never got an answer; 1 and up. */
  readonly brokenByKill: readonly number[];
  /** Kills beside those: when nothing was in flight, and while the server was starting. */
  readonly killsBetweenCalls: number;
  readonly killsAtStart: number;
  readonly tally: RunTally;
  readonly counters: number;
  readonly stored: Stored | undefined;
  readonly seconds: number;
}

const CLIENTS = 32;
/** How long the server runs from its first answer to its next end. */
const RUN_MS = [100, 600] as const;
/** One start in this many is cut short as well: recovery must survive a kill too. */
const START_KILL_ONE_IN = 8;
const START_KILL_MS = [20, 500] as const;

/**
 * Kill the server again and again under clients that retry until they are answered, and check that every counter
 * did exactly what its callers were told.
 *
 * Each kill that counts lands with calls in flight: a call that was sent at least a millisecond before and never
 * got an answer. Others are done again.
 */
export async function crashRun(options: CrashOptions): Promise<CrashReport> {
  const directory = await mkdtemp(join(tmpdir(), "tally-crash-"));
  const run = new CrashRun(join(directory, "tally.db"), await freePort(), options);
  try {
    return await run.run();
  } finally {
    await run.end();
    await rm(directory, { recursive: true, force: true });
  }
}

class CrashRun {
  readonly #file: string;
  readonly #port: number;
  readonly #options: CrashOptions;
  readonly #random: Random;
  readonly #tally = new RunTally();
  readonly #account = new Account();
  readonly #sums = new Map<string, bigint>();
  readonly #violations: Violation[] = [];
  readonly #clients: Client[];
  readonly #killer = new Killer();
  readonly #brokenByKill: number[] = [];
  #killsBetweenCalls = 0;
  #killsAtStart = 0;
  #server: ServerProcess;
  #working: Promise<unknown> = Promise.resolve();
  #resting = false;

  constructor(file: string, port: number, options: CrashOptions) {
    this.#file = file;
    this.#port = port;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const shared = {
      port,
      tally: this.#tally,
      history: { add: (entry: Entry) => this.#record(entry) },
      report: (violation: Violation) => this.#violations.push(violation),
    };
    this.#clients = Array.from({ length: CLIENTS }, () => new Client(shared, this.#random.fork()));
    this.#server = this.#startServer();
  }

  async run(): Promise<CrashReport> {
    const startedMs = performance.now();
    await this.#server.ready();
    await this.#server.stop(); // In order, so that it leaves its compiled modules behind: later starts are faster.
    this.#server = this.#startServer();
    await this.#server.ready();
    for (const [name, rules] of CREATED) {
      const asked = { verb: "create", value: rules.initial } as const;
      await this.#clients[0]!.do({ kind: "single", name, asked });
    }

    this.#work();
    const { kills, killsPerCheck = 10 } = this.#options;
    while (this.#brokenByKill.length < kills && this.#violations.length === 0) {
      await this.#answersCome();
      const broken = await this.#killAndRestart();
      if (broken === 0) {
        this.#killsBetweenCalls++;
        continue;
      }
      this.#brokenByKill.push(broken);
      if (this.#brokenByKill.length % killsPerCheck === 0) await this.#check();
    }
    await this.#rest();
    const stored = this.#violations.length === 0 ? await this.#checkTheEnd() : undefined;
    return {
      violations: this.#violations,
      brokenByKill: this.#brokenByKill,
      killsBetweenCalls: this.#killsBetweenCalls,
      killsAtStart: this.#killsAtStart,
      tally: this.#tally,
      counters: this.#account.known.size,
      stored,
      seconds: (performance.now() - startedMs) / 1000,
    };
  }

  async end(): Promise<void> {
    this.#resting = true;
    for (const client of this.#clients) client.close();
    await this.#killer.close();
    if (this.#server.running) await this.#server.kill();
  }

  #startServer(): ServerProcess {
    const { preload = [] } = this.#options;
    return new ServerProcess({ port: this.#port, file: this.#file, preload });
  }

  #work(): void {
    this.#resting = false;
    this.#working = Promise.all(this.#clients.map((client) => client.work(() => this.#resting)));
    this.#working.catch(() => {}); // #rest reports it.
  }

  /** Let every client finish what it is at. */
  async #rest(): Promise<void> {
    this.#resting = true;
    await this.#working;
  }

  /** A kill that finds the server before it has answered anybody would show little. */
  async #answersCome(): Promise<void> {
    const { calls } = this.#tally;
    for (const deadline = Date.now() + 30_000; this.#tally.calls === calls; await pause(2)) {
      if (!this.#server.running) throw new Error(`the server ended by itself:\n${this.#server.output}`);
      if (Date.now() > deadline) throw new Error(`the server answers nobody:\n${this.#server.output}`);
    }
  }

  /** @returns how many attempts the kill cut off: those that were sent a millisecond before it, at least */
  async #killAndRestart(): Promise<number> {
    this.#tally.unansweredSentUs = [];
    const killedUs = await this.#killer.kill(this.#server.pid, this.#random.between(...RUN_MS));
    const { signal } = await this.#server.exited;
    if (signal !== "SIGKILL") throw new Error(`the server had ended by itself:\n${this.#server.output}`);
    this.#server = this.#startServer();
    while (this.#random.between(1, START_KILL_ONE_IN) === 1) {
      await pause(this.#random.between(...START_KILL_MS));
      await this.#server.kill();
      this.#killsAtStart++;
      this.#server = this.#startServer();
    }
    await this.#server.ready();
    return this.#tally.unansweredSentUs.filter((sentUs) => sentUs <= killedUs - 1000).length;
  }

  async #check(): Promise<void> {
    await this.#rest();
    this.#violations.push(...this.#account.check());
    const { calls, replays } = this.#tally;
    this.#options.progress?.(
      `${this.#brokenByKill.length} kills, ${calls} calls, ${replays.afterNoAnswer} replays, ${this.#violations.length} violations`,
    );
    this.#work();
  }

  /** One more kill with nobody calling, then read every counter, then look at the file. */
  async #checkTheEnd(): Promise<Stored> {
    this.#violations.push(...this.#account.check());
    await this.#server.kill();
    this.#server = this.#startServer();
    await this.#server.ready();
    const names = this.#account.known.keys(); // One iterator for all clients: each takes the next.
    const readOn = async (client: Client) => {
      for (const name of names) await client.do({ kind: "single", name, asked: { verb: "read" } });
    };
    await Promise.all(this.#clients.map(readOn));
    this.#violations.push(...this.#account.check());

    const { code } = await this.#server.stop();
    if (code !== 0) this.#violations.push({ kind: "answer", text: `SIGTERM ended the server with ${code}` });
    for (const [name, { value }] of this.#account.known) {
      const sum = this.#sums.get(name) ?? 0n;
      if (isPlainSum(name) && (value ?? 0n) !== sum) {
        const kind = (value ?? 0n) < sum ? "lost" : "doubled";
        this.#violations.push({ kind, text: `${name} is ${value}, and its operations sum up to ${sum}` });
      }
    }
    const stored = await checkStored(this.#file, this.#account);
    for (const text of stored.faults) this.#violations.push({ kind: "value", text });
    return stored;
  }

  /** Into the account, and into the sum of what was asked for: a second account, which uses no revisions. */
  #record(entry: Entry): void {
    this.#account.add(entry);
    const { name, asked, told } = entry;
    if ("refused" in told) return;
    const amount = asked.verb === "add" ? asked.amount : asked.verb === "create" ? asked.value : 0n;
    this.#sums.set(name, (this.#sums.get(name) ?? 0n) + amount);
  }
}
