/**
 * npm run test:clocks [-- --seconds N]
 *
 * Goal: whatever the clock on the wall shows, no count is lost or doubled, no request id is forgotten early, and nothing
 * that a wrong clock hides is gone once it is right again. Where a server thinks it stands does not matter either.
 *
 * Method: a real server, in another time zone, whose clock libfaketime turns: by -400 days and by ten years, while it runs
 * and while it starts, under clients that retry until they are answered, for so many seconds each (20 unless told
 * otherwise). At each step requests of the beginning are sent again; counters that idle for 30 days are looked for. At
 * the end the clock is right, the log has every accepted change once, and leads to what is stored.
 *
 * In CI: `npm run test:clocks -- --seconds 2`. It needs libfaketime.
 */
import { strict as assert } from "node:assert";
import { globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { CalendarUnit } from "../../../gen/tally/v1/counter_pb.ts";
import { CallError } from "../../../src/client/call-error.ts";
import { RPC, TallyClient } from "../../../src/client/client.ts";
import { ZoneCalendar } from "../../../src/stores/shared/calendar.ts";
import { freePort } from "../../support/free-port.ts";
import { ServerProcess } from "../crash/server-process.ts";
import { logFaults, type Told } from "./log.ts";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "20" } } });
const seconds = Number(values.seconds);
if (!(seconds >= 1)) throw new TypeError(`expected --seconds N from 1, got ${values.seconds}`);

const DAY_MS = 24 * 3_600_000;
/** What is done to the clock, one after another. */
const STEPS = [
  { days: 0, restart: true }, // So that there is a time that was saved.
  { days: -400 },
  { days: 0 },
  { days: 3_650 },
  { days: 3_650, restart: true },
  { days: 0 },
  { days: -400, restart: true },
  { days: 0, restart: true },
];
const CLIENTS = 16;
const ELSEWHERE = "Pacific/Apia";
const BERLIN = "Europe/Berlin";
/** How far a clock that was just set may be from what it was set to: what an answer takes. */
const SET_WITHIN_MS = 60_000;

const days = (n: number) => ({ seconds: BigInt(n * 24 * 3_600) });
const calendarDay = { case: "calendar" as const, value: CalendarUnit.DAY };
/** What is counted in, and what is kept and not touched. */
const COUNTED = {
  plain: {},
  quota: { window: { span: calendarDay, timeZone: BERLIN } },
  minute: { window: { span: { case: "every" as const, value: { seconds: 60n } } } },
  bucket: { min: 0n, max: 1_000_000n, refill: { amount: 1_000n, every: { seconds: 1n } } },
  idle: { idleTtl: days(1) },
};
const KEPT = Array.from({ length: 20 }, (_, i) => `kept/${i}`);

const folder = mkdtempSync(join(tmpdir(), "tally-clocks-"));
const file = join(folder, "tally.db");
const shift = join(folder, "shift");
const port = await freePort();
setClock(0);
let server = start();
const client = new TallyClient({ server: `127.0.0.1:${port}`, timeoutMs: 120_000, attemptsMax: 1_000 });
const told = new Map<string, Told>();
try {
  await server.ready();
  await make();
  const first = await rememberSome();
  for (const { days: by, restart = false } of STEPS) {
    if (restart) assert.deepEqual(await server.stop(), { code: 0, signal: null }, server.output);
    setClock(by);
    const working = work(seconds * 1_000); // Also while it starts.
    if (restart) {
      server = start();
      await server.ready();
    }
    const shown = await timeShown();
    assert.ok(Math.abs(shown - Date.now() - by * DAY_MS) < SET_WITHIN_MS, `it shows ${new Date(shown)}`);
    const seen = await keptSeen();
    assert.equal(seen, by > 30 ? 0 : KEPT.length, `of the counters that idle for 30 days, by ${by} days`);
    for (const { request, value } of first) {
      const { outcome } = await client.call(RPC.increment, request);
      assert.deepEqual(
        [outcome!.replayed, outcome!.value],
        [true, value],
        `${request.requestId}, by ${by} days`,
      );
    }
    await working;
    assert.ok(server.running, server.output);
    if (by > 30 && !restart) assert.match(server.output, /jumped ahead by/);
    const what = `${restart ? "started" : "set"} by ${by} days`;
    console.log(`${what.padEnd(24)} ${opsTold()} accepted so far, ${seen} of ${KEPT.length} idle ones seen`);
  }
  assert.deepEqual(await server.stop(), { code: 0, signal: null }, server.output);
  const { faults, changes, rolls, expiries } = await logFaults(`sqlite:${file}`, told);
  for (const fault of faults) console.error(fault);
  assert.equal(faults.length, 0);
  console.log(
    `${changes} changes in the log, ${rolls} rolls, ${expiries} expiries: all that was accepted, once\nPASS`,
  );
} finally {
  client.close();
  if (server.running) await server.kill();
  rmSync(folder, { recursive: true });
}

function start(): ServerProcess {
  const faked = {
    LD_PRELOAD: library(),
    FAKETIME_TIMESTAMP_FILE: shift,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    TZ: ELSEWHERE,
  };
  const under = ["env", ...Object.entries(faked).map(([name, value]) => `${name}=${value}`)];
  return new ServerProcess({ port, store: `sqlite:${file}`, under });
}

function library(): string {
  const [found] = globSync("/usr/lib/*/faketime/libfaketime.so.1");
  assert.ok(found !== undefined, "libfaketime is needed");
  return found;
}

/** Whole at once: it is read at every look at the clock. */
function setClock(by: number): void {
  writeFileSync(`${shift}.new`, `${by < 0 ? "" : "+"}${by}d`);
  renameSync(`${shift}.new`, shift);
}

async function make(): Promise<void> {
  for (const [name, settings] of Object.entries(COUNTED)) {
    const { counter } = await client.call(RPC.createCounter, { name, ...settings });
    if (name !== "quota") continue;
    // Days in Berlin, wherever the server thinks it is.
    const window = { unit: "day" as const, timeZone: BERLIN, day: 1 };
    const expected = new ZoneCalendar(console.error).windowAt(window, timestampMs(counter!.createTime!))!;
    const { windowStart, windowEnd } = counter!;
    assert.deepEqual([timestampMs(windowStart!), timestampMs(windowEnd!)], [expected.start, expected.end]);
  }
  for (const [i, name] of KEPT.entries())
    await client.call(RPC.createCounter, { name, value: BigInt(i + 1), idleTtl: days(30) });
}

/** Requests that are sent again at each step. */
async function rememberSome() {
  const sent = [];
  for (const name of Object.keys(COUNTED)) {
    const request = { name, amount: 3n, requestId: `first-${name}` };
    const { outcome } = await client.call(RPC.increment, request);
    tell(name, 3n);
    sent.push({ request, value: outcome!.value });
  }
  return sent;
}

async function work(forMs: number): Promise<void> {
  const until = performance.now() + forMs;
  const names = Object.keys(COUNTED);
  const caller = async (n: number) => {
    for (let i = n; performance.now() < until; i++) {
      const name = names[i % names.length]!;
      try {
        const amount = BigInt(1 + (i % 3));
        await client.call(RPC.increment, { name, amount });
        tell(name, amount);
      } catch (error) {
        if (!(error instanceof CallError) || error.reason !== "ABOVE_MAX") throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => caller(n)));
}

function tell(name: string, amount: bigint): void {
  const { ops, sum } = told.get(name) ?? { ops: 0, sum: 0n };
  told.set(name, { ops: ops + 1, sum: sum + amount });
}

function opsTold(): number {
  return [...told.values()].reduce((sum, { ops }) => sum + ops, 0);
}

/** By a counter of its own: no change is earlier than the one before. */
async function timeShown(): Promise<number> {
  const name = `shown/${performance.now()}`;
  const { outcome } = await client.call(RPC.increment, { name });
  return timestampMs(outcome!.time!);
}

/** How many of them are there, each as it was made: one by one, and listed. */
async function keptSeen(): Promise<number> {
  const { results } = await client.call(RPC.batchGetCounters, { names: KEPT });
  const { counters } = await client.call(RPC.listCounters, { prefix: "kept/", pageSize: 100 });
  const found = results.flatMap(({ result }) => (result.case === "counter" ? [result.value] : []));
  for (const { name, value } of [...found, ...counters])
    assert.equal(value, BigInt(KEPT.indexOf(name) + 1), name);
  assert.equal(counters.length, found.length);
  return found.length;
}
