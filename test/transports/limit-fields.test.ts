/** What REST says of limits beside the answer: 429, Retry-After, RateLimit-Policy and RateLimit. */
import type { JsonObject } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { apply, create, set } from "../support/calls.ts";
import { type Opened, open } from "./door.ts";
import { send } from "./http.ts";

/** Status, Retry-After, RateLimit-Policy, RateLimit. */
async function told({ door }: Opened, path: string, body: JsonObject, headers = {}) {
  const got = await send(door.port, { method: "POST", path, body, headers });
  const { "retry-after": retryAfter, "ratelimit-policy": policy, ratelimit } = got.headers;
  return [got.status, retryAfter, policy, ratelimit];
}

const WINDOW = { everyMs: 60_000, anchorMs: 0 };

it("a quota: what is left, until when, and 429 when it is used up; in whole seconds, rounded up", async () => {
  await using opened = await open();
  await apply(opened.store, create("api:ada", { max: 100n, value: 96n, window: WINDOW }));
  opened.clock.advance(47_001);
  const take = (amount: string, rest: JsonObject = {}) =>
    told(opened, "/v1/limits/api:ada:take", { amount, ...rest });
  const policy = '"api:ada";q=100;w=60';
  expect(await take("1", { requestId: "r" })).toEqual([200, undefined, policy, '"api:ada";r=3;t=13']);
  expect(await take("4")).toEqual([429, "13", policy, '"api:ada";r=3;t=13']);
  expect(await take("4", { dryRun: true })).toEqual([429, "13", policy, '"api:ada";r=3;t=13']);
  expect(await take("101")).toEqual([429, undefined, policy, '"api:ada";r=3;t=13']); // There never is so much.
  expect(await take("1", { requestId: "r" })).toEqual([200, ...[undefined, undefined, undefined]]); // A replay knows none.
  const giveBack = { amount: "2", windowStart: "2026-01-01T00:00:00Z" };
  const back = await told(opened, "/v1/limits/api:ada:giveBack", giveBack);
  expect(back).toEqual([200, undefined, policy, '"api:ada";r=5;t=13']);
});

it("a token bucket: w is its full time, t that to the next unit, Retry-After that to room for the amount", async () => {
  await using opened = await open();
  const refill = { amount: 2n, everyMs: 5_000 };
  await apply(opened.store, create("bucket", { min: 0n, max: 9n, refill }));
  const take = (amount: string) => told(opened, "/v1/limits/bucket:take", { amount });
  const policy = '"bucket";q=9;w=23';
  expect(await told(opened, "/v1/limits/bucket:take", { dryRun: true })).toEqual([
    200,
    undefined,
    policy,
    '"bucket";r=9',
  ]);
  expect(await take("9")).toEqual([200, undefined, policy, '"bucket";r=0;t=3']);
  expect(await take("3")).toEqual([429, "8", policy, '"bucket";r=0;t=3']);
});

it("several takes: an item each; Retry-After when there is room for all, none if there never is for one", async () => {
  await using opened = await open();
  await apply(opened.store, create("minute", { max: 2n, value: 2n, window: WINDOW }));
  await apply(
    opened.store,
    create("hour", { max: 2n, value: 2n, window: { everyMs: 3_600_000, anchorMs: 0 } }),
  );
  await apply(opened.store, create("bare", { max: 2n, value: 1n }));
  const take = (...names: string[]) =>
    told(opened, "/v1/limits:take", { takes: names.map((name) => ({ name })) });
  expect(await take("minute", "bare", "hour")).toEqual([
    429,
    "3600",
    '"minute";q=2;w=60, "bare";q=2, "hour";q=2;w=3600',
    '"minute";r=0;t=60, "bare";r=1, "hour";r=0;t=3600',
  ]);
  await apply(opened.store, set("bare", 2n));
  expect((await take("minute", "bare")).slice(0, 2)).toEqual([429, undefined]);
});

it("are structured fields whatever the counter: quotes within, and numbers of 15 digits at most", async () => {
  await using opened = await open();
  const name = 'a"b\\c';
  const wide = { min: -(2n ** 63n), max: 2n ** 63n - 1n, value: -(2n ** 63n), idleTtlMs: 315_360_000_000n };
  await apply(opened.store, create(name, wide));
  expect(await told(opened, `/v1/limits/${encodeURIComponent(name)}:take`, {})).toEqual([
    ...[200, undefined],
    '"a\\"b\\\\c";q=999999999999999;w=315360000',
    '"a\\"b\\\\c";r=999999999999999;t=315360000',
  ]);
});

it("over Connect what is not allowed is an answer like any other, and an error is an error everywhere", async () => {
  await using opened = await open();
  await apply(opened.store, create("full", { max: 1n, value: 1n }));
  const path = "/tally.v1.LimitService/TakeLimit";
  const [status, ...rest] = await told(
    opened,
    path,
    { name: "full" },
    { "content-type": "application/json" },
  );
  expect([status, ...rest]).toEqual([200, ...[undefined, undefined, undefined]]);
  expect((await told(opened, "/v1/limits/none:take", {}))[0]).toBe(404);
});

it("pages of other origins that may call may read them", async () => {
  await using opened = await open({ allowOrigins: ["https://shop.example"] });
  await apply(opened.store, create("q", { max: 1n }));
  const headers = { origin: "https://shop.example" };
  const got = await send(opened.door.port, { method: "POST", path: "/v1/limits/q:take", body: {}, headers });
  const exposed = `${got.headers["access-control-expose-headers"]}`.split(", ");
  expect(exposed).toEqual(expect.arrayContaining(["Retry-After", "RateLimit", "RateLimit-Policy"]));
});
