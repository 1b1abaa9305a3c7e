/** What pages in browsers may do, as a browser asks and hears it. */
import { describe, expect, it } from "vitest";
import { type Opened, open } from "./door.ts";
import { type Sent, send } from "./http.ts";

const SHOP = "https://shop.example";
const CONNECT = "/tally.v1.CounterService/Increment";
const WAYS: readonly Sent[] = [
  { method: "POST", path: "/v1/counters/a:increment" },
  { method: "POST", path: "/counters/a/increment" },
  { method: "POST", path: CONNECT, body: { name: "a" } },
  {
    method: "POST",
    path: CONNECT,
    headers: { "content-type": "application/grpc-web+proto" },
    body: Buffer.from([0, 0, 0, 0, 3, 10, 1, 97]),
  },
];

const from = (opened: Opened, origin: string, { headers, ...sent }: Sent) =>
  send(opened.door.port, { ...sent, headers: { origin, ...headers } });

const isMade = (opened: Opened) =>
  opened.client.getCounter({ name: "a" }).then(
    () => true,
    () => false,
  );

/** As a browser asks before it sends what a form could not send. */
const preflight = (path: string, method = "POST"): Sent => ({
  method: "OPTIONS",
  path,
  headers: {
    "access-control-request-method": method,
    "access-control-request-headers": "content-type,connect-protocol-version,idempotency-key",
  },
});

describe("a page of an origin that is allowed", () => {
  it("counts, and reads the answer, its etag and the status of gRPC-Web", async () => {
    await using opened = await open({ allowOrigins: ["https://other.example", SHOP] });
    for (const way of WAYS) {
      const got = await from(opened, SHOP, way);
      expect([way.path, got.status]).toEqual([way.path, 200]);
      expect(got.headers["access-control-allow-origin"]).toBe(SHOP);
      expect(got.headers.vary).toBe("Origin");
      const exposed = got.headers["access-control-expose-headers"]!.toLowerCase().split(", ");
      expect(exposed).toEqual(
        expect.arrayContaining([
          "etag",
          "retry-after",
          "grpc-status",
          "grpc-message",
          "grpc-status-details-bin",
        ]),
      );
      expect(got.headers["access-control-allow-credentials"]).toBeUndefined();
    }
    expect((await opened.client.getCounter({ name: "a" })).counter?.value).toBe(BigInt(WAYS.length));
  });

  it("may ask first, for any method and the headers it wants to send", async () => {
    await using opened = await open({ allowOrigins: [SHOP] });
    for (const path of ["/v1/counters/a", CONNECT, "/v1/counters:batchApply", "/nowhere"]) {
      const got = await from(opened, SHOP, preflight(path, "PATCH"));
      expect([got.status, got.bytes.length]).toEqual([204, 0]);
      expect(got.headers).toMatchObject({
        "access-control-allow-origin": SHOP,
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "content-type,connect-protocol-version,idempotency-key",
        "access-control-max-age": "7200",
      });
    }
  });

  it("reads refusals as well", async () => {
    await using opened = await open({ allowOrigins: [SHOP] });
    for (const sent of [
      { path: "/v1/counters/none" },
      { path: "/nowhere" },
      { method: "PUT", path: CONNECT },
    ]) {
      const got = await from(opened, SHOP, sent);
      expect(got.status).toBeGreaterThanOrEqual(404);
      expect(got.headers["access-control-allow-origin"]).toBe(SHOP);
    }
  });

  it("is any page where every one is", async () => {
    await using opened = await open({ allowOrigins: ["*"] });
    for (const origin of [SHOP, "null", "http://evil.example:1"]) {
      const got = await from(opened, origin, WAYS[0]!);
      expect([got.status, got.headers["access-control-allow-origin"]]).toEqual([200, origin]);
    }
  });
});

describe("a page of another origin", () => {
  it.each([
    SHOP,
    "http://shop.example",
    "https://shop.example:8443",
    "https://sub.allowed.example",
    "https://allowed.example.evil.example",
    "https://ALLOWED.example",
    "null",
    "",
    "nonsense",
    "http://[",
    "x".repeat(5_000),
  ])("changes nothing, and is told why: %s", async (origin) => {
    await using opened = await open({ allowOrigins: ["https://allowed.example"] });
    for (const way of WAYS) {
      const got = await from(opened, origin, way);
      expect([got.status, got.error?.reason]).toEqual([403, "ORIGIN_NOT_ALLOWED"]);
      expect(got.headers["access-control-allow-origin"]).toBeUndefined();
      expect(got.text.length).toBeLessThan(700);
    }
    expect((await from(opened, origin, preflight(CONNECT))).status).toBe(403);
    expect(await isMade(opened)).toBe(false);
  });

  it("does not read what it asks for: the browser keeps it", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "a" });
    const got = await from(opened, SHOP, { path: "/v1/counters/a" });
    expect(got.headers["access-control-allow-origin"]).toBeUndefined();
    expect(got.headers.vary).toBe("Origin");
  });
});

describe("a page that this server gave out", () => {
  it.each(["127.0.0.1", "localhost", "[::1]", "tally.localhost", "192.168.1.7"])(
    "at %s may do everything",
    async (name) => {
      await using opened = await open();
      const host = `${name}:${opened.door.port}`;
      for (const way of WAYS) {
        const got = await from(opened, `http://${host}`, { ...way, headers: { ...way.headers, host } });
        expect(got.status).toBe(200);
      }
    },
  );

  it("under a name of host-names may do everything, also where a proxy in front has TLS", async () => {
    await using opened = await open({ hostNames: ["counters.example"] });
    for (const [origin, host] of [
      ["http://counters.example", "counters.example"],
      ["https://counters.example", "counters.example"],
      ["https://counters.example", "Counters.Example:443"],
      ["http://counters.example:8080", "counters.example.:8080"],
    ] as const) {
      const got = await from(opened, origin, { ...WAYS[0]!, headers: { host } });
      expect([origin, host, got.status]).toEqual([origin, host, 200]);
    }
    for (const [origin, host] of [
      ["http://counters.example", "counters.example:8080"],
      ["https://counters.example", "localhost"],
    ] as const) {
      const got = await from(opened, origin, { ...WAYS[0]!, headers: { host } });
      expect([origin, host, got.error?.reason]).toEqual([origin, host, "ORIGIN_NOT_ALLOWED"]);
    }
  });

  it("is none under any name where every one is answered", async () => {
    await using opened = await open({ hostNames: ["*"] });
    const got = await from(opened, "http://evil.example", { ...WAYS[0]!, headers: { host: "evil.example" } });
    expect(got.error?.reason).toBe("ORIGIN_NOT_ALLOWED");
    expect(
      (await send(opened.door.port, { path: "/v1/counters", headers: { host: "evil.example" } })).status,
    ).toBe(200);
  });

  it.each([
    ["http://127.0.0.1:1", "127.0.0.1:8080"],
    ["http://localhost:8080", "127.0.0.1:8080"],
    ["http://127.0.0.1", "127.0.0.1:8080"],
  ])("is not one of another port or name: %s at %s", async (origin, host) => {
    await using opened = await open();
    expect((await from(opened, origin, { ...WAYS[0]!, headers: { host } })).status).toBe(403);
    expect(await isMade(opened)).toBe(false);
  });

  it.each([
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evillocalhost",
    "0x7f.1.evil",
  ])("is not one whose name was made to lead here: %s", async (name) => {
    await using opened = await open();
    const host = `${name}:${opened.door.port}`;
    for (const way of WAYS) {
      const got = await from(opened, `http://${host}`, { ...way, headers: { ...way.headers, host } });
      expect([got.status, got.error?.reason]).toEqual([403, "HOST_NOT_ALLOWED"]);
    }
    expect(await isMade(opened)).toBe(false);
    await using everyName = await open({ hostNames: undefined }); // Where any name is answered.
    for (const way of WAYS) {
      const got = await from(everyName, `http://${host}`, { ...way, headers: { ...way.headers, host } });
      expect([got.status, got.error?.reason]).toEqual([403, "ORIGIN_NOT_ALLOWED"]);
    }
    expect(await isMade(everyName)).toBe(false);
  });
});

describe("a caller that is no page", () => {
  it("names no origin, and passes", async () => {
    await using opened = await open();
    const got = await send(opened.door.port, WAYS[0]!);
    expect([got.status, got.headers.vary, got.headers["access-control-allow-origin"]]).toEqual([
      200,
      undefined,
      undefined,
    ]);
  });
});
