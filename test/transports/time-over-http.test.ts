/** What HTTP says of counters that time changes: when there will be room again, and what an etag of one is good for. */
import { describe, expect, it } from "vitest";
import { type Opened, open, refusal } from "./door.ts";
import { send } from "./http.ts";

const MESSAGE = encodeURIComponent('{"name":"a"}');
/** Every path that reads one counter by GET. */
const READS = [
  "/v1/counters/a",
  "/counters/a",
  `/tally.v1.CounterService/GetCounter?encoding=json&message=${MESSAGE}`,
  "/tally.v1.CounterService/GetCounter?encoding=proto&base64=1&message=CgFh",
];

/** Every way to increment by an amount over HTTP/1.1. */
const INCREMENTS: readonly (readonly [string, (amount: number) => object])[] = [
  ["/v1/counters/a:increment", (amount) => ({ amount })],
  ["/counters/a/increment", (amount) => ({ amount })],
  ["/tally.v1.CounterService/Increment", (amount) => ({ name: "a", amount })],
];

const post = ({ door }: Opened, path: string, body: object) =>
  send(door.port, { method: "POST", path, body });
const get = ({ door }: Opened, path: string, headers: Record<string, string> = {}) =>
  send(door.port, { method: "GET", path, headers });

const DAILY = {
  max: 5n,
  value: 5n,
  window: { span: { case: "every", value: { seconds: 86_400n } } },
} as const;
const BUCKET = { min: 0n, max: 10n, value: 10n, refill: { amount: 3n, every: { seconds: 1n } } };

describe("Retry-After", () => {
  it.each(INCREMENTS)("is when there will be room, in whole seconds, rounded up: %s", async (path, body) => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a", ...BUCKET });
    const retryAfter = async (amount: number) =>
      (await post(opened, path, body(amount))).headers["retry-after"];
    expect(await retryAfter(1)).toBe("1"); // 334 ms
    expect(await retryAfter(3)).toBe("1"); // 1,000 ms
    expect(await retryAfter(4)).toBe("2"); // 1,334 ms
    expect(await retryAfter(10)).toBe("4"); // 3,334 ms
    expect(await retryAfter(11)).toBeUndefined();
    opened.clock.advance(1_000);
    expect(await retryAfter(4)).toBe("1"); // 334 ms
    expect(await retryAfter(3)).toBeUndefined(); // Done.
  });

  it.each(INCREMENTS)("after it there is room, and not before: %s", async (path, body) => {
    await using opened = await open();
    opened.clock.advance(1_234_567);
    await opened.client.createCounter({ name: "a", ...DAILY });
    const got = await post(opened, path, body(1));
    expect([got.status, got.headers["retry-after"]]).toEqual([400, "85166"]); // Of 85,165.433 s.
    expect((await refusal(opened.client.increment({ name: "a" }))).retryMs).toBe(85_165_433);
    opened.clock.advance(85_165_432);
    expect((await post(opened, path, body(1))).headers["retry-after"]).toBe("1");
    opened.clock.advance(1);
    expect((await post(opened, path, body(1))).status).toBe(200);
  });

  it("is none at a bound that time does not move the value from", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a", max: 0n, idleTtl: { seconds: 60n } });
    const got = await post(opened, "/v1/counters/a:increment", {});
    expect([got.error?.reason, got.headers["retry-after"]]).toEqual(["ABOVE_MAX", undefined]);
  });
});

describe.each(READS)("GET %s of a counter that time changes", (path) => {
  it.each([
    ["a window", DAILY],
    ["a refill", BUCKET],
    ["an idle TTL", { idleTtl: { seconds: 60n } }],
  ] as const)("is never 304: %s", async (_, settings) => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a", ...settings });
    const { etag } = (await get(opened, path)).headers;
    for (const noneMatch of [etag!, `W/${etag}`, "*"]) {
      expect((await get(opened, path, { "if-none-match": noneMatch })).status).toBe(200);
    }
    await opened.client.updateCounter({ name: "a", updateMask: { paths: ["window", "refill", "idle_ttl"] } });
    const { headers } = await get(opened, path);
    expect((await get(opened, path, { "if-none-match": headers.etag! })).status).toBe(304);
  });

  it("does not meet an If-Match from before a roll that moved the value", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a", ...DAILY });
    const { etag } = (await get(opened, path)).headers;
    opened.clock.advance(86_399_999);
    expect((await get(opened, path, { "if-match": etag! })).status).toBe(200);
    opened.clock.advance(1);
    const got = await get(opened, path, { "if-match": etag! });
    expect([got.status, got.headers.etag === etag]).toEqual([412, false]);
    // From here on the value is 0 at every roll: none of them moves it.
    opened.clock.advance(86_400_000);
    expect((await get(opened, path, { "if-match": got.headers.etag! })).status).toBe(200);
  });

  it("meets an If-Match from before a refill", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a", ...BUCKET });
    const { etag } = (await get(opened, path)).headers;
    opened.clock.advance(2_000);
    expect((await get(opened, path, { "if-match": etag! })).status).toBe(200);
  });
});

describe("If-Match of a change", () => {
  const change = ({ door }: Opened, method: string, path: string, etag: string, body: object) =>
    send(door.port, { method, path, headers: { "if-match": etag }, body });

  it("from before a roll is ETAG_MISMATCH, but for the settings, which nothing has changed", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a", ...DAILY });
    const etag = (await get(opened, "/v1/counters/a")).headers.etag!;
    opened.clock.advance(86_400_000);
    const got = await change(opened, "POST", "/v1/counters/a:set", etag, { value: 3 });
    expect([got.status, got.error?.reason]).toEqual([409, "ETAG_MISMATCH"]);
    const now = (await get(opened, "/v1/counters/a")).headers.etag!;
    expect(got.error?.metadata).toEqual({ name: "a", etag: now.replace(/^"|\.s1"$/g, "") });
    expect((await change(opened, "PATCH", "/v1/counters/a", etag, { max: 6 })).status).toBe(200);
    expect((await change(opened, "POST", "/v1/counters/a:set", now, { value: 3 })).status).toBe(200);
  });

  it("from before a refill is met", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a", ...BUCKET });
    const etag = (await get(opened, "/v1/counters/a")).headers.etag!;
    opened.clock.advance(2_000);
    const got = await change(opened, "POST", "/v1/counters/a:set", etag, { value: 3 });
    expect(got.json).toMatchObject({ outcome: { previous: "4", value: "3", revision: "2" } });
  });

  it("of a counter that has expired is COUNTER_NOT_FOUND, and never about the one made since", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a", idleTtl: { seconds: 60n } });
    const etag = (await get(opened, "/v1/counters/a")).headers.etag!;
    opened.clock.advance(60_000);
    const asked = () => change(opened, "POST", "/v1/counters/a:set", etag, { value: 3 });
    expect((await asked()).error?.reason).toBe("COUNTER_NOT_FOUND");
    await opened.client.increment({ name: "a" });
    expect((await asked()).error?.reason).toBe("ETAG_MISMATCH");
  });
});
