/** Envoy's rate limit service: what becomes of descriptors, hits and limits. A real Envoy asks in test/doors/envoy. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import type { RateLimitDescriptorSchema } from "../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts";
import {
  RateLimitResponse_Code as Code,
  RateLimitRequestSchema,
  RateLimitResponseSchema,
  RateLimitResponse_RateLimit_Unit as Unit,
} from "../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { RateLimitUnit } from "../../gen/envoy/type/v3/ratelimit_unit_pb.ts";
import { isName } from "../../src/core/name.ts";
import type { Window } from "../../src/core/window.ts";
import { counterName } from "../../src/transports/envoy/counter-name.ts";
import { apply, create as made, set } from "../support/calls.ts";
import { type Opened, open, refusal } from "./door.ts";
import { send } from "./http.ts";

const { OK, OVER_LIMIT } = Code;
const PATH = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

type Descriptor = MessageInitShape<typeof RateLimitDescriptorSchema>;

const of = (key: string, value: string, rest: Omit<Descriptor, "$typeName"> = {}): Descriptor => ({
  entries: [{ key, value }],
  ...rest,
});

async function ask({ client }: Opened, descriptors: Descriptor[], hitsAddend = 0) {
  const request = create(RateLimitRequestSchema, { domain: "edge", descriptors, hitsAddend });
  const answer = await client.raw(PATH, toBinary(RateLimitRequestSchema, request));
  return fromBinary(RateLimitResponseSchema, answer);
}

/** The codes, the overall one first, and what remains. */
async function short(opened: Opened, descriptors: Descriptor[], hitsAddend = 0) {
  const { overallCode, statuses } = await ask(opened, descriptors, hitsAddend);
  return [overallCode, ...statuses.map(({ code, limitRemaining }) => [code, limitRemaining])];
}

const value = async ({ store }: Opened, name: string) => {
  const [found] = await store.get([name]);
  return (found as { value: bigint } | undefined)?.value;
};

describe("the counter of a descriptor", () => {
  it.each([
    ["edge", [["remote_address", "10.0.0.1"]], "edge/remote_address/10.0.0.1"],
    [
      "edge",
      [
        ["path", "/a b"],
        ["user", "ada"],
      ],
      "edge/path+user/%2Fa%20b+ada",
    ],
    ["a/b", [["k+", "v+w"]], "a%2Fb/k%2B/v%2Bw"],
    ["-", [["-!*'()~._", ""]], "%2D/%2D%21%2A%27%28%29~._/"],
    ["d", [["k", "é\u{1F9EE}%#="]], "d/k/%C3%A9%F0%9F%A7%AE%25%23%3D"],
  ] as const)("of %j with %j is %j", (domain, entries, name) => {
    expect(
      counterName(
        domain,
        entries.map(([key, value]) => ({ key, value })),
      ),
    ).toBe(name);
  });

  it("ends in a digest where it is longer than a name may be; one byte makes another", () => {
    const long = (end: string) => counterName("edge", [{ key: "path", value: `${"/x".repeat(100)}${end}` }]);
    expect(long("a")).toMatch(/^edge\/path\/%2Fx.*#[\w-]{43}$/);
    expect(long("a")).toHaveLength(200);
    expect(long("a")).not.toBe(long("b"));
    expect(counterName("e", [{ key: "k", value: "v".repeat(196) }])).toBe(`e/k/${"v".repeat(196)}`);
  });

  const text = fc.string({ unit: "grapheme", maxLength: 12 });
  const parts = fc.tuple(
    text.filter(Boolean),
    fc.array(fc.tuple(text.filter(Boolean), text), { minLength: 1, maxLength: 3 }),
  );
  test.prop([parts, parts])("is a name, and of two descriptors there are two", (a, b) => {
    const nameOf = ([domain, entries]: typeof a) =>
      counterName(
        domain,
        entries.map(([key, value]) => ({ key, value })),
      );
    for (const each of [a, b]) expect(isName(nameOf(each))).toBe(true);
    expect(nameOf(a) === nameOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
  });
});

describe("hits", () => {
  it("are 1 unless told, for all descriptors or for one; and as many as there are, no more", async () => {
    await using opened = await open();
    await apply(opened.store, made("edge/k/v", { max: 9n }));
    expect(await short(opened, [of("k", "v")])).toEqual([OK, [OK, 8]]);
    expect(await short(opened, [of("k", "v")], 3)).toEqual([OK, [OK, 5]]);
    expect(await short(opened, [of("k", "v", { hitsAddend: 2n })], 4)).toEqual([OK, [OK, 3]]);
    expect(await short(opened, [of("k", "v")], 4)).toEqual([OVER_LIMIT, [OVER_LIMIT, 3]]); // Not even three.
    expect(await short(opened, [of("k", "v", { hitsAddend: 2n ** 64n - 1n })])).toEqual([
      OVER_LIMIT,
      [OVER_LIMIT, 3],
    ]);
    expect(await short(opened, [of("k", "v")], 3)).toEqual([OK, [OK, 0]]);
    expect(await value(opened, "edge/k/v")).toBe(9n);
  });

  it("a descriptor's own 0 asks, and takes nothing", async () => {
    await using opened = await open();
    await apply(opened.store, made("edge/k/v", { max: 2n, value: 1n }));
    expect(await short(opened, [of("k", "v", { hitsAddend: 0n })], 5)).toEqual([OK, [OK, 1]]);
    expect(await short(opened, [of("k", "v")])).toEqual([OK, [OK, 0]]);
    expect(await short(opened, [of("k", "v", { hitsAddend: 0n })])).toEqual([OVER_LIMIT, [OVER_LIMIT, 0]]);
    expect(await value(opened, "edge/k/v")).toBe(2n);
  });

  it("negative ones give back, never below nothing, and are always OK", async () => {
    await using opened = await open();
    await apply(opened.store, made("edge/k/v", { max: 5n, value: 4n }));
    await apply(opened.store, made("edge/m/v", { max: 5n, value: 5n, monotonic: true }));
    const back = (hits: bigint) => of("k", "v", { hitsAddend: hits, isNegativeHits: true });
    expect(await short(opened, [back(3n)])).toEqual([OK, [OK, 4]]);
    expect(await short(opened, [back(2n ** 64n - 1n)])).toEqual([OK, [OK, 5]]);
    expect(await value(opened, "edge/k/v")).toBe(0n);
    const negative = { isNegativeHits: true };
    expect(await short(opened, [of("none", "v", negative), of("m", "v", negative)], 2)).toEqual([
      ...[OK, [OK, 0], [OK, 0]],
    ]);
    // By themselves: what else the request asks, and is refused, is another matter.
    await apply(opened.store, set("edge/k/v", 5n));
    expect(await short(opened, [of("m", "v"), back(2n)])).toEqual([OVER_LIMIT, [OVER_LIMIT, 0], [OK, 2]]);
    expect(await value(opened, "edge/k/v")).toBe(3n);
  });
});

describe("descriptors", () => {
  it("take all or nothing, each with its status, in order", async () => {
    await using opened = await open();
    await apply(opened.store, made("edge/a/x", { max: 9n }));
    await apply(opened.store, made("edge/b/x", { max: 2n, value: 2n }));
    expect(await short(opened, [of("a", "x"), of("b", "x"), of("c", "x")])).toEqual([
      ...[OVER_LIMIT, [OK, 9], [OVER_LIMIT, 0], [OK, 0]],
    ]);
    expect(await value(opened, "edge/a/x")).toBe(0n);
    expect(await short(opened, [of("c", "x"), of("a", "x")])).toEqual([OK, [OK, 0], [OK, 8]]);
  });

  it("of one counter add up", async () => {
    await using opened = await open();
    await apply(opened.store, made("edge/a/x", { max: 3n }));
    expect(await short(opened, [of("a", "x"), of("a", "x")])).toEqual([OK, [OK, 1], [OK, 1]]);
    expect(await short(opened, [of("a", "x"), of("a", "x")])).toEqual([OVER_LIMIT, [OK, 1], [OVER_LIMIT, 1]]);
    expect(await value(opened, "edge/a/x")).toBe(2n);
  });

  it("without a limit are fine, and make no counter", async () => {
    await using opened = await open();
    await apply(opened.store, set("edge/endless/x", 1n));
    expect(await short(opened, [of("a", "x"), of("endless", "x")], 7)).toEqual([OK, [OK, 0], [OK, 0]]);
    expect((await ask(opened, [of("a", "x")])).statuses[0]!.currentLimit).toBeUndefined();
    expect(await opened.store.sum({ prefix: "", labels: {} })).toMatchObject({ count: 1, sum: 1n });
  });

  it("may bring a limit: a counter of its own, made by the take, that goes by itself", async () => {
    await using opened = await open();
    const limit = { requestsPerUnit: 2, unit: RateLimitUnit.MINUTE };
    const every = (unitMultiplier: number) => ({ ...limit, unitMultiplier });
    expect(await short(opened, [of("a", "x", { limit })])).toEqual([OK, [OK, 1]]);
    expect(await short(opened, [of("a", "x", { limit }), of("a", "x", { limit })])).toEqual([
      ...[OVER_LIMIT, [OK, 1], [OVER_LIMIT, 1]],
    ]);
    const { statuses } = await ask(opened, [of("a", "x", { limit: every(10) }), of("a", "x")]);
    expect(statuses).toMatchObject([
      {
        code: OK,
        currentLimit: { requestsPerUnit: 2, unit: Unit.MINUTE, unitMultiplier: 10 },
        limitRemaining: 1,
      },
      { code: OK },
    ]);
    expect(statuses[1]!.currentLimit).toBeUndefined();
    const [made] = await opened.store.get(["edge/a/x/=2+MINUTE"]);
    const window = { everyMs: 60_000, anchorMs: 0 };
    expect(made).toMatchObject({ value: 1n, max: 2n, window, idleTtlMs: 86_400_000n, policy: undefined });
    expect(await value(opened, "edge/a/x/=2+10+MINUTE")).toBe(1n);
    const negative = of("a", "x", { limit, isNegativeHits: true });
    expect(await short(opened, [negative])).toEqual([OK, [OK, 2]]);
    opened.clock.advance(60_000);
    expect(await short(opened, [of("a", "x", { limit })], 2)).toEqual([OK, [OK, 0]]);
    expect(await short(opened, [of("b", "x", { limit: { ...limit, requestsPerUnit: 0 } })])).toEqual([
      ...[OVER_LIMIT, [OVER_LIMIT, 0]],
    ]);
  });

  it.each([
    [{ unit: RateLimitUnit.SECOND }, { everyMs: 1_000, anchorMs: 0 }],
    [
      { unit: RateLimitUnit.DAY, unitMultiplier: 366 },
      { everyMs: 366 * 86_400_000, anchorMs: 0 },
    ],
    [{ unit: RateLimitUnit.MONTH }, { unit: "month", timeZone: "UTC", day: 1 }],
    [
      { unit: RateLimitUnit.YEAR, unitMultiplier: 1 },
      { unit: "year", timeZone: "UTC", day: 1 },
    ],
    [{ unit: RateLimitUnit.UNKNOWN }, undefined],
    [{ unit: RateLimitUnit.HOUR, unitMultiplier: 0 }, undefined],
    [{ unit: RateLimitUnit.DAY, unitMultiplier: 367 }, undefined],
    [{ unit: RateLimitUnit.MONTH, unitMultiplier: 2 }, undefined],
  ])("of %j has the window %j", async (limit, window) => {
    await using opened = await open();
    const call = ask(opened, [of("k", "v", { limit: { requestsPerUnit: 7, ...limit } })]);
    if (window === undefined) {
      expect(await refusal(call)).toMatchObject({
        reason: "INVALID_FIELD",
        metadata: { field: "descriptors[0].limit" },
      });
      return;
    }
    await call;
    const { counters } = await opened.store.list({ prefix: "", labels: {} }, "", 9);
    expect(counters).toMatchObject([{ max: 7n, window }]);
  });

  const entry = { key: "k", value: "v" };
  it.each<[string, MessageInitShape<typeof RateLimitRequestSchema>]>([
    ["domain", { descriptors: [{ entries: [entry] }] }],
    ["descriptors", { domain: "d" }],
    ["descriptors", { domain: "d", descriptors: Array.from({ length: 65 }, () => ({ entries: [entry] })) }],
    ["descriptors[0].entries", { domain: "d", descriptors: [{ entries: [] }] }],
    [
      "descriptors[1].entries[0].key",
      { domain: "d", descriptors: [{ entries: [entry] }, { entries: [{ value: "v" }] }] },
    ],
  ])("are refused by the field at fault: %s", async (field, init) => {
    await using opened = await open();
    const bytes = toBinary(RateLimitRequestSchema, create(RateLimitRequestSchema, init));
    const refused = await refusal(opened.client.raw(PATH, bytes));
    expect(refused).toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "INVALID_FIELD",
      metadata: { field },
    });
  });
});

describe("a status", () => {
  const DAY_MS = 86_400_000;
  it.each<[Window, Unit, number | undefined]>([
    [{ everyMs: 1_000, anchorMs: 0 }, Unit.SECOND, undefined],
    [{ everyMs: 90_000, anchorMs: 0 }, Unit.SECOND, 90],
    [{ everyMs: 600_000, anchorMs: 0 }, Unit.MINUTE, 10],
    [{ everyMs: 3_600_000, anchorMs: 0 }, Unit.HOUR, undefined],
    [{ everyMs: DAY_MS, anchorMs: 0 }, Unit.DAY, undefined],
    [{ everyMs: 7 * DAY_MS, anchorMs: 0 }, Unit.WEEK, undefined],
    [{ unit: "day", timeZone: "Europe/Berlin", day: 1 }, Unit.DAY, undefined],
    [{ unit: "week", timeZone: "UTC", day: 1 }, Unit.WEEK, undefined],
    [{ unit: "month", timeZone: "UTC", day: 31 }, Unit.MONTH, undefined],
    [{ unit: "quarter", timeZone: "UTC", day: 1 }, Unit.MONTH, 3],
    [{ unit: "year", timeZone: "UTC", day: 1 }, Unit.YEAR, undefined],
  ])("tells of the window %j as %i, times %j", async (window, unit, unitMultiplier) => {
    await using opened = await open();
    await apply(opened.store, made("edge/k/v", { max: 5n, window }));
    const { statuses } = await ask(opened, [of("k", "v")]);
    const [found] = await opened.store.get(["edge/k/v"]);
    const { timing } = found as { timing: { windowEnd: number } };
    const seconds = BigInt((timing.windowEnd - opened.clock.now()) / 1_000);
    expect(statuses).toMatchObject([
      {
        currentLimit: { requestsPerUnit: 5, unit },
        limitRemaining: 4,
        durationUntilReset: { seconds, nanos: 0 },
      },
    ]);
    expect(statuses[0]!.currentLimit!.unitMultiplier).toBe(unitMultiplier);
  });

  it("of a refill has no unit, and the time to the next of it; numbers end at 32 bits", async () => {
    await using opened = await open();
    const refill = { amount: 1n, everyMs: 1_500 };
    await apply(opened.store, made("edge/k/v", { min: 0n, max: 2n ** 40n, refill }));
    expect((await ask(opened, [of("k", "v")])).statuses).toMatchObject([
      {
        currentLimit: { requestsPerUnit: 2 ** 32 - 1, unit: Unit.UNKNOWN },
        limitRemaining: 2 ** 32 - 1,
        durationUntilReset: { seconds: 1n, nanos: 500_000_000 },
      },
    ]);
  });
});

it("is gRPC's alone", async () => {
  await using opened = await open();
  const headers = { "content-type": "application/json" };
  expect((await send(opened.door.port, { method: "POST", path: PATH, body: {}, headers })).status).toBe(404);
});
