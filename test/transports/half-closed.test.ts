/** Clients that end what they send, and wait for what they are owed: at every door, over TCP and over TLS. */
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, describe, expect, it } from "vitest";
import { IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { authority } from "../support/certificates.ts";
import { gate, open } from "./door.ts";
import { send } from "./http.ts";
import { framed } from "./raw.ts";
import { http, type Talk, talk } from "./talk.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());
const LONG_MS = 3_600_000;
/** Whatever ends here does so because of what the client did. */
const PATIENT = { firstBytesMs: LONG_MS, headersMs: LONG_MS, requestMs: LONG_MS, idleMs: LONG_MS };
const INCREMENT = http("POST", "/counters/a/increment");
const CONNECT = http("POST", "/tally.v1.CounterService/Increment", { body: '{"name":"a"}' });

describe.each([
  ["plaintext", {}],
  ["TLS", { tls: { ...AUTHORITY.issue(), ca: AUTHORITY.ca } }],
])("a half-closed connection of HTTP/1.1 over %s", (_, tls) => {
  it.each([
    ["the short path", INCREMENT, [200, 1]],
    ["REST", http("POST", "/v1/counters/a:increment"), [200, "1"]],
    ["Connect", CONNECT, [200, "1"]],
    ["several requests", INCREMENT + INCREMENT + http("GET", "/counters/a"), [200, 1, 200, 2, 200, 2]],
    ["a request for a health check", http("GET", "/livez"), [200]],
  ])("gets its answer, and then the end: %s", async (_, asked, answers) => {
    await using opened = await open({ ...tls, limits: PATIENT });
    const there = await talk(opened.door.port, opened);
    there.send(asked);
    there.end();
    expect(await there.answers()).toEqual(answers);
  });

  it("is not taken for one that has gone", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      ...tls,
      limits: PATIENT,
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const first = await talk(opened.door.port, opened);
    first.send(INCREMENT);
    await expect.poll(() => held.count()).toBe(1);
    const second = await talk(opened.door.port, opened); // Whose batch is not cut yet.
    second.send(CONNECT);
    first.end();
    second.end();
    for (let turn = 0; turn < 3; turn++) await send(opened.door.port, { path: "/livez", ca: opened.ca });
    held!.open();
    expect(await first.answers()).toEqual([200, 1]);
    expect(await second.answers()).toEqual([200, "2"]);
  });

  it.each([
    ["head", "POST /counters/a/increment HTTP/1.1\r\nHost: x\r\n", [400]],
    ["body", http("PUT", "/counters/a", { body: '{"value":7}' }).slice(0, -3), [400]],
    [
      "chunk",
      `${http("PUT", "/counters/a", { headers: { "content-type": "application/json", "transfer-encoding": "chunked" } })}5\r\n{"va`,
      [400],
    ],
    ["body behind a whole request", INCREMENT + CONNECT.slice(0, -3), [200, 1, 400]],
    ["body that was refused", http("POST", "/livez", { body: "x".repeat(100) }).slice(0, -3), [405]],
  ])("ends at once where a request is cut short, which is not applied: %s", async (_, cut, answers) => {
    await using opened = await open({ ...tls, limits: PATIENT });
    const there = await talk(opened.door.port, opened);
    there.send(cut);
    there.end();
    expect(await there.answers()).toEqual(answers);
    const counter = await send(opened.door.port, { path: "/counters/a", ca: opened.ca });
    expect(counter.json).toEqual(answers[1] === 1 ? { name: "a", value: 1 } : expect.anything());
    expect(counter.status).toBe(answers[1] === 1 ? 200 : 404);
  });

  it("ends at once where it is idle, or has said nothing", async () => {
    await using opened = await open({ ...tls, limits: PATIENT });
    const idle = await talk(opened.door.port, opened);
    idle.send(http("GET", "/livez"));
    await once(idle.socket, "readable");
    const silent = await talk(opened.door.port, opened);
    idle.end();
    silent.end();
    expect([await idle.answers(), await silent.answers()]).toEqual([[200], []]);
  });
});

describe.each([
  ["the one port", {}],
  ["a port of its own", { grpcListen: { host: "127.0.0.1", port: 0 } }],
  ["TLS", { tls: { ...AUTHORITY.issue(), ca: AUTHORITY.ca } }],
  [
    "a port of its own over TLS",
    { grpcListen: { host: "127.0.0.1", port: 0 }, tls: { ...AUTHORITY.issue(), ca: AUTHORITY.ca } },
  ],
])("a half-closed connection of HTTP/2 on %s", (_, where) => {
  it("gets the answers to its calls in flight, and then the end", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      ...where,
      limits: PATIENT,
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const { session, there } = await http2(opened.door.grpcPort, opened.ca);
    const calls = [call(session), call(session)];
    await expect.poll(() => held.count()).toBe(1);
    there.end();
    for (let turn = 0; turn < 3; turn++) await send(opened.door.port, { path: "/livez", ca: opened.ca });
    held!.open();
    expect(await Promise.all(calls)).toEqual(["0", "0"]);
    await there.closed;
    expect((await opened.client.getCounter({ name: "a" })).counter?.value).toBe(2n);
  });

  it("ends at once where a call is cut short, which is not applied", async () => {
    await using opened = await open({ ...where, limits: PATIENT });
    const { session, there } = await http2(opened.door.grpcPort, opened.ca);
    const cut = call(session, { end: false });
    await new Promise((resolve) => session.ping(resolve)); // The server has read it.
    there.end();
    await there.closed;
    expect(await cut).toBe("none");
    expect((await opened.store.get(["a"]))[0]).toBeUndefined();
  });

  it("ends at once where it is idle", async () => {
    await using opened = await open({ ...where, limits: PATIENT });
    const { session, there } = await http2(opened.door.grpcPort, opened.ca);
    expect(await call(session)).toBe("0");
    there.end();
    await there.closed;
  });
});

/** A session on a connection that a test can end while the session lives on. */
async function http2(
  port: number,
  ca: string | undefined,
): Promise<{ session: ClientHttp2Session; there: { end: Talk["end"]; closed: Promise<unknown> } }> {
  const { socket, end } = await talk(port, { ca, protocol: "h2" });
  const closed = once(socket, "close");
  const session = connectHttp2("http://127.0.0.1", { createConnection: () => socket });
  session.on("error", () => {});
  await once(session, "remoteSettings");
  return { session, there: { end, closed } };
}

const MESSAGE = framed(toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "a" })));

/** An Increment. @returns  its status */
function call(session: ClientHttp2Session, { end = true } = {}): Promise<unknown> {
  const stream = session.request(
    {
      ":method": "POST",
      ":path": "/tally.v1.CounterService/Increment",
      "content-type": "application/grpc",
      te: "trailers",
    },
    { endStream: false },
  );
  let status: unknown = "none";
  stream.on("trailers", (trailers) => {
    status = trailers["grpc-status"];
  });
  stream.on("error", () => {});
  if (end) stream.end(MESSAGE);
  else stream.write(MESSAGE.subarray(0, 6));
  stream.resume();
  return new Promise((resolve) => stream.on("close", () => resolve(status)));
}
