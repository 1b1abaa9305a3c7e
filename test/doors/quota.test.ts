/**
 * A quota of five a day in Berlin, through both changes of the clocks of 2026: never a sixth on one local day, and never
 * fewer than five, by whichever door; on PostgreSQL by ten instances whose clocks differ, for there the database's decides.
 */
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, it, onTestFinished } from "vitest";
import {
  RateLimitResponse_Code as Code,
  RateLimitService,
} from "../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { CalendarUnit } from "../../gen/tally/v1/counter_pb.ts";
import { RPC, TallyClient } from "../../src/client/client.ts";
import { loadConfig } from "../../src/config.ts";
import { startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";
import { folder } from "../cli/process/tally.ts";
import { HandClock } from "../support/clock.ts";
import { describeWith } from "../support/needs.ts";
import { underHandClock } from "../support/postgres/hand-clock.ts";
import { STORES, type StoreKind } from "../support/stores.ts";
import { ENGINES } from "../transports/engine.ts";

const HOUR = 3_600_000;
const MAX = 5;
/** As Envoy calls the counter of a user, too. */
const MAILS = "mails/user/ada";
const ZONE = "Europe/Berlin";
const INSTANCES = 10;
const CLOCKS_APART_MS = 500;
/** At once, at each instant: by each way into each instance, and more than there is on two days. */
const ASKS = 4 * INSTANCES;

/**
 * The local days to go through, with their lengths in hours, and when the first of them begins. Servers take turns with
 * what carries HTTP/2, from this engine on.
 */
const CHANGES = [
  { what: "clocks go forward", begin: "2026-03-27T23:00:00Z", hours: [24, 23, 24], engine: 0 },
  { what: "clocks go back", begin: "2026-10-23T22:00:00Z", hours: [24, 25, 24], engine: 1 },
];

const inBerlin = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, dateStyle: "short" });

for (const kind of STORES) {
  describeWith(kind.needs, kind.name, () => {
    it.each(CHANGES)(
      "five on each day in Berlin when $what, never a sixth",
      async ({ begin, hours, engine }) => {
        let now = Date.parse(begin);
        const { doors, set } = await served(kind, now, engine);
        const client = doors[0]!.client;
        const window = { span: { case: "calendar" as const, value: CalendarUnit.DAY }, timeZone: ZONE };
        await client.call(RPC.createCounter, { name: MAILS, max: BigInt(MAX), window });

        const taken = new Map<string, number>();
        const ask = async () => {
          const ways = doors.flatMap((door) => door.ways);
          const each = Array.from({ length: ASKS }, (_, i) => ways[i % ways.length]!());
          for (const time of await Promise.all(each)) {
            if (time === undefined) continue;
            const day = inBerlin.format(time);
            taken.set(day, (taken.get(day) ?? 0) + 1);
          }
        };
        const days: string[] = [];
        for (const length of hours) {
          days.push(inBerlin.format(now));
          const end = now + length * HOUR;
          for (const instant of [now + 1, end - CLOCKS_APART_MS, end - 1]) {
            await set(instant);
            await ask();
            expect(taken.get(days.at(-1)!), `${instant}`).toBe(MAX);
          }
          const asked = ask(); // Midnight comes while they are asking.
          await set(end);
          await asked;
          now = end;
        }
        expect(Object.fromEntries([...taken].slice(0, days.length))).toEqual(
          Object.fromEntries(days.map((day) => [day, MAX])),
        );
      },
    );
  });
}

/** What of an answer over REST is looked at. */
interface Body {
  readonly outcome: { readonly time: string };
  readonly allowed?: boolean;
  readonly status: { readonly resetTime: string };
}

/** What tells when it took one; undefined where it was refused. */
type Way = () => Promise<number | undefined>;

/** One server on a store of this kind, or ten where several can share it, each with its ways to ask for one. */
async function served(kind: StoreKind, now: number, engine: number) {
  const shared = kind.name === "postgres";
  const made = await kind.newUrl(folder());
  const database = shared ? await underHandClock(made) : undefined;
  if (database !== undefined) onTestFinished(() => database.end());
  await database?.set(now);
  const count = shared ? INSTANCES : 1;
  const apart = (i: number) => (count === 1 ? 0 : CLOCKS_APART_MS * ((2 * i) / (count - 1) - 1));
  const clocks = Array.from({ length: count }, (_, i) => new HandClock(now + apart(i)));
  const doors = [];
  let shown = now;
  for (const [i, clock] of clocks.entries()) {
    const http2 = ENGINES[(engine + i) % ENGINES.length]!;
    const flags = { listen: "127.0.0.1:0", "http2-engine": http2, store: database?.url ?? made };
    const { config } = loadConfig({ flags, env: {} });
    const server = await startServer(config, { telemetry: NO_TELEMETRY, clock });
    onTestFinished(() => server.close());
    doors.push(doorsOf(server.address.port, () => shown));
  }
  return {
    doors,
    async set(at: number) {
      shown = at;
      await database?.set(at);
      for (const [i, clock] of clocks.entries()) clock.advance(at + apart(i) - clock.now());
    },
  };
}

/** @param now  what the clock shows that decides */
function doorsOf(port: number, now: () => number): { client: TallyClient; ways: Way[] } {
  const client = new TallyClient({ server: `127.0.0.1:${port}`, timeoutMs: 60_000 });
  onTestFinished(() => client.close());
  // What certainly was not applied is sent again, as the client does it of itself: ten instances want one row.
  const post = async (path: string) => {
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      const text = await answer.text();
      const notApplied = text.includes('"STORE_UNAVAILABLE"') || text.includes('"QUEUE_FULL"');
      if (!notApplied) return { status: answer.status, body: JSON.parse(text) as Body };
    }
  };
  const grpc: Way = async () => {
    try {
      const { outcome } = await client.call(RPC.increment, { name: MAILS });
      return timestampMs(outcome!.time!);
    } catch (error) {
      expect(error).toMatchObject({ reason: "ABOVE_MAX" });
      return undefined;
    }
  };
  const rest: Way = async () => {
    const { status, body } = await post(`/v1/counters/${encodeURIComponent(MAILS)}:increment`);
    if (status === 200) return Date.parse(body.outcome.time);
    const said = JSON.stringify(body);
    expect(said, said).toContain("ABOVE_MAX");
    return undefined;
  };
  const take: Way = async () => {
    const { status, body } = await post(`/v1/limits/${encodeURIComponent(MAILS)}:take`);
    expect([200, 429], JSON.stringify(body)).toContain(status);
    expect(body.allowed ?? false).toBe(status === 200);
    return status === 200 ? Date.parse(body.status.resetTime) - 1 : undefined;
  };
  const envoy: Way = async () => {
    const descriptors = [{ entries: [{ key: "user", value: "ada" }] }];
    const { overallCode, statuses } = await client.call(RateLimitService.method.shouldRateLimit, {
      domain: "mails",
      descriptors,
    });
    expect([Code.OK, Code.OVER_LIMIT]).toContain(overallCode);
    if (overallCode !== Code.OK) return undefined;
    return now() + durationMs(statuses[0]!.durationUntilReset!) - HOUR; // It says when that day ends, and not when it was.
  };
  return { client, ways: [grpc, rest, take, envoy] };
}
