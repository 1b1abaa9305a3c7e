/** The reads of many counters at the gRPC door: what they answer, and how they stay within a client's 4 MiB. */
import { once } from "node:events";
import { request } from "node:http";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ListCountersRequestSchema, TopOrder } from "../../gen/tally/v1/counter_service_pb.ts";
import { CORRUPT } from "../../src/core/batch.ts";
import type { FullCounter } from "../../src/core/counter.ts";
import { TallyError } from "../../src/core/errors.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import { EMPTY_SUM } from "../../src/core/selection.ts";
import type { Store } from "../../src/service/store.ts";
import { fromPageToken, toPageToken } from "../../src/transports/calls/page-token.ts";
import { Client, instead, open, refusal } from "./door.ts";

const CLIENT_MAX = 4 * 2 ** 20;

describe("BatchGetCounters", () => {
  it("has a result for each name, in its place, as GetCounter gives it", async () => {
    await using opened = await open();
    const { client } = opened;
    await client.createCounter({ name: "a", value: 5n, min: 0n, labels: { k: "v" }, description: "text" });
    await client.increment({ name: "b" });
    const { results } = await client.batchGetCounters({ names: ["b", "none", "a", "b"] });
    expect(results.map(({ name, result }) => [name, result.case])).toEqual([
      ["b", "counter"],
      ["none", "refusal"],
      ["a", "counter"],
      ["b", "counter"],
    ]);
    for (const { name, result } of results) {
      if (result.case !== "counter") continue;
      expect(result.value).toEqual((await client.getCounter({ name })).counter);
    }
    const refused = await refusal(client.getCounter({ name: "none" }));
    expect(results[1]!.result.value).toMatchObject({
      code: 5, // NOT_FOUND
      reason: "COUNTER_NOT_FOUND",
      message: refused.message,
    });
  });

  it("says of a damaged one that it is, and gives the others", async () => {
    await using opened = await open({
      store: (real) =>
        instead(real, {
          get: async (names) =>
            (await real.get(names)).map((found, i) => (names[i] === "bad" ? CORRUPT : found)),
        }),
    });
    await opened.client.increment({ name: "good" });
    const { results } = await opened.client.batchGetCounters({ names: ["bad", "good"] });
    expect(results).toMatchObject([
      { name: "bad", result: { case: "refusal", value: { code: 15, reason: "ROW_CORRUPT" } } },
      { name: "good", result: { case: "counter", value: { value: 1n } } },
    ]);
  });

  it("takes 1000 names of 200 bytes", async () => {
    await using opened = await open();
    const names = Array.from({ length: 1_000 }, (_, i) => `${i}`.padStart(200, "n"));
    const { results } = await opened.client.batchGetCounters({ names });
    expect(results.map(({ name }) => name)).toEqual(names);
  });

  it("is refused when the answer would be too large", async () => {
    await using opened = await open({ store: holdingLarge });
    const names = Array.from({ length: 1_000 }, (_, i) => largeName(i));
    expect(await refusal(opened.client.batchGetCounters({ names }))).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "REPLY_TOO_LARGE",
      metadata: { max_size: `${CLIENT_MAX - 1}` },
    });
    const { results } = await opened.client.batchGetCounters({ names: names.slice(0, 300) });
    expect(results).toHaveLength(300);
  });
});

describe("ListCounters", () => {
  it("gives 50 a page unless told otherwise, and a token while there are more", async () => {
    await using opened = await open();
    const { client } = opened;
    const names = Array.from({ length: 120 }, (_, i) => `c${1_000 + i}`);
    for (const name of names) await client.increment({ name });
    expect(await pages(client, {})).toEqual([names.slice(0, 50), names.slice(50, 100), names.slice(100)]);
    expect(await pages(client, { pageSize: 60 })).toEqual([names.slice(0, 60), names.slice(60)]);
    expect(await pages(client, { prefix: "c100" })).toEqual([names.slice(0, 10)]);
    expect(await pages(client, { prefix: "none" })).toEqual([[]]);
  });

  it("a token of another prefix or other labels, or a damaged one, is refused; the order of labels is not told apart", async () => {
    await using opened = await open();
    const { client } = opened;
    const labels = { k: "v", l: "w" };
    for (const name of ["a1", "a2", "a3"]) await client.createCounter({ name, labels });
    const request = { prefix: "a", labels, pageSize: 1 };
    const { nextPageToken: pageToken } = await client.listCounters(request);
    const { counters } = await client.listCounters({ ...request, labels: { l: "w", k: "v" }, pageToken });
    expect(counters).toMatchObject([{ name: "a2" }]);
    const others = [
      { ...request, prefix: "", pageToken },
      { ...request, labels: { k: "v" }, pageToken },
      { ...request, labels: { k: "w", l: "v" }, pageToken },
      { ...request, pageToken: pageToken.slice(0, -1) },
      { ...request, pageToken: `${pageToken}A` },
      { ...request, pageToken: `${pageToken}=` },
      { ...request, pageToken: pageToken.slice(1) },
      ...[...pageToken].map((letter, i) => {
        const damaged = `${pageToken.slice(0, i)}${letter === "A" ? "B" : "A"}${pageToken.slice(i + 1)}`;
        return { ...request, pageToken: damaged };
      }),
    ];
    for (const other of others) {
      const refused = await refusal(client.listCounters(other));
      expect(refused).toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "page_token" } });
    }
  });

  it("a token holds the longest name, and stays the same from start to start", () => {
    const selection = { prefix: "n".repeat(200), labels: { k: "v" } };
    const token = toPageToken("n".repeat(200), selection, undefined);
    expect(token.length).toBeLessThanOrEqual(512);
    expect(fromPageToken(token, selection, undefined)).toBe("n".repeat(200));
    // Written down, because callers keep tokens across upgrades.
    expect(toPageToken("m", { prefix: "", labels: {} }, undefined)).toBe(TOKEN_OF_M);
  });

  it("a page that would be too large ends early, and the walk misses none", async () => {
    await using opened = await open({ store: holdingLarge });
    const sizes = (await pages(opened.client, { pageSize: 1_000 })).map((names) => names.length);
    expect(sizes.length).toBeGreaterThan(1);
    expect(sizes.reduce((a, b) => a + b)).toBe(LARGE);
    const names = (await pages(opened.client, { pageSize: 1_000 })).flat();
    expect(names).toEqual(Array.from({ length: LARGE }, (_, i) => largeName(i)));
    const request = toBinary(
      ListCountersRequestSchema,
      create(ListCountersRequestSchema, { pageSize: 1_000 }),
    );
    const { length } = await opened.client.raw("/tally.v1.CounterService/ListCounters", request);
    expect(length).toBeLessThan(CLIENT_MAX);
    expect(length).toBeGreaterThan(CLIENT_MAX - LARGE_BYTES); // Not shorter than it need be.
  });

  it("names the damaged ones, each once, also when the page ends early", async () => {
    const corrupt = ["~1", largeName(3).replace("c", "!"), "~2"];
    const store = (real: Store) => {
      const large = holdingLarge(real);
      return instead(large, {
        list: async (...request) => ({ ...(await large.list(...request)), corruptNames: corrupt }),
      });
    };
    await using opened = await open({ store });
    const { corruptNames, nextPageToken } = await opened.client.listCounters({ pageSize: 1_000 });
    expect(nextPageToken).not.toBe("");
    expect(corruptNames).toEqual([corrupt[1]]); // The others come with the page that they are on.
  });
});

describe("TopCounters", () => {
  it("gives the 10 highest unless told otherwise, under a prefix and labels", async () => {
    await using opened = await open();
    const { client } = opened;
    for (let i = 0; i < 12; i++) {
      await client.createCounter({ name: `c${i}`, value: BigInt(i), labels: { odd: `${i % 2}` } });
    }
    const names = async (request: Parameters<Client["topCounters"]>[0]) =>
      (await client.topCounters(request)).counters.map(({ name }) => name);
    expect(await names({})).toEqual(["c11", "c10", "c9", "c8", "c7", "c6", "c5", "c4", "c3", "c2"]);
    expect(await names({ n: 2, order: TopOrder.LOWEST })).toEqual(["c0", "c1"]);
    expect(await names({ n: 2, order: TopOrder.HIGHEST, prefix: "c1" })).toEqual(["c11", "c10"]);
    expect(await names({ n: 2, labels: { odd: "0" } })).toEqual(["c10", "c8"]);
    expect(await names({ prefix: "none" })).toEqual([]);
  });

  it("is refused when one of those selected is damaged, which it names, and so is a sum", async () => {
    await using opened = await open({
      store: (real) =>
        instead(real, {
          top: async () => ({ counters: [], corruptNames: ["bad"] }),
          sum: async () => ({ ...EMPTY_SUM, corruptNames: ["bad"] }),
        }),
    });
    for (const call of [opened.client.topCounters({}), opened.client.sumCounters({})]) {
      expect(await refusal(call)).toMatchObject({
        status: "DATA_LOSS",
        reason: "ROW_CORRUPT",
        metadata: { name: "bad" },
      });
    }
  });

  it("is refused when the answer would be too large", async () => {
    await using opened = await open({ store: holdingLarge });
    expect(await refusal(opened.client.topCounters({ n: 1_000 }))).toMatchObject({
      reason: "REPLY_TOO_LARGE",
    });
    expect((await opened.client.topCounters({ n: 100 })).counters).toHaveLength(100);
  });
});

describe("SumCounters", () => {
  it("is exact beyond int64, and says that there are none", async () => {
    await using opened = await open();
    const { client } = opened;
    expect(await client.sumCounters({})).toMatchObject({ count: 0n, sum: "0" });
    const none = await client.sumCounters({});
    expect([none.lowest, none.highest]).toEqual([undefined, undefined]);
    for (const name of ["a1", "a2"]) await client.set({ name, value: INT64_MAX });
    await client.createCounter({ name: "b", value: INT64_MIN, labels: { k: "v" } });
    expect(await client.sumCounters({ prefix: "a" })).toMatchObject({
      count: 2n,
      sum: "18446744073709551614",
      lowest: INT64_MAX,
      highest: INT64_MAX,
    });
    expect(await client.sumCounters({ labels: { k: "v" } })).toMatchObject({
      count: 1n,
      sum: `${INT64_MIN}`,
    });
    await client.set({ name: "a1", value: 0n });
    expect(await client.sumCounters({ prefix: "a1" })).toMatchObject({ lowest: 0n, highest: 0n });
  });
});

const TOKEN_OF_M = "m0neZE1X2wtA81ah9puWAG0";

/** The names on each page of a list. */
async function pages(client: Client, request: Parameters<Client["listCounters"]>[0]): Promise<string[][]> {
  const all: string[][] = [];
  let pageToken = "";
  do {
    const page = await client.listCounters({ ...request, pageToken });
    all.push(page.counters.map(({ name }) => name));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

/** So many counters that have all there can be. */
const LARGE = 1_500;
const LARGE_BYTES = 11_000;
const largeName = (i: number) => `c${10_000 + i}`.padEnd(200, "n");

const LARGE_COUNTERS = Array.from({ length: LARGE }, (_, i): FullCounter => {
  const labels = Array.from({ length: 32 }, (_, k) => [`${k}`.padEnd(63, "k"), "v".repeat(200)]);
  return {
    name: largeName(i),
    uid: "0190f8a0-0000-7000-8000-000000000000",
    value: INT64_MIN,
    initial: INT64_MIN,
    min: INT64_MIN,
    max: INT64_MIN,
    clamp: true,
    monotonic: true,
    window: undefined,
    refill: undefined,
    idleTtlMs: undefined,
    timing: undefined,
    revision: Number.MAX_SAFE_INTEGER,
    settingsRevision: Number.MAX_SAFE_INTEGER,
    createTime: 1_700_000_000_999,
    updateTime: 1_700_000_000_999,
    labels: Object.fromEntries(labels),
    description: "d".repeat(1_000),
    history: false,
  };
});

function holdingLarge(real: Store): Store {
  const from = (name: string, limit: number) => {
    const first = LARGE_COUNTERS.findIndex((counter) => counter.name >= name);
    return LARGE_COUNTERS.slice(first, first + limit);
  };
  return instead(real, {
    get: async (names) => names.map((name) => LARGE_COUNTERS.find((counter) => counter.name === name)),
    top: async (_, n) => ({ counters: from("", n), corruptNames: [] }),
    list: async (_, name, limit) => {
      const [next] = from(name, limit + 1).slice(limit);
      return { counters: from(name, limit), corruptNames: [], next: next?.name };
    },
  });
}

describe("a scan whose caller has gone", () => {
  /** Calls a method over HTTP and goes away, once `begun`. */
  const overHttp = (path: string, method: string) => async (port: number, begun: Promise<void>) => {
    const asked = request({ port, host: "127.0.0.1", path, method, headers: JSON_BODY });
    asked.on("error", () => {}); // That it was destroyed.
    asked.end(method === "POST" ? "{}" : undefined);
    await begun;
    asked.socket!.resetAndDestroy(); // One that only ends what it sends still waits for its answer.
  };

  it.each<[string, (port: number, begun: Promise<void>) => Promise<unknown>]>([
    ["gRPC, by a deadline", (port) => leavingClient(port)],
    ["REST, TopCounters", overHttp("/v1/counters:top", "GET")],
    ["REST, SumCounters", overHttp("/v1/counters:sum", "GET")],
    ["Connect", overHttp("/tally.v1.CounterService/SumCounters", "POST")],
  ])("is stopped, and the next has its turn: %s", async (_, callAndGo) => {
    const begun = Promise.withResolvers<void>();
    let stopped = 0;
    const untilAborted = async (signal: AbortSignal | undefined): Promise<never> => {
      begun.resolve();
      await once(signal!, "abort");
      stopped++;
      throw new TallyError("CALL_CANCELLED", "stopped, for a test");
    };
    let first = true;
    const firstOf = <Result>(signal: AbortSignal | undefined, read: () => Promise<Result>) => {
      if (!first) return read();
      first = false;
      return untilAborted(signal);
    };
    await using opened = await open({
      store: (real) =>
        instead(real, {
          sum: (selection, signal) => firstOf(signal, () => real.sum(selection)),
          top: (selection, n, order, signal) => firstOf(signal, () => real.top(selection, n, order)),
        }),
    });
    await callAndGo(opened.door.port, begun.promise);
    await begun.promise;
    expect(await opened.client.sumCounters({})).toMatchObject({ count: 0n, sum: "0" });
    expect([stopped, opened.logged]).toEqual([1, []]);
  });
});

const JSON_BODY = { "content-type": "application/json" };

async function leavingClient(port: number): Promise<void> {
  const client = new Client(port);
  await refusal(client.sumCounters({}, { deadline: Date.now() + 100 }));
  client.close();
}
