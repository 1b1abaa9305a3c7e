/**
 * npm run test:cut-off [-- --seconds N] [--how refused|silent] [--old]
 *
 * Goal: behind the balancer that docs/SCALING.md shows, an instance that is cut off from its database is left alone
 * within seconds, whether the way to the database refuses connections or swallows what is sent; callers hardly notice;
 * and it gets calls again when the way is open, though nobody touches it.
 *
 * Method: two instances on one PostgreSQL, one of them through a proxy; 32 workers, half over gRPC and half over REST,
 * increment through haproxy under request ids, again until they are answered. The proxy is cut for so many seconds (60
 * unless told otherwise), and opened again. Counted is how many attempts were refused; at the end each counter must
 * stand where its worker does.
 *
 * In CI: `npm run test:cut-off -- --seconds 12`. It needs PostgreSQL and haproxy. `--old` only measures.
 */
import { parseArgs } from "node:util";
import { Balancer } from "../../support/balancer.ts";
import { freePort } from "../../support/free-port.ts";
import { PostgresProxy } from "../../support/postgres/proxy.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { pause } from "../crash/server-process.ts";
import { Instance } from "./instance.ts";
import { Load } from "./load.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    how: { type: "string", default: "both" },
    old: { type: "boolean", default: false },
  },
});
const cutMs = Number(values.seconds) * 1_000;
if (!(cutMs >= 12_000)) throw new TypeError("expected 12 or more for --seconds");

const WORKERS = 32;
const WARM_MS = 2_000;
/** By then nobody is refused any more: two seconds until it is not ready, and the balancer's checks. */
const LEFT_ALONE_MS = 6_000;
/** And by then it has calls again. */
const BACK_MS = 8_000;
/** So long they go on with both. */
const WITH_BOTH_MS = 1_000;
/** Of the attempts in the whole time without the database. */
const REFUSED_SHARE_MAX = 0.02;

const closing: (() => Promise<unknown>)[] = [];
const faults: string[] = [];
try {
  const postgres = await PostgresServer.start();
  closing.push(() => postgres.dispose());
  const proxy = await PostgresProxy.start(postgres.port);
  closing.push(() => proxy.stop());
  const well = await Instance.start(postgres.url());
  closing.push(() => well.kill());
  const cutOff = await Instance.start(postgres.url({ port: proxy.port }));
  closing.push(() => cutOff.kill());
  const balancer = await Balancer.start([well.port, cutOff.port]);
  closing.push(() => balancer.stop());
  for (const how of values.how === "both" ? ["refused", "silent"] : [values.how]) {
    await run(how, balancer, proxy, postgres, cutOff);
  }
  for (const fault of faults) console.log(fault);
  console.log(values.old ? "measured" : faults.length === 0 ? "PASS" : "FAIL");
  process.exitCode = values.old || faults.length === 0 ? 0 : 1;
} finally {
  for (const close of closing.reverse()) await close();
}

async function run(
  how: string,
  balancer: Balancer,
  proxy: PostgresProxy,
  postgres: PostgresServer,
  cutOff: Instance,
): Promise<void> {
  const began = performance.now();
  const attempts: { status: string; at: number; ms: number }[] = [];
  const load = new Load((status, ms) => attempts.push({ status, at: performance.now() - began, ms }));
  for (let w = 0; w < WORKERS; w++) {
    load.add(balancer.port, w % 2 === 0 ? "grpc" : "rest", () => `${how}-${w}`);
  }
  await pause(WARM_MS);
  const nobody = await freePort();
  const cutAt = performance.now() - began;
  if (how === "silent") proxy.silent = true;
  else {
    proxy.target = nobody;
    proxy.cutAll();
  }
  await pause(cutMs);
  const readyzWhile = await readyz(cutOff.port);
  const openAt = performance.now() - began;
  proxy.silent = false;
  proxy.target = postgres.port;
  let back: number | undefined;
  while (back === undefined && performance.now() - began - openAt < BACK_MS) {
    if ((await readyz(cutOff.port)) === 200 && balancer.hasBoth) back = performance.now() - began - openAt;
    await pause(50);
  }
  await pause(WITH_BOTH_MS);
  await load.stop();
  const endAt = performance.now() - began;
  faults.push(...load.faults);
  await compare(load, postgres);

  const within = (from: number, to: number) => {
    const some = attempts.filter(({ at, ms }) => at - ms >= from && at - ms < to);
    const refused = some.filter(({ status }) => status !== "OK").length;
    const ms = some.map((each) => each.ms).sort((a, b) => a - b);
    return {
      rate: ((some.length - refused) / (to - from)) * 1_000,
      refused,
      share: refused / some.length,
      all: some.length,
      p99: ms[Math.floor(ms.length * 0.99)] ?? 0,
    };
  };
  const print = (name: string, { rate, refused, all, share, p99 }: ReturnType<typeof within>) =>
    console.log(
      `${name.padEnd(38)} ${rate.toFixed(0).padStart(6)}/s answered ${`${refused}`.padStart(7)} of ${`${all}`.padStart(7)} refused (${(100 * share).toFixed(2)} %)  p99 ${p99.toFixed(0)} ms`,
    );
  const last = attempts.filter(({ at, status }) => at >= cutAt && at < openAt && status !== "OK").at(-1);
  const whole = within(cutAt, openAt);
  const later = within(cutAt + LEFT_ALONE_MS, openAt);
  const after = within(openAt, endAt);
  console.log(
    `\n${how}: the way to the database ${how === "silent" ? "swallows what is sent" : "refuses connections"} for ${cutMs / 1_000} s`,
  );
  print("before", within(1_000, cutAt));
  print(`its first ${LEFT_ALONE_MS / 1_000} s`, within(cutAt, cutAt + LEFT_ALONE_MS));
  print("after these", later);
  print("all of it", whole);
  print(`the ${((endAt - openAt) / 1_000).toFixed(0)} s after it`, after);
  console.log(
    `last refused ${last === undefined ? "never" : `${((last.at - cutAt) / 1_000).toFixed(1)} s after the cut`}; /readyz of it meanwhile ${readyzWhile}; back ${back === undefined ? "never" : `after ${(back / 1_000).toFixed(1)} s`}`,
  );
  const statuses = Map.groupBy(attempts, ({ status }) => status);
  console.log([...statuses].map(([status, each]) => `${status}: ${each.length}`).join(", "));
  if (later.refused > 0)
    faults.push(`${how}: ${later.refused} attempts were refused when it had to be left alone`);
  if (whole.share > REFUSED_SHARE_MAX)
    faults.push(`${how}: ${(100 * whole.share).toFixed(1)} % were refused`);
  if (readyzWhile !== 503) faults.push(`${how}: /readyz said ${readyzWhile} without a database`);
  if (back === undefined) faults.push(`${how}: it got no calls again within ${BACK_MS} ms`);
}

/** Each counter stands where its worker does; the last increment of each may have been made without an answer. */
async function compare(load: Load, postgres: PostgresServer): Promise<void> {
  const rows = await postgres.sql("SELECT name || ' ' || value FROM tally.counters", "tally");
  const stored = new Map(rows.split("\n").map((row) => row.split(" ") as [string, string]));
  for (const [name, counted] of load.counted) {
    const open = BigInt(stored.get(name) ?? 0) - counted;
    if (open !== 0n && open !== 1n)
      faults.push(`${name} was counted ${counted} times and stands at ${stored.get(name)}`);
  }
}

async function readyz(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: "close" } });
  await response.text();
  return response.status;
}
