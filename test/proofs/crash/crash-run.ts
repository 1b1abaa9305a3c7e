import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../support/free-port.ts";
import { Callers } from "./callers.ts";
import { nowUs, type RunTally } from "./client.ts";
import type { Violation } from "./history.ts";
import { Killer } from "./killer.ts";
import type { Random } from "./random.ts";
import { seededRandom } from "./random.ts";
import { pause, ServerProcess } from "./server-process.ts";
import { checkStored, type Stored } from "./stored.ts";

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  /** Modules that put a fault into the server. */
  readonly preload?: readonly string[];
  /** After how many kills the history is checked, and forgotten. The first violation found ends the run. */
  readonly killsPerCheck?: number;
  /** Whether an earlier run has had Node.js keep what it compiles of the server. */
  readonly compiled?: boolean;
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
  readonly #callers: Callers;
  readonly #killer = new Killer();
  readonly #brokenByKill: number[] = [];
  #killsBetweenCalls = 0;
  #killsAtStart = 0;
  #server: ServerProcess;

  constructor(file: string, port: number, options: CrashOptions) {
    this.#file = file;
    this.#port = port;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#callers = new Callers(port, this.#random);
    this.#server = this.#startServer();
  }

  async run(): Promise<CrashReport> {
    const startedMs = performance.now();
    await this.#server.ready();
    if (!this.#options.compiled) {
      await this.#server.stop(); // In order, so that Node.js keeps what it compiled, if that is new: later starts are faster.
      this.#server = this.#startServer();
      await this.#server.ready();
    }
    await this.#callers.makeCounters();

    this.#callers.work();
    const { kills, killsPerCheck = 10 } = this.#options;
    const { violations, account, tally } = this.#callers;
    while (this.#brokenByKill.length < kills && violations.length === 0) {
      await this.#answersCome();
      const broken = await this.#killAndRestart();
      if (broken === 0) {
        this.#killsBetweenCalls++;
        continue;
      }
      this.#brokenByKill.push(broken);
      if (this.#brokenByKill.length % killsPerCheck === 0) await this.#check();
    }
    await this.#callers.rest();
    const stored = violations.length === 0 ? await this.#checkTheEnd() : undefined;
    return {
      violations,
      brokenByKill: this.#brokenByKill,
      killsBetweenCalls: this.#killsBetweenCalls,
      killsAtStart: this.#killsAtStart,
      tally,
      counters: account.known.size,
      stored,
      seconds: (performance.now() - startedMs) / 1000,
    };
  }

  async end(): Promise<void> {
    this.#callers.close();
    await this.#killer.close();
    if (this.#server.running) await this.#server.kill();
  }

  #startServer(): ServerProcess {
    const { preload = [] } = this.#options;
    return new ServerProcess({ port: this.#port, store: `sqlite:${this.#file}`, preload });
  }

  /** A kill that finds the server before it has answered anybody would show little. */
  async #answersCome(): Promise<void> {
    const { tally } = this.#callers;
    const { calls } = tally;
    for (const deadline = Date.now() + 30_000; tally.calls === calls; await pause(2)) {
      if (!this.#server.running) throw new Error(`the server ended by itself:\n${this.#server.output}`);
      if (Date.now() > deadline) throw new Error(`the server answers nobody:\n${this.#server.output}`);
    }
  }

  /** @returns how many attempts the kill cut off: those that were sent a millisecond before it, at least */
  async #killAndRestart(): Promise<number> {
    const { tally } = this.#callers;
    tally.unansweredSentUs = [];
    const killedUs = await this.#kill(this.#random.between(...RUN_MS));
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
    return tally.unansweredSentUs.filter((sentUs) => sentUs <= killedUs - 1000).length;
  }

  /**
   * Half of the kills land anywhere, the others as soon as somebody has an answer: what is answered before it is on disk
   * is not on disk for a moment only.
   *
   * @returns when it was sent: CLOCK_MONOTONIC in microseconds
   */
  async #kill(afterMs: number): Promise<number> {
    const { pid } = this.#server;
    if (this.#random.fraction() < 0.5) return this.#killer.kill(pid, afterMs);
    await pause(afterMs);
    const killed = Promise.withResolvers<number>();
    this.#callers.tally.onAnswer = () => {
      process.kill(pid, "SIGKILL");
      killed.resolve(nowUs());
    };
    return Promise.race([killed.promise, this.#server.exited.then(nowUs)]); // It may have ended by itself.
  }

  async #check(): Promise<void> {
    const { tally, violations } = this.#callers;
    await this.#callers.check();
    const { calls, replays } = tally;
    this.#options.progress?.(
      `${this.#brokenByKill.length} kills, ${calls} calls, ${replays.afterNoAnswer} replays, ${violations.length} violations`,
    );
    this.#callers.work();
  }

  /** One more kill with nobody calling, then read every counter, then look at the file. */
  async #checkTheEnd(): Promise<Stored> {
    const { account, violations } = this.#callers;
    await this.#callers.check();
    await this.#server.kill();
    this.#server = this.#startServer();
    await this.#server.ready();
    await this.#callers.readAll();

    const { code } = await this.#server.stop();
    if (code !== 0) violations.push({ kind: "answer", text: `SIGTERM ended the server with ${code}` });
    const stored = await checkStored(this.#file, account);
    for (const text of stored.faults) violations.push({ kind: "value", text });
    return stored;
  }
}
