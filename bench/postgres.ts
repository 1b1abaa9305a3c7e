import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { binary } from "../test/support/postgres/programs.ts";
import { PostgresServer } from "../test/support/postgres/server.ts";
import { type Figure, rateOf } from "./figure.ts";
import { runPgbench } from "./load/pgbench.ts";
import { type Load, runLoad } from "./load/processes.ts";
import { describeMachine, idleShare, watchStolenCpu } from "./machine.ts";
import { counterName, type NameRange, TEN_THOUSAND } from "./names.ts";
import { optionsFrom } from "./options.ts";
import { othersLine, table } from "./report.ts";
import { cleanUpAtExit, makeDataDirectory, openTally, type Server } from "./servers.ts";
import { median } from "./stats.ts";
import { sumOf } from "./tally.ts";

/** `npm run bench:postgres`: Tally on PostgreSQL beside the same work done directly; see README.md in this folder. */

const HOT: NameRange = { count: 1, stride: 1 };
const AIMS = { hot: 10, random: 2 } as const;
type Spread = keyof typeof AIMS;
const SPREADS: Readonly<Record<Spread, NameRange>> = { hot: HOT, random: TEN_THOUSAND };

/** Of pgbench; more gave less. */
const CLIENTS = 32;

/** What one would write: a row a counter; and one that counts a request once. */
const PEERS = {
  update: "UPDATE peer SET value = value + 1 WHERE name = 'counter:' || lpad((:n)::text, 12, '0');",
  upsert:
    "BEGIN;\nINSERT INTO peer_ids VALUES (gen_random_uuid());\n" +
    "INSERT INTO peer VALUES ('counter:' || lpad((:n)::text, 12, '0'), 1) " +
    "ON CONFLICT (name) DO UPDATE SET value = peer.value + 1;\nCOMMIT;",
} as const;
type Peer = keyof typeof PEERS;

const options = optionsFrom(
  process.argv.slice(2),
  fileURLToPath(new URL("./RESULTS-postgres.md", import.meta.url)),
);
const { rounds, seconds } = options;
cleanUpAtExit();
const directory = makeDataDirectory();
const machine = describeMachine(directory);
const postgres = await PostgresServer.start({ shared_buffers: "256MB", max_wal_size: "2GB" });
process.on("exit", () => void postgres.kill());
const version = await postgres.sql("SELECT current_setting('server_version')");
await postgres.sql(
  "CREATE TABLE peer (name text PRIMARY KEY, value bigint NOT NULL) WITH (fillfactor = 70); " +
    "CREATE TABLE peer_ids (id uuid PRIMARY KEY); " +
    `INSERT INTO peer SELECT 'counter:' || lpad(n::text, 12, '0'), 0 FROM generate_series(0, ${TEN_THOUSAND.count}) n`,
);
const tally = await openTally(directory, postgres.url());

const stolenCpu = watchStolenCpu();
const idleShares: number[] = [];
const rates = new Map<string, number[]>();
const latencies = new Map<string, number[]>();
let acknowledged = 0n;

for (let round = 1; round <= rounds; round++) {
  for (const spread of Object.keys(SPREADS) as Spread[]) {
    for (const peer of Object.keys(PEERS) as Peer[]) {
      const { perSecond, averageMs } = await direct(peer, SPREADS[spread]);
      note(round, `${spread}, ${peer}`, perSecond, averageMs);
    }
    for (const operations of [1, 1000]) {
      idleShares.push(await idleShare());
      const figure = await loaded(tally, loadOf(operations, SPREADS[spread]));
      note(round, `${spread}, tally by ${operations}`, rateOf(figure), figure.p50Ms);
    }
  }
}
const text = report();
console.log(`\n${text}`);
if (options.out) writeFileSync(options.out, text);
await tally.close();
await postgres.dispose();
process.exit(0);

function direct(peer: Peer, { count }: NameRange) {
  const script = `\\set n random(0, ${count - 1})\n${PEERS[peer]}\n`;
  const path = binary("pgbench");
  return runPgbench({ path, conninfo: postgres.conninfo(), script, clients: CLIENTS, seconds, directory });
}

function loadOf(operations: number, names: NameRange): Load {
  if (operations === 1) {
    const options = { connections: 4, streams: 32, warmupMs: 1_000, seconds, names };
    return { program: "h2-unary", processes: 2, options };
  }
  const common = { operations, distribution: "uniform", names, warmupMs: 2_000, seconds } as const;
  return { program: "batch", processes: 1, options: { ...common, connections: 4, streams: 3 } };
}

/** Load, and then read all counters: their sum must be what was acknowledged so far, not one more or less. */
async function loaded(server: Server, load: Load): Promise<Figure> {
  const figure = await runLoad(load, server);
  acknowledged += BigInt(figure.acknowledged);
  const sum = await sumOf(server.port, TEN_THOUSAND);
  if (sum !== acknowledged) {
    throw new Error(`${acknowledged} increments were acknowledged, the counters add up to ${sum}`);
  }
  return figure;
}

function note(round: number, leg: string, rate: number, ms: number): void {
  rates.set(leg, [...(rates.get(leg) ?? []), rate]);
  latencies.set(leg, [...(latencies.get(leg) ?? []), ms]);
  console.log(`round ${round}  ${leg.padEnd(24)} ${rate.toFixed(0).padStart(9)} /s  ${ms.toFixed(2)} ms`);
}

function report(): string {
  const ratios = (Object.keys(SPREADS) as Spread[]).flatMap((spread) =>
    [1, 1000].flatMap((operations) =>
      (Object.keys(PEERS) as Peer[]).map((peer) => {
        const of = rates.get(`${spread}, tally by ${operations}`)!;
        const over = rates.get(`${spread}, ${peer}`)!;
        const values = of.map((rate, round) => rate / over[round]!);
        const range = `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
        return [
          `${spread}: tally by ${operations} : ${peer}`,
          `${median(values).toFixed(1)} (${range})`,
          `>= ${AIMS[spread]}`,
          median(values) >= AIMS[spread] ? "met" : "**missed**",
        ];
      }),
    ),
  );
  return [
    "# Tally on PostgreSQL",
    "",
    "Written by `npm run bench:postgres`; bench/README.md says what each leg shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...machine,
    `- PostgreSQL ${version}, fsync and synchronous_commit on, on the same machine; pgbench with ${CLIENTS} clients ` +
      "and prepared statements, Tally with 256 calls in flight",
    `- Run: ${rounds} rounds of all legs in turn, ${seconds} s a leg; medians over the rounds`,
    othersLine(idleShares, stolenCpu()),
    "",
    "## Aims",
    "",
    ...table(["ratio", "measured", "aim", ""], ratios),
    "",
    "## Figures",
    "",
    ...table(
      ["leg", "increments/s", "ms a call (median; pgbench: mean)"],
      [...rates].map(([leg, values]) => [
        leg,
        Math.round(median(values)).toLocaleString("en"),
        median(latencies.get(leg)!).toFixed(2),
      ]),
    ),
    "",
    `The counters added up to ${acknowledged.toLocaleString("en")} after every leg, all that was acknowledged. The first is ` +
      `${counterName(0)}, the hot one.`,
    "",
  ].join("\n");
}
