/** QueryHistory, ListChanges and GetCounter as of a time: what is asked of a store's history, and what is made of it. */
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { CalendarUnit } from "../../gen/tally/v1/counter_pb.ts";
import { ChangeKind, HistoryFill } from "../../gen/tally/v1/history_service_pb.ts";
import { Level } from "../../src/core/levels.ts";
import type { Points } from "../../src/core/points.ts";
import { fronted } from "../../src/service/fronted.ts";
import type { History, HistoryQuery, HistoryRefusal } from "../../src/service/store-history.ts";
import { Slices } from "../../src/transports/calls/slices.ts";
import { type Opened, open, refusal } from "./door.ts";
import { send } from "./http.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOON = Date.parse("2026-03-29T12:00:00Z");

const name = (value: string) => ({ case: "name" as const, value });
const prefix = (value: string) => ({ case: "prefix" as const, value });
const every = (ms: number) => ({ case: "every" as const, value: durationFromMs(ms) });
const calendar = (value: CalendarUnit) => ({ case: "calendar" as const, value });

/** A server at noon, and the time set. */
async function opened(options: Parameters<typeof open>[0] = {}): Promise<Opened> {
  const server = await open(options);
  server.clock.advance(NOON - server.clock.now());
  return server;
}

/** A server whose history answers as it is told, and what it was asked. */
async function told(history: Partial<History>) {
  const asked: HistoryQuery[] = [];
  const server = await opened({
    store: (store) =>
      fronted(store, {
        history: {
          ...(store.history as History),
          query: async (query) => {
            asked.push(query);
            return { refused: "EXPIRED", oldest: NOON };
          },
          ...history,
        },
      }),
  });
  return { server, asked };
}

describe("QueryHistory", () => {
  it("gives a point a step, from the first counter of the name to the step of now", async () => {
    await using server = await opened();
    const { client, clock } = server;
    await client.increment({ name: "a", amount: 5n });
    clock.advance(90 * MINUTE);
    await client.decrement({ name: "a", amount: 2n });
    clock.advance(2 * HOUR);
    const { points, completeTime, counters } = await client.queryHistory({ subject: name("a") });
    expect(points).toMatchObject([
      {
        open: "0",
        close: "5",
        low: "5",
        high: "5",
        added: "5",
        removed: "0",
        changes: 1n,
        inProgress: false,
      },
      {
        open: "5",
        close: "3",
        low: "3",
        high: "3",
        added: "0",
        removed: "2",
        changes: 1n,
        inProgress: false,
      },
      {
        open: "3",
        close: "3",
        low: "3",
        high: "3",
        added: "0",
        removed: "0",
        changes: 0n,
        inProgress: false,
      },
      { open: "3", close: "3", low: "3", high: "3", added: "0", removed: "0", changes: 0n, inProgress: true },
    ]);
    expect(points[0]!.start).toEqual(timestampFromMs(NOON));
    expect(points[3]!.end).toEqual(timestampFromMs(NOON + 4 * HOUR));
    expect(completeTime).toEqual(timestampFromMs(clock.now()));
    expect(counters).toMatchObject([{ start: timestampFromMs(NOON) }]);
  });

  it("leaves out the steps in which nothing was changed, if it is told to", async () => {
    await using server = await opened();
    const { client, clock } = server;
    for (let i = 0; i < 3; i++) {
      await client.increment({ name: "a" });
      clock.advance(5 * HOUR);
    }
    const fill = HistoryFill.NONE;
    const { points } = await client.queryHistory({ subject: name("a"), fill });
    expect(points.map(({ close }) => close)).toEqual(["1", "2", "3"]);
    expect((await client.queryHistory({ subject: name("a") })).points).toHaveLength(16);
  });

  it("sums up all under a prefix beyond 64 bits, without lows and highs", async () => {
    await using server = await opened();
    const { client } = server;
    for (const each of ["p:a", "p:b", "p:c"]) await client.increment({ name: each, amount: 2n ** 63n - 1n });
    await client.increment({ name: "q" });
    const { points, counters } = await client.queryHistory({
      subject: prefix("p:"),
      step: calendar(CalendarUnit.DAY),
      fill: HistoryFill.NONE,
    });
    const sum = `${3n * (2n ** 63n - 1n)}`;
    expect(points).toMatchObject([{ open: "0", close: sum, added: sum, removed: "0", changes: 3n }]);
    expect([points[0]!.low, points[0]!.high, counters]).toEqual([undefined, undefined, []]);
    const all = await client.queryHistory({ subject: prefix(""), fill: HistoryFill.NONE });
    expect(all.points[0]).toMatchObject({ changes: 4n });
  });

  it.each([
    ["minutes", every(MINUTE), "Europe/Berlin", Level.MINUTE],
    ["hours of Kathmandu", every(HOUR), "Asia/Kathmandu", Level.QUARTER],
    ["days of Berlin", calendar(CalendarUnit.DAY), "Europe/Berlin", Level.QUARTER],
    ["days of UTC", calendar(CalendarUnit.DAY), "", Level.DAY],
    ["months of UTC", calendar(CalendarUnit.MONTH), "UTC", Level.DAY],
    ["seven hours", every(7 * HOUR), "", Level.QUARTER],
    ["7 minutes", every(7 * MINUTE), "", Level.MINUTE],
    ["an hour, by itself", undefined, "", Level.QUARTER],
  ])("%s are made of the longest buckets that make them", async (_, step, timeZone, level) => {
    const { server, asked } = await told({});
    await using _server = server;
    await refusal(server.client.queryHistory({ subject: name("a"), timeZone, ...(step && { step }) }));
    expect(asked).toMatchObject([{ of: { name: "a" }, level }]);
  });

  it("asks for whole steps around what was asked for, and for none that are to come", async () => {
    const { server, asked } = await told({});
    await using _server = server;
    const at = (hours: number) => timestampFromMs(NOON + hours * HOUR);
    const subject = name("a");
    await refusal(server.client.queryHistory({ subject, start: at(-2.5), end: at(-1.5) }));
    await refusal(server.client.queryHistory({ subject, start: at(-1), end: at(48) }));
    const edges = asked.map((query) => [...query.edges].map((edge) => (edge - NOON) / HOUR));
    expect(edges).toEqual([
      [-3, -2, -1],
      [-1, 0, 1],
    ]);
  });

  it("goes by the clock of the store, where that is another than the process's", async () => {
    const asked: HistoryQuery[] = [];
    const times: number[] = [];
    const [behind, ahead] = [NOON - 10 * MINUTE, NOON + 10 * MINUTE];
    let now = behind;
    await using server = await opened({
      store: (store) =>
        fronted(store, {
          now: async () => now,
          history: {
            ...(store.history as History),
            async query(query) {
              asked.push(query);
              return { refused: "EXPIRED", oldest: NOON };
            },
            async asOf(_, time) {
              times.push(time);
              return undefined;
            },
          },
        }),
    });
    const { client } = server;
    const query = (start?: number) =>
      refusal(
        client.queryHistory({
          ...{ subject: name("a"), step: every(MINUTE) },
          ...(start !== undefined && { start: timestampFromMs(start) }),
        }),
      );
    const asOf = (ms: number) => refusal(client.getCounter({ name: "a", asOf: timestampFromMs(ms) }));
    expect(await query(NOON)).toMatchObject({ metadata: { field: "start" } });
    expect(await query()).toMatchObject({ reason: "HISTORY_EXPIRED" });
    await asOf(NOON);
    now = ahead;
    expect(await query(NOON + MINUTE)).toMatchObject({ reason: "HISTORY_EXPIRED" });
    expect(await query()).toMatchObject({ reason: "HISTORY_EXPIRED" });
    await asOf(NOON + MINUTE);
    expect(asked.map(({ edges }) => [edges[0], edges.at(-1)])).toEqual([
      [behind - DAY, behind + MINUTE],
      [NOON + MINUTE, ahead + MINUTE],
      [ahead - DAY, ahead + MINUTE],
    ]);
    expect(times).toEqual([behind, NOON + MINUTE]);
  });

  it("says what is wrong with what was asked for", async () => {
    await using server = await opened();
    const { client } = server;
    const subject = name("a");
    const fields: [object, string, string][] = [
      [{ step: every(90_500) }, "every", "must be whole minutes"],
      [{ step: every(30_000) }, "every", "must be 1 minute to 366 days"],
      [{ timeZone: "Mars/Olympus" }, "time_zone", "must be known to the server"],
      [{ timeZone: "+02:00" }, "time_zone", "must be the IANA name"],
      [{ start: timestampFromMs(NOON + MINUTE) }, "start", "must be before end, and not to come"],
      [{ start: timestampFromMs(NOON), end: timestampFromMs(NOON) }, "start", "must be before end"],
      [
        { start: timestampFromMs(Date.UTC(1990, 0, 1)) },
        "start",
        '1995 to 9999, got "1990-01-01T00:00:00Z";',
      ],
      [{ end: { seconds: 253_402_300_800n, nanos: 0 } }, "end", "1995 to 9999, got 253402300800 s;"],
      [{ end: { seconds: 1_767_225_600n, nanos: -1 } }, "end", "9999, got 1767225600 s and -1 ns;"],
    ];
    for (const [more, field, message] of fields) {
      const refused = await refusal(client.queryHistory({ subject, ...more }));
      expect(refused).toMatchObject({ reason: "INVALID_FIELD", metadata: { field } });
      expect(refused.message).toContain(message);
    }
    expect(await refusal(client.queryHistory({}))).toMatchObject({ metadata: { field: "subject" } });
  });

  it("gives up to 11,000 points, and says what would do instead of more", async () => {
    const { server, asked } = await told({});
    await using _server = server;
    const { client } = server;
    const subject = name("a");
    const step = every(MINUTE);
    const most = { subject, step, start: timestampFromMs(NOON - 10_999 * MINUTE) };
    expect(await refusal(client.queryHistory(most))).toMatchObject({ reason: "HISTORY_EXPIRED" });
    expect(asked[0]!.edges).toHaveLength(11_001);
    const start = timestampFromMs(NOON - 11_000 * MINUTE);
    expect(await refusal(client.queryHistory({ subject, step, start }))).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "HISTORY_TOO_LARGE",
      message:
        "This would take more than 11000 points; ask for steps of 15 minutes or more, or for less time.",
      metadata: { max: "11000" },
    });
    const long = { subject, step: every(HOUR), start: timestampFromMs(Date.UTC(1995, 0, 1)) };
    const { message } = await refusal(client.queryHistory(long));
    expect(message).toContain("ask for steps of 2 days (UTC) or more");
    const twice = { subject, step: every(2 * MINUTE), start };
    expect(await refusal(client.queryHistory(twice))).toMatchObject({ reason: "HISTORY_EXPIRED" });
  });

  it("passes on what the store refuses, with what would do", async () => {
    let refused: HistoryRefusal = { refused: "EXPIRED", oldest: NOON - 2 * DAY };
    const { server } = await told({ query: async () => refused });
    await using _server = server;
    const { client } = server;
    expect(await refusal(client.queryHistory({ subject: name("a"), step: every(MINUTE) }))).toMatchObject({
      status: "OUT_OF_RANGE",
      reason: "HISTORY_EXPIRED",
      message: expect.stringContaining("whole quarters of an hour"),
      metadata: { oldest: "2026-03-27T12:00:00Z" },
    });
    refused = { refused: "TOO_MUCH", most: 10_000_000 };
    expect(await refusal(client.queryHistory({ subject: prefix("") }))).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "HISTORY_TOO_LARGE",
      metadata: { max: "10000000" },
    });
  });

  it("tells gaps, also where nothing else is known", async () => {
    const counters = [{ uid: "u", from: 0, to: undefined }];
    const { server } = await told({
      query: async ({ edges }) => ({ points: nothing(edges, 1), counters, completeUntil: NOON, oldest: 0 }),
    });
    await using _server = server;
    const { points } = await server.client.queryHistory({ subject: name("a"), fill: HistoryFill.NONE });
    expect(points).toHaveLength(25);
    expect(points.every(({ gap }) => gap)).toBe(true);
  });

  it("is NOT_FOUND of a name that nothing is known of, and goes on of one that was deleted", async () => {
    await using server = await opened();
    const { client } = server;
    expect(await refusal(client.queryHistory({ subject: name("a") }))).toMatchObject({
      reason: "COUNTER_NOT_FOUND",
      message: "No counter has this name; and there is no history of one.",
      metadata: { name: "a" },
    });
    await client.increment({ name: "a", amount: 7n });
    await client.deleteCounter({ name: "a", keepHistory: true });
    const { points, counters } = await client.queryHistory({ subject: name("a"), step: every(MINUTE) });
    expect(points).toMatchObject([{ open: "0", close: "0", added: "7", rolled: "-7" }]);
    expect(counters).toMatchObject([{ end: timestampFromMs(NOON) }]);
  });

  it("is over REST what it is over gRPC, by name and by prefix", async () => {
    await using server = await opened();
    const { port } = server.door;
    await server.client.increment({ name: "a/b", amount: 5n });
    const json = async (path: string) => JSON.parse((await send(port, { path })).text);
    const query = "every=86400s&timeZone=Europe/Berlin&fill=HISTORY_FILL_NONE";
    const point = {
      start: "2026-03-28T23:00:00Z",
      end: "2026-03-29T22:00:00Z",
      close: "5",
      inProgress: true,
    };
    expect(await json(`/v1/history/a%2Fb?${query}`)).toMatchObject({ points: [point] });
    expect(await json(`/v1/history?prefix=a&${query}`)).toMatchObject({ points: [point], counters: [] });
    expect(await json(`/v1/history?prefix=&${query}`)).toMatchObject({ points: [point] });
    const at = "start=2026-03-29T12:00:00Z&end=2026-03-29T12:01:00Z&every=60s";
    expect(await json(`/v1/history/a%2Fb?${at}`)).toMatchObject({
      points: [{ end: "2026-03-29T12:01:00Z" }],
    });
    expect(await json("/v1/history/a%2Fb?prefix=a")).toMatchObject({
      error: { message: "subject must be one, not name and prefix; nothing was applied." },
    });
    expect(await json("/v1/history")).toMatchObject({
      error: { details: [{ metadata: { field: "subject" } }, {}] },
    });
    expect(await json("/v1/changes/a%2Fb")).toEqual({ changes: [], nextPageToken: "" });
    expect(await json("/v1/counters/a%2Fb?asOf=2026-03-29T12:00:00Z")).toMatchObject({
      error: { code: 404 },
    });
  });
});

describe("ListChanges", () => {
  it("gives what was done by name, the newest first, a page at a time", async () => {
    await using server = await opened();
    const { client, clock } = server;
    await client.createCounter({ name: "a", value: 3n });
    await client.increment({ name: "a" });
    clock.advance(MINUTE);
    await client.set({ name: "a", value: 9n, note: "by hand" });
    await client.reset({ name: "a" });
    await client.updateCounter({ name: "a", max: 20n, note: "a quota" });
    const { changes } = await client.listChanges({ name: "a" });
    expect(changes).toMatchObject([
      { kind: ChangeKind.SETTINGS, value: 0n, added: "0", removed: "0", revision: 4n, note: "a quota" },
      { kind: ChangeKind.RESET, value: 0n, added: "0", removed: "9", revision: 4n, note: "" },
      { kind: ChangeKind.SET, value: 9n, added: "5", removed: "0", revision: 3n, note: "by hand" },
      {
        kind: ChangeKind.CREATE,
        value: 3n,
        added: "3",
        removed: "0",
        revision: 1n,
        time: timestampFromMs(NOON),
      },
    ]);
    const pages = [];
    for (let pageToken = ""; ; ) {
      const page = await client.listChanges({ name: "a", pageSize: 3, pageToken });
      pages.push(...page.changes);
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
      const other = client.listChanges({ name: "b", pageToken });
      expect(await refusal(other)).toMatchObject({ metadata: { field: "page_token" } });
    }
    expect(pages).toEqual(changes);
  });

  it("is NOT_FOUND of a name that nothing is known of, and empty where there was nothing by name", async () => {
    await using server = await opened();
    const { client } = server;
    expect(await refusal(client.listChanges({ name: "a" }))).toMatchObject({ reason: "COUNTER_NOT_FOUND" });
    await client.increment({ name: "a" });
    expect(await client.listChanges({ name: "a" })).toMatchObject({ changes: [], nextPageToken: "" });
  });
});

describe("GetCounter as of a time", () => {
  it("gives what the value was, and which instant that is", async () => {
    await using server = await opened();
    const { client, clock } = server;
    await client.increment({ name: "a", amount: 5n });
    clock.advance(2 * MINUTE);
    await client.increment({ name: "a", amount: 5n });
    clock.advance(2 * MINUTE);
    const asOf = (ms: number) => client.getCounter({ name: "a", asOf: timestampFromMs(NOON + ms) });
    expect(await asOf(90_000)).toMatchObject({
      past: { name: "a", value: 5n, time: timestampFromMs(NOON + MINUTE), gap: false },
    });
    expect(await asOf(3 * MINUTE)).toMatchObject({ past: { value: 10n } });
    expect(await asOf(9 * DAY)).toMatchObject({ past: { value: 10n, time: timestampFromMs(clock.now()) } });
    expect(await refusal(asOf(0))).toMatchObject({
      reason: "COUNTER_NOT_FOUND",
      message: "No counter has this name; or nobody knows of one, as of then.",
    });
    const before = client.getCounter({ name: "a", asOf: timestampFromMs(0) });
    const refused = await refusal(before);
    expect(refused).toMatchObject({ metadata: { field: "as_of" } });
    expect(refused.message).toContain('got "1970-01-01T00:00:00Z"');
  });

  it("is a number at the short path, and never 304", async () => {
    await using server = await opened();
    const { port } = server.door;
    await server.client.increment({ name: "a", amount: 5n });
    server.clock.advance(2 * MINUTE);
    const path = "/counters/a?as_of=2026-03-29T12:01:00Z";
    const { text, headers } = await send(port, { path, headers: { "if-none-match": '"x"' } });
    expect([JSON.parse(text), headers.etag]).toEqual([{ name: "a", value: 5 }, undefined]);
  });

  it("says what is kept, where it is not", async () => {
    const { server } = await told({ asOf: async () => ({ refused: "EXPIRED", oldest: NOON }) });
    await using _server = server;
    const past = server.client.getCounter({ name: "a", asOf: timestampFromMs(NOON - DAY) });
    expect(await refusal(past)).toMatchObject({
      reason: "HISTORY_EXPIRED",
      metadata: { oldest: "2026-03-29T12:00:00Z" },
    });
  });
});

it("where no history is kept, all that ask for one are told so", async () => {
  await using server = await opened({
    store: (store) =>
      new Proxy(store, { get: (of, key) => (key === "history" ? undefined : Reflect.get(of, key)) }),
  });
  const { client } = server;
  await client.increment({ name: "a" });
  for (const call of [
    () => client.queryHistory({ subject: name("a") }),
    () => client.listChanges({ name: "a" }),
    () => client.getCounter({ name: "a", asOf: timestampFromMs(NOON) }),
  ])
    expect(await refusal(call())).toMatchObject({ status: "FAILED_PRECONDITION", reason: "HISTORY_OFF" });
  expect(await client.getCounter({ name: "a" })).toMatchObject({ counter: { value: 1n } });
});

it("of a counter that has it turned off, it is told by its name", async () => {
  await using server = await opened();
  const { client } = server;
  await client.createCounter({ name: "a", history: false });
  await client.increment({ name: "a" });
  await client.increment({ name: "b" });
  for (const call of [
    () => client.queryHistory({ subject: name("a") }),
    () => client.listChanges({ name: "a" }),
  ])
    expect(await refusal(call())).toMatchObject({ reason: "HISTORY_OFF", metadata: { name: "a" } });
  expect(await client.listChanges({ name: "b" })).toMatchObject({ changes: [] });
});

/** Points at which nothing happened. @param gap  1 where changes are missing */
function nothing(edges: Float64Array, gap: number): Points {
  const none = Array<bigint>(edges.length - 1).fill(0n);
  const numbers = {
    opens: none,
    closes: none,
    lows: none,
    highs: none,
    added: none,
    removed: none,
    rolled: none,
  };
  const zeros = new Float64Array(none.length);
  return { ...numbers, changes: zeros, buckets: zeros, gaps: new Uint8Array(none.length).fill(gap) };
}

it("what takes long is done in slices, between which others have their turn", async () => {
  let now = 0;
  const slices = new Slices({ now: () => 0, monotonic: () => now });
  expect(slices.over).toBe(false);
  now = 5;
  expect(slices.over).toBe(true);
  let others = 0;
  setImmediate(() => others++);
  await slices.next();
  expect([others, slices.over]).toEqual([1, false]);
});

it("of all that is done in slices, one has its turn between those of others", async () => {
  const turns: string[] = [];
  const cut = async (name: string) => {
    const slices = new Slices({ now: () => 0, monotonic: () => 0 });
    for (let slice = 1; slice <= 2; slice++) {
      await slices.next();
      turns.push(name);
    }
  };
  const all = ["a", "b", "c"].map(cut);
  for (let turn = 1; turn <= 6; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    turns.push("others");
  }
  await Promise.all(all);
  expect(turns).toEqual(["a", "b", "c", "a", "b", "c"].flatMap((name) => [name, "others"]));
});
