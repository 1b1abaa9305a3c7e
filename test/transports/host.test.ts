/** Whom a request is for: names that could be a stranger's are refused, and so is what leaves it open. */
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { type Opened, open } from "./door.ts";
import { ENGINES } from "./engine.ts";
import { gotOf, send } from "./http.ts";

/** The answer to a request sent to the byte, and its reason; the connection's end is its end. */
async function raw(
  { door }: Opened,
  head: string,
): Promise<{ status: number; reason: string | undefined; field: string | undefined; text: string }> {
  const socket = connect(door.port, "127.0.0.1");
  socket.write(`${head.replaceAll("\n", "\r\n")}\r\nConnection: close\r\n\r\n`);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  await once(socket, "close");
  const text = Buffer.concat(chunks).toString("latin1");
  const [, status] = /^HTTP\/1\.1 (\d+)/.exec(text)!;
  const { error } = gotOf(Number(status), {}, Buffer.from(text.slice(text.indexOf("\r\n\r\n") + 4)));
  return { status: Number(status), reason: error?.reason, field: error?.metadata.field, text };
}

const PATHS = [
  "GET /v1/counters",
  "POST /v1/counters/a:increment",
  "GET /counters/a",
  "GET /",
  "GET /docs",
  "GET /openapi.json",
  "GET /nowhere",
  "POST /tally.v1.CounterService/Increment",
  "GET /tally.v1.CounterService/GetCounter?encoding=json&message=%7B%22name%22:%22a%22%7D",
  "OPTIONS /v1/counters",
];

const isMade = async ({ client }: Opened) => (await client.listCounters({})).counters.length > 0;

describe("a name that could be a stranger's", () => {
  it.each([
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evillocalhost",
    "xn--lcalhost-n4a",
    "0x7f.1.evil",
    "counters.example.evil.example",
    "y.counters.example",
    "a_b",
  ])("is refused, reads included, and nothing is applied: %s", async (host) => {
    await using opened = await open({ hostNames: ["counters.example"] });
    for (const path of PATHS) {
      const got = await raw(opened, `${path} HTTP/1.1\nHost: ${host}`);
      expect([path, got.status, got.reason]).toEqual([path, 403, "HOST_NOT_ALLOWED"]);
      expect(got.text).toContain("--host-names");
    }
    for (const path of ["/livez", "/readyz"]) {
      expect((await send(opened.door.port, { path, headers: { host } })).text).toBe("ok\n");
    }
    expect(await isMade(opened)).toBe(false);
  });

  it.each([
    "localhost",
    "LOCALHOST:8080",
    "localhost.",
    "localhost:",
    "tally.localhost",
    "127.0.0.1:1",
    "127.1",
    "2130706433",
    "10.0.0.7",
    "[::1]",
    "[::1]:65535",
    "[::ffff:127.0.0.1]:80",
    "[2001:DB8::1]",
    "counters.example",
    "Counters.Example.:443",
    "db_1:80",
  ])("is none of these: %s", async (host) => {
    await using opened = await open({ hostNames: ["counters.example", "db_1"] });
    for (const path of ["GET /v1/counters", "POST /v1/counters/a:increment"]) {
      expect([host, (await raw(opened, `${path} HTTP/1.1\nHost: ${host}`)).status]).toEqual([host, 200]);
    }
  });

  it("is answered where every name is, and where none is looked at", async () => {
    for (const hostNames of [["*"], undefined]) {
      await using opened = await open({ hostNames });
      expect((await raw(opened, "GET /v1/counters HTTP/1.1\nHost: evil.example")).status).toBe(200);
    }
  });

  it("is not taken for the name of the request before it", async () => {
    await using opened = await open({ hostNames: [] });
    const path = "/v1/counters";
    for (const [host, status] of [
      ["localhost", 200],
      ["evil.example", 403],
      ["localhost", 200],
    ] as const) {
      expect((await send(opened.door.port, { path, headers: { host } })).status).toBe(status);
    }
  });

  it("is not looked for where HTTP has none: 1.0 without a Host", async () => {
    await using opened = await open({ hostNames: [] });
    expect((await raw(opened, "GET /v1/counters HTTP/1.0")).status).toBe(200);
  });

  it.each(ENGINES)(
    "is refused in the target too, where there is no Host: 1.0, beside %s",
    async (http2Engine) => {
      await using opened = await open({ http2Engine, hostNames: ["counters.example"] });
      for (const server of [
        "http://evil.example",
        "HTTPS://EVIL.example:443",
        "http://localhost.evil.example:80",
      ]) {
        for (const path of PATHS) {
          const got = await raw(opened, `${path.replace(" ", ` ${server}`)} HTTP/1.0`);
          expect([server, path, got.status, got.reason]).toEqual([server, path, 403, "HOST_NOT_ALLOWED"]);
        }
      }
      expect(await isMade(opened)).toBe(false);
      for (const server of ["http://localhost", "https://counters.example:443", "http://127.0.0.1:8080"]) {
        expect((await raw(opened, `GET ${server}/v1/counters HTTP/1.0`)).status).toBe(200);
      }
      const foreign = "GET http://evil.example/v1/counters HTTP/1.0";
      expect((await raw(opened, foreign)).status).toBe(403); // It is not taken for the one before.
    },
  );
});

describe("a Host that is none", () => {
  it.each([
    "",
    "[",
    "]",
    "[]",
    "[::1",
    "[::g]",
    "[127.0.0.1]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]:80",
    "::1",
    "a b",
    "a/b",
    "a,b",
    "x:99999",
    "x:65536",
    "x:-1",
    "x:1:2",
    "x:http",
    ":80",
    "user@localhost",
    "user:pass@localhost",
    "http://localhost",
    "localhost/",
    "localhost..",
    ".localhost",
    "a..b",
    "lo%63alhost",
    "l\u00f6calhost",
    "*",
  ])("is refused, whatever names are answered: '%s'", async (host) => {
    for (const hostNames of [[], undefined]) {
      await using opened = await open({ hostNames });
      for (const path of [...PATHS, "GET /livez"]) {
        const got = await raw(opened, `${path} HTTP/1.1\nHost: ${Buffer.from(host).toString("latin1")}`);
        expect([path, got.status, got.reason, got.field]).toEqual([path, 400, "INVALID_FIELD", "Host"]);
      }
      expect(await isMade(opened)).toBe(false);
      expect(opened.logged).toEqual([]);
    }
  });

  it.each([
    ["none", "POST /v1/counters/a:increment HTTP/1.1", "Host"],
    ["two", "POST /v1/counters/a:increment HTTP/1.1\nHost: localhost\nHost: evil.example", "Host"],
    ["the same twice", "POST /v1/counters/a:increment HTTP/1.1\nHost: localhost\nhost: localhost", "Host"],
    [
      "another than the target",
      "POST http://evil.example/v1/counters/a:increment HTTP/1.1\nHost: localhost",
      "Host",
    ],
    [
      "another port than the target",
      "POST http://localhost:1/v1/counters/a:increment HTTP/1.1\nHost: localhost",
      "Host",
    ],
    [
      "a target with a user",
      "POST http://u@localhost/v1/counters/a:increment HTTP/1.1\nHost: localhost",
      "the request target's host",
    ],
    [
      "a target without a host",
      "POST http:///v1/counters/a:increment HTTP/1.1\nHost: localhost",
      "the request target's host",
    ],
    [
      "two content types",
      "POST /v1/counters/a:increment HTTP/1.1\nHost: x\nContent-Type: application/json\ncontent-type: text/plain",
      "Content-Type",
    ],
  ])("or are two, or contradict the target, is refused: %s", async (_, head, field) => {
    await using opened = await open();
    const got = await raw(opened, head);
    expect([got.status, got.reason, got.field]).toEqual([400, "INVALID_FIELD", field]);
    expect(await isMade(opened)).toBe(false);
  });

  it.each([
    "http://localhost:80/v1/counters/a:increment HTTP/1.1\nHost: LOCALHOST",
    "https://localhost/v1/counters/a:increment HTTP/1.1\nHost: localhost:443",
    "http://localhost/v1/counters/a:increment HTTP/1.0",
    "/v1/counters/a:increment?http://evil.example/ HTTP/1.1\nHost: localhost",
  ])("is not where both mean the same: %s", async (rest) => {
    await using opened = await open();
    expect((await raw(opened, `POST ${rest}`)).status).toBe(rest.includes("?") ? 400 : 200);
    expect((await raw(opened, `POST ${rest}`)).field).not.toBe("Host");
  });

  it.each(["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])(
    "and so is another method in a header: %s",
    async (name) => {
      await using opened = await open();
      for (const [method, path, meant] of [
        ["POST", "/v1/counters/a:increment", "GET"],
        ["POST", "/counters/a/increment", "delete"],
        ["GET", "/v1/counters/a", "POST"],
        ["POST", "/tally.v1.CounterService/Increment", "GET"],
      ] as const) {
        const got = await send(opened.door.port, { method, path, headers: { [name]: meant } });
        expect([got.status, got.error?.metadata.field]).toEqual([400, name.toLowerCase()]);
      }
      expect(await isMade(opened)).toBe(false);
      const same = { method: "POST", path: "/v1/counters/a:increment", headers: { [name]: "POST" } };
      expect((await send(opened.door.port, same)).status).toBe(200);
    },
  );

  it("a header beyond the two thousandth counts as well", async () => {
    await using opened = await open({ limits: { headerBytesMax: 64 * 1024 } });
    const many = "a: b\n".repeat(2_500);
    const head = `POST /v1/counters/a:increment HTTP/1.1\nHost: localhost\n${many}Idempotency-Key: k-1`;
    expect([(await raw(opened, head)).status, (await raw(opened, head)).status]).toEqual([200, 200]);
    expect((await opened.client.getCounter({ name: "a" })).counter?.value).toBe(1n);
    expect((await raw(opened, head.replace("Idempotency-Key: k-1", "Host: evil.example"))).field).toBe(
      "Host",
    );
  });
});

describe("a request that is read in two ways", () => {
  it("by a coding beside its chunks is refused, and nothing is applied", async () => {
    await using opened = await open();
    const head = "POST /v1/counters/a:increment HTTP/1.1\nHost: x\nTransfer-Encoding: gzip, chunked";
    expect(await raw(opened, head)).toMatchObject({ status: 400, field: "Transfer-Encoding" });
    expect(await isMade(opened)).toBe(false);
  });

  it("by a key that stands behind its body is refused, and nothing is applied", async () => {
    await using opened = await open();
    const socket = connect(opened.door.port, "127.0.0.1");
    const head = "POST /v1/counters/a:increment HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
    const rest = "Connection: close\r\nTrailer: idempotency-key\r\n\r\n0\r\nIdempotency-Key: k\r\n\r\n";
    socket.write(head + rest);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    await once(socket, "close");
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain("idempotency-key must be a header, before the body");
    expect(await isMade(opened)).toBe(false);
  });
});

it("the server as a whole may be asked what it takes, and has no other answer for what is no path", async () => {
  await using opened = await open();
  expect(await raw(opened, "OPTIONS * HTTP/1.1\nHost: x")).toMatchObject({ status: 204 });
  expect(await raw(opened, "GET * HTTP/1.1\nHost: x")).toMatchObject({
    status: 404,
    reason: "PATH_NOT_FOUND",
  });
});
