import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { EXIT } from "../../../src/cli/exit.ts";
import { freePort } from "../../support/free-port.ts";
import { describeWith } from "../../support/needs.ts";
import { Account } from "../crash/account.ts";
import { Client, RunTally } from "../crash/client.ts";
import { Unanswered } from "../crash/connection.ts";
import type { Entry, Violation } from "../crash/history.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { pause, ServerProcess } from "../crash/server-process.ts";
import { checkStored } from "../crash/stored.ts";
import { FIRST } from "../crash/workload.ts";
import { Caller } from "./calls.ts";
import { FULL } from "./full.ts";
import { type Failure, failing, STRACE, seenIn } from "./strace.ts";

/** How long the process may live on after the disk failed. */
const END_WITHIN_MS = 1_000;
/** How long it may take until it fails: a checkpoint comes after some thousand pages. */
const FAIL_WITHIN_MS = 40_000;

describeWith([STRACE], "a disk error", () => {
  /**
   * Goal: the change whose fsync failed is not acknowledged, nothing is after it, and every change counts once in
   * the end.
   *
   * Method: one caller, so that each commit is one call; the N-th fsync of the WAL fails. strace says when.
   */
  const fsyncs = FULL ? Array.from({ length: 20 }, (_, n) => 20 + 7 * n) : [20, 27];
  test.for(fsyncs)(
    "fsync %i fails: that call's outcome is unknown, and a retry counts it once",
    async (when) => {
      const disk = await Disk.make();
      const server = await disk.serveFailing({ syscall: "fsync", path: `${disk.file}-wal`, when });
      const calls: { id: string; from: number; to: number; value: bigint | string }[] = [];
      while (server.running && calls.length < 1_000) {
        const id = `call-${calls.length}`;
        const from = Date.now();
        const value = await incrementOnce(disk.port, id);
        calls.push({ id, from, to: Date.now() + 1, value });
        if (typeof value === "string") await pause(5); // Nobody answers any more.
      }
      const failed = await disk.failed(server, EXIT.STORE_FAILED);

      const hit = calls.findIndex(({ from, to }) => from <= failed && failed <= to);
      expect(calls[hit], "the call during which the fsync failed").toBeDefined();
      expect(["OUTCOME_UNKNOWN", "unanswered"]).toContain(calls[hit]!.value);
      for (const { value } of calls.slice(hit)) expect(value).toBeTypeOf("string");
      for (const [n, { value }] of calls.slice(0, hit).entries()) expect(value).toBe(BigInt(n + 1));

      await disk.serve();
      for (const [n, { id }] of calls.entries())
        expect(await incrementOnce(disk.port, id)).toBe(BigInt(n + 1));
      expect(await incrementOnce(disk.port, "another")).toBe(BigInt(calls.length + 1));
    },
  );

  /**
   * Goal: the same under load, also where no caller waits for the disk: in a checkpoint, whose fsyncs are those of
   * the data file itself.
   *
   * Method: 32 clients of the crash test; one system call fails; the server is started again, the clients go on,
   * and their histories are checked like after a kill.
   */
  const FAILURES = [
    { what: "an fsync of the WAL", syscall: "fsync", suffix: "-wal", when: 40 },
    { what: "a write to the WAL", syscall: "pwrite64", suffix: "-wal", when: 1_000 },
    { what: "an fsync of a checkpoint", syscall: "fsync", suffix: "", when: 2 }, // The first is the start's own.
    { what: "a write of a checkpoint", syscall: "pwrite64", suffix: "", when: 50 },
  ] as const;
  test.for(FAILURES)(
    "$what fails under load: the process ends, and nothing is lost or counts twice",
    async ({ syscall, suffix, when }) => {
      const seed = freshSeed();
      const disk = await Disk.make();
      const load = new Load(disk.port, seed);
      await disk.serve();
      await load.begin();
      await disk.stop();

      const server = await disk.serveFailing({ syscall, path: disk.file + suffix, when });
      load.goOn();
      await disk.failed(server, EXIT.STORE_FAILED);
      await disk.serve();
      await load.end();
      expect(load.violations, `seed ${seed}`).toEqual([]);
      const { unanswered, refusals } = load.tally;
      if (suffix === "-wal") expect(unanswered + (refusals.get("OUTCOME_UNKNOWN") ?? 0)).toBeGreaterThan(0);
      await disk.stop();
      expect((await checkStored(disk.file, load.account)).faults, `seed ${seed}`).toEqual([]);
    },
  );

  /**
   * Goal: a full disk is no failed one: the call was certainly not applied, may be tried again and counts once, and
   * the operator is told.
   *
   * Method: one write to the WAL finds no space left.
   */
  test("the disk is full for a moment: the process goes on, says so in its log, and a retry counts once", async () => {
    const disk = await Disk.make();
    const path = `${disk.file}-wal`;
    const server = await disk.serveFailing({ syscall: "pwrite64", path, when: 40, error: "ENOSPC" });
    const values: (bigint | string)[] = [];
    while (!values.includes("STORE_UNAVAILABLE") && values.length < 100)
      values.push(await incrementOnce(disk.port, `call-${values.length}`));
    const hit = values.length - 1;
    expect(values[hit]).toBe("STORE_UNAVAILABLE");
    await expect.poll(() => server.output).toMatch(/"event":"store\.commit_failed".*SQLITE_FULL/); // Beside the answer.
    expect(await incrementOnce(disk.port, `call-${hit}`)).toBe(BigInt(hit + 1));
    expect(await incrementOnce(disk.port, "another")).toBe(BigInt(hit + 2));
    await disk.stop();
  });

  /** Goal: what a kill left in the WAL is served only once it is safely in the file. */
  test.for(["-wal", ""])(
    "an fsync of tally.db%s fails while a killed server starts again: it says so and ends",
    async (suffix) => {
      const disk = await Disk.make();
      const killed = await disk.serve();
      expect(await incrementOnce(disk.port, "before")).toBe(1n);
      await killed.kill();

      const server = disk.start(failing({ syscall: "fsync", path: disk.file + suffix, when: 1 }, disk.log));
      await disk.failed(server, EXIT.STORE_UNREACHABLE);
      expect(server.output).toMatch(/^tally: .+\.$/m);

      await disk.serve();
      expect(await incrementOnce(disk.port, "before")).toBe(1n);
      expect(await incrementOnce(disk.port, "after")).toBe(2n);
    },
  );
});

/** A data file in a folder of its own, and the servers on it. */
class Disk {
  readonly port: number;
  readonly file: string;
  readonly #directory: string;
  #server: ServerProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.file = join(directory, "tally.db");
    this.port = port;
  }

  /** With an empty data file. */
  static async make(): Promise<Disk> {
    const disk = new Disk(await mkdtemp(join(tmpdir(), "tally-disk-")), await freePort());
    onTestFinished(() => disk.#dispose());
    await disk.serve();
    await disk.stop();
    return disk;
  }

  get log(): string {
    return join(this.#directory, "strace");
  }

  start(under: readonly string[] = []): ServerProcess {
    this.#server = new ServerProcess({ port: this.port, store: `sqlite:${this.file}`, under });
    return this.#server;
  }

  async serve(): Promise<ServerProcess> {
    const server = this.start();
    await server.ready();
    return server;
  }

  async serveFailing(failure: Failure): Promise<ServerProcess> {
    const server = this.start(failing(failure, this.log));
    await server.ready();
    return server;
  }

  async stop(): Promise<void> {
    expect(await this.#server!.stop()).toEqual({ code: 0, signal: null });
  }

  /** Wait for the end of a failing server, in time and with an exit code. @returns when the disk failed */
  async failed(server: ServerProcess, code: number): Promise<number> {
    const exit = await Promise.race([server.exited, pause(FAIL_WITHIN_MS)]);
    expect(exit, server.output).toEqual({ code, signal: null });
    await pause(100); // strace writes down the end after it.
    const { failed, ended } = seenIn(this.log);
    expect(ended! - failed!).toBeLessThan(END_WITHIN_MS);
    return failed!;
  }

  async #dispose(): Promise<void> {
    if (this.#server?.running) await this.#server.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** The value after an Increment of "c" by 1 under a request id, the reason it was refused, or "unanswered". */
async function incrementOnce(port: number, requestId: string): Promise<bigint | string> {
  try {
    const caller = await Caller.on(port);
    const answer = await caller.call(CounterService.method.increment, { name: "c", requestId });
    caller.close();
    return answer.ok ? answer.message.outcome!.value : (answer.reason ?? "unanswered");
  } catch (error) {
    if (error instanceof Unanswered) return "unanswered";
    throw error;
  }
}

/** The clients of the crash test. */
class Load {
  readonly tally = new RunTally();
  readonly account = new Account();
  readonly violations: Violation[] = [];
  readonly #clients: Client[];
  #working: Promise<unknown> = Promise.resolve();
  #resting = false;

  constructor(port: number, seed: number) {
    const random = seededRandom(seed);
    const { tally } = this;
    const history = { add: (entry: Entry) => this.account.add(entry) };
    const report = (violation: Violation) => void this.violations.push(violation);
    const run = { port, tally, history, report };
    this.#clients = Array.from({ length: 32 }, () => new Client(run, random.fork()));
    onTestFinished(() => this.#close());
  }

  /** Make the counters that have bounds. */
  async begin(): Promise<void> {
    for (const plan of FIRST) await this.#clients[0]!.do(plan);
  }

  goOn(): void {
    this.#working = Promise.all(this.#clients.map((client) => client.work(() => this.#resting)));
    this.#working.catch(() => {}); // end() reports it.
  }

  async end(): Promise<void> {
    this.#resting = true;
    await this.#working;
    this.violations.push(...this.account.check());
  }

  #close(): void {
    this.#resting = true;
    for (const client of this.#clients) client.close();
  }
}
