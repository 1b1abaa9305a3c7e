import { Account } from "./account.ts";
import { Client, RunTally } from "./client.ts";
import type { Entry, Violation } from "./history.ts";
import type { Random } from "./random.ts";
import { FIRST, isPlainSum } from "./workload.ts";

/** Who call a server through its failures: each call until it is answered. They keep account of all they are told. */
export class Callers {
  readonly account = new Account();
  readonly tally = new RunTally();
  /** What was found wrong so far. */
  readonly violations: Violation[] = [];
  readonly #clients: Client[];
  readonly #sums = new Map<string, bigint>();
  #working: Promise<unknown> = Promise.resolve();
  #resting = false;

  /** @param port  where they find the server, always */
  constructor(port: number, random: Random) {
    const shared = {
      port,
      tally: this.tally,
      history: { add: (entry: Entry) => this.#record(entry) },
      report: (violation: Violation) => this.violations.push(violation),
    };
    this.#clients = Array.from({ length: CLIENTS }, () => new Client(shared, random.fork()));
  }

  /** Make the counters that have rules of their own, before anything else. */
  async makeCounters(): Promise<void> {
    for (const plan of FIRST) await this.#clients[0]!.do(plan);
  }

  /** Begin to call, and go on until they are to rest. */
  work(): void {
    this.#resting = false;
    this.#working = Promise.all(this.#clients.map((client) => client.work(() => this.#resting)));
    this.#working.catch(() => {}); // `rest` reports it.
  }

  /** Let every client finish what it is at. */
  async rest(): Promise<void> {
    this.#resting = true;
    await this.#working;
  }

  /** Let them rest, and check what they were told since the last check. */
  async check(): Promise<void> {
    await this.rest();
    this.violations.push(...this.account.check());
  }

  /** Read every counter, and check that each is where the account says, and the sum of what was asked of it. */
  async readAll(): Promise<void> {
    await this.check();
    const names = this.account.known.keys(); // One iterator for all clients: each takes the next.
    const readOn = async (client: Client) => {
      for (const name of names) await client.do({ kind: "single", name, asked: { verb: "read" } });
    };
    await Promise.all(this.#clients.map(readOn));
    await this.check();
    for (const [name, { value }] of this.account.known) {
      const sum = this.#sums.get(name) ?? 0n;
      if (isPlainSum(name) && (value ?? 0n) !== sum) {
        const kind = (value ?? 0n) < sum ? "lost" : "doubled";
        this.violations.push({ kind, text: `${name} is ${value}, and its operations sum up to ${sum}` });
      }
    }
  }

  /** Give up whatever is under way. */
  close(): void {
    this.#resting = true;
    for (const client of this.#clients) client.close();
  }

  /** Into the account, and into the sum of what was asked for: a second account, which uses no revisions. */
  #record(entry: Entry): void {
    this.account.add(entry);
    const { name, asked, told } = entry;
    if ("refused" in told) return;
    const amount = asked.verb === "add" ? asked.amount : asked.verb === "create" ? asked.value : 0n;
    this.#sums.set(name, (this.#sums.get(name) ?? 0n) + amount);
  }
}

const CLIENTS = 32;
