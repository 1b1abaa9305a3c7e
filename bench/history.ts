import { rmSync, writeFileSync } from "node:fs";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { HistoryService } from "../gen/tally/v1/history_service_pb.ts";
import { ChangeColumns, ChangeKind } from "../src/core/change.ts";
import { CommitColumns } from "../src/core/commit-columns.ts";
import { BUCKET_MS, bucketStart, Level } from "../src/core/levels.ts";
import { DEFAULT_RETENTION } from "../src/service/store.ts";
import { DEFAULT_HISTORY, type HistoryQuery } from "../src/service/store-history.ts";
import type { LoggedCounter, LogPage } from "../src/service/store-log.ts";
import { openStore } from "../src/stores/open.ts";
import { HistoryConnection } from "../src/stores/sqlite/history/connection.ts";
import { historyPathOf } from "../src/stores/sqlite/history/path.ts";
import { SYSTEM_CLOCK } from "../src/system-clock.ts";
import { cpuUsOf, type Figure, rateOf } from "./figure.ts";
import { type Load, runLoad } from "./load/processes.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { fill } from "./million/fill.ts";
import { counterName, TEN_THOUSAND } from "./names.ts";
import { optionsFrom } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, databaseIn, makeDataDirectory, openTally, type Server } from "./servers.ts";
import { median, quantile } from "./stats.ts";
import { openCaller } from "./tally.ts";
import type { Distribution } from "./zipf.ts";

/** `npm run bench:history`: what history costs on SQLite, and how soon it answers; see README.md in this folder. */

const options = optionsFrom(
  ["--rounds", "15", "--seconds", "4", ...process.argv.slice(2)],
  "bench/RESULTS-history.md",
);
const rounds = options.quick ? 1 : options.rounds;
cleanUpAtExit();
const machine = describeMachine(makeDataDirectory());
const stolenCpu = watchStolenCpu();
const idleShares: number[] = [];
const MINUTE = BUCKET_MS[Level.MINUTE];
const HOUR = 60 * MINUTE;
const DAY = BUCKET_MS[Level.DAY];
/** Of a thousand operations each, on 952 of 10,000 counters. */
const CALLS_OF_100_000 = 105;

/** A history that is fed with changes that nobody made. */
class History {
  readonly #connection: HistoryConnection;
  readonly #path: string;
  readonly #now: number;
  #position = 0;

  private constructor(path: string, now: number) {
    this.#path = path;
    this.#now = now;
    const options = DEFAULT_HISTORY;
    this.#connection = new HistoryConnection({ path, options, startId: v7(), now, expected: false });
  }

  static async open(now: number): Promise<History> {
    const path = databaseIn(makeDataDirectory());
    const given = { clock: SYSTEM_CLOCK, newUid: v7, retention: DEFAULT_RETENTION, cachedCountersMax: 0 };
    const store = await openStore(`sqlite:${path}`, {
      ...given,
      history: DEFAULT_HISTORY,
      warn: console.error,
    });
    await store.close();
    rmSync(historyPathOf(path));
    return new History(path, now);
  }

  /** Have counters incremented by 1 at each step. */
  count(names: readonly string[], from: number, everyMs: number): void {
    const counterIds = BigInt64Array.from(names, (_, i) => BigInt(i + 1));
    const met = new Map<number, LoggedCounter>(
      names.map((name, i) => [i, { name, uid: v7(), history: true, untracked: false }]),
    );
    this.#connection.begin();
    let revision = 0;
    for (let time = from; time < this.#now; time += everyMs) {
      revision++;
      const changes = new ChangeColumns(names.length);
      for (let i = 0; i < names.length; i++)
        changes.push(i, ChangeKind.ADD, BigInt(revision - 1), BigInt(revision), revision, time);
      const commits = new CommitColumns({
        ends: Uint32Array.of(names.length),
        positions: Float64Array.of(++this.#position),
        numbers: undefined,
        times: Float64Array.of(time),
        counterIds,
        changes,
      });
      const page: LogPage = { commits, openings: false, dropped: false, cursor: `${this.#position}` };
      this.#connection.take(page, revision === 1 ? met : new Map(), performance.now());
      while (revision % 60 === 0 && this.#connection.maintain(time, performance.now()));
    }
    this.#connection.seal();
    while (this.#connection.maintain(this.#now, performance.now()));
    this.#connection.seal();
  }

  /** What of its file is in use: a year that is taken in within a minute leaves free what its minutes had. */
  get bytes(): number {
    const file = new Database(historyPathOf(this.#path), { readonly: true });
    const [pages, free, size] = ["page_count", "freelist_count", "page_size"].map((name) =>
      Number(file.pragma(name, { simple: true })),
    );
    file.close();
    return (pages! - free!) * size!;
  }

  /** The median of how long an answer takes the thread, in milliseconds of processor time. */
  time(asked: HistoryQuery): number {
    const times: number[] = [];
    for (let i = 0; i < 11; i++) {
      const begun = process.cpuUsage();
      const answer = this.#connection.query(asked, this.#now);
      const { user, system } = process.cpuUsage(begun);
      times.push((user + system) / 1_000);
      if ("refused" in answer) throw new Error(`expected points, got ${answer.refused}`);
      if (answer.points.changes.every((changes) => changes === 0))
        throw new Error("expected changes, got none");
    }
    return median(times);
  }
}

const text = [
  "# History on SQLite",
  "",
  "Written by `npm run bench:history`; bench/README.md says what each part shows.",
  "",
  `- Date: ${new Date().toISOString().slice(0, 10)}`,
  ...machine,
  ...(await part("pairs", pairs)),
  ...(await part("behind", behind)),
  ...(await part("answers", answers)),
  "",
].join("\n");
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
process.exit(0); // Which ends the servers.

async function part(name: string, lines: () => Promise<string[]>): Promise<string[]> {
  return options.only.length === 0 || options.only.includes(name) ? [...(await lines()), ""] : [];
}

/** Batches with history on against off: two servers side by side, of which one at a time is loaded. */
async function pairs(): Promise<string[]> {
  type Which = "on" | "off";
  const servers: Record<Which, Server> = { on: await filled(true), off: await filled(false) };
  const measured: Record<Distribution, Record<Which, Figure>[]> = { uniform: [], zipf: [] };
  for (let round = 1; round <= rounds; round++) {
    idleShares.push(await idleShare());
    for (const distribution of ["uniform", "zipf"] as const) {
      const order: Which[] = round % 2 === 0 ? ["off", "on"] : ["on", "off"];
      const pair: Partial<Record<Which, Figure>> = {};
      for (const which of order) pair[which] = await runLoad(batches(distribution), servers[which]);
      measured[distribution].push(pair as Record<Which, Figure>);
      const ratio = (of: (figure: Figure) => number) => (of(pair.on!) / of(pair.off!)).toFixed(3);
      console.log(
        `pair ${round}  ${distribution.padEnd(8)} rate ${ratio(rateOf)}, processor time ${ratio(cpuUsOf)}`,
      );
    }
  }
  await Promise.all([servers.on.close(), servers.off.close()]);
  const rows = (of: (figure: Figure) => number, digits: number) =>
    (["uniform", "zipf"] as const).map((distribution) => {
      const each = measured[distribution];
      const ratios = each.map(({ on, off }) => of(on) / of(off));
      const medians = (["on", "off"] as const).map((which) => median(each.map((pair) => of(pair[which]))));
      return [
        distribution,
        ...medians.map((value) => value.toLocaleString("en", { maximumFractionDigits: digits })),
        median(ratios).toFixed(3),
        `${quantile(ratios, 0.25).toFixed(3)} to ${quantile(ratios, 0.75).toFixed(3)}`,
      ];
    });
  return [
    othersLine(idleShares, stolenCpu()),
    "",
    `BatchApply of 1,000 on 10,000 names, ${rounds} interleaved pairs of ${options.seconds} s; the aim is 0.9:`,
    "",
    ...table(["names", "on, op/s", "off, op/s", "on : off, median", "quartiles"], rows(rateOf, 0)),
    "",
    "Processor time of all threads of the server, which others on the machine disturb less:",
    "",
    ...table(["names", "on, us/op", "off, us/op", "on : off, median", "quartiles"], rows(cpuUsOf, 2)),
  ];
}

/** How far history is behind what is counted, and how soon it is level when there is nothing more to count. */
async function behind(): Promise<string[]> {
  const server = await filled(true);
  const loads = [
    { what: "100,000 changes a second", seconds: options.quick ? 5 : 60, callsPerSecond: CALLS_OF_100_000 },
    { what: "full load", seconds: options.quick ? 5 : 300, callsPerSecond: undefined },
  ];
  const rows: string[][] = [];
  for (const { what, seconds, callsPerSecond } of loads) {
    const { program, processes, options: its } = batches("uniform");
    const load = { program, processes, options: { ...its, seconds, callsPerSecond } } as Load;
    let [ended, furthest] = [false, 0];
    const running = runLoad(load, server).finally(() => {
      ended = true;
    });
    while (!ended) {
      const asked = Date.now();
      const complete = Math.min(asked, await completeTime(server));
      furthest = Math.max(furthest, Date.now() - complete);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    const figure = await running;
    const done = Date.now();
    while ((await completeTime(server)) < done);
    const level = Date.now() - done;
    rows.push([
      what,
      rateOf(figure).toLocaleString("en", { maximumFractionDigits: 0 }),
      `${(furthest / 1_000).toFixed(2)} s`,
      `${(level / 1_000).toFixed(2)} s`,
    ]);
    console.log(rows.at(-1)!.join("  "));
  }
  await server.close();
  return [
    "How long it took until history had what was acknowledged before it was asked for, at most, asked four times a second; the",
    "aims are 2 s at 100,000 changes a second, and to be level within a minute after five minutes of full load:",
    "",
    ...table(["under", "op/s", "behind, at most", "level after"], rows),
  ];
}

/** Up to when an answer is complete, and nothing is missing. */
async function completeTime(server: Server): Promise<number> {
  const caller = await openCaller(server.port);
  const answer = await caller.call(HistoryService.method.queryHistory, {
    subject: { case: "name", value: counterName(0) },
    step: { case: "every", value: { seconds: 60n } },
  });
  caller.close();
  if (answer.points.some(({ gap }) => gap)) throw new Error("history has a gap");
  return timestampMs(answer.completeTime!);
}

function batches(distribution: Distribution): Load {
  return {
    program: "batch",
    processes: 1,
    options: {
      ...{ operations: 1_000, distribution, names: TEN_THOUSAND },
      ...{ connections: 4, streams: 3, warmupMs: 1_000, seconds: options.seconds },
    },
  };
}

async function filled(history: boolean): Promise<Server> {
  const directory = makeDataDirectory();
  await fill(directory, TEN_THOUSAND);
  return openTally(directory, undefined, undefined, ["--history", `${history}`]);
}

/** Synthetic histories, made by the code that makes real ones, and what is asked of them. */
async function answers(): Promise<string[]> {
  const now = bucketStart(Level.DAY, Date.now()) + 20 * HOUR;
  const minutes = await History.open(now);
  minutes.count(["minutely"], now - 365 * DAY, BUCKET_MS[Level.MINUTE]);
  const bytes = minutes.bytes;
  const day = minutes.time({
    of: { name: "minutely" },
    level: Level.MINUTE,
    edges: edges(now - DAY, now, MINUTE),
  });
  const many = await History.open(now);
  many.count(
    Array.from({ length: 1_000 }, (_, i) => `many.${i}`),
    now - 31 * DAY,
    BUCKET_MS[Level.QUARTER],
  );
  const prefix = { prefix: "many." };
  const week = many.time({ of: prefix, level: Level.QUARTER, edges: edges(now - 7 * DAY, now, HOUR) });
  const month = many.time({ of: prefix, level: Level.QUARTER, edges: edges(now - 31 * DAY, now, HOUR) });
  const inMs = (ms: number) => `${ms.toFixed(1)} ms`;
  return table(
    ["asked", "took", "aim"],
    [
      ["a counter's day by minutes", inMs(day), "10 ms"],
      [
        "a prefix of 1,000 counters, each changing every quarter of an hour: a week by hours",
        inMs(week),
        "300 ms",
      ],
      ["the same, 31 days by hours", inMs(month), "1,500 ms"],
      ["a counter that counts once a minute, for a year: its file", `${(bytes / 1e6).toFixed(2)} MB`, "1 MB"],
    ],
  );
}

function edges(from: number, to: number, step: number): Float64Array {
  return Float64Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
}
