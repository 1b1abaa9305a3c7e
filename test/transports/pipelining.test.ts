/** Requests of one connection that are sent without waiting: one after another, and answered whatever follows them. */
import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { afterAll, describe, expect, it } from "vitest";
import { authority } from "../support/certificates.ts";
import { gate, open } from "./door.ts";
import { send } from "./http.ts";
import { answersIn, CLOSE, http, talk } from "./talk.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());
const OVER_TLS = { tls: { ...AUTHORITY.issue(), ca: AUTHORITY.ca } };

const INCREMENT = http("POST", "/counters/a/increment");
const GET = http("GET", "/counters/a");
const LAST = http("GET", "/counters/a", CLOSE);
const LONG_MS = 3_600_000;

async function openHeld(limits = {}) {
  let held: ReturnType<typeof gate>;
  const opened = await open({
    limits,
    store: (real) => {
      held = gate(real);
      return held.store;
    },
  });
  return { opened, held: held! };
}

/** What is answered to all of this in one piece; the last request is to end the connection. */
async function answersTo(texts: readonly (string | Uint8Array)[], tls = false) {
  await using opened = await open(tls ? OVER_TLS : {});
  const there = await talk(opened.door.port, opened);
  there.send(...texts);
  const answers = await there.answers();
  const [counter] = await opened.store.get(["a"]);
  return { answers, value: typeof counter === "object" ? counter.value : undefined };
}

describe.each([
  ["plaintext", false],
  ["TLS", true],
])("pipelined requests over %s", (_, tls) => {
  it("are applied in their order, at whichever paths", async () => {
    const set = http("POST", "/tally.v1.CounterService/Set", { body: '{"name":"a","value":"1"}' });
    const put = http("PUT", "/counters/a", { body: '{"value":2}' });
    const rest = http("POST", "/v1/counters/a:set", { body: '{"value":3}' });
    expect(await answersTo([set, put, LAST], tls)).toEqual({
      answers: [200, "1", 200, 2, 200, 2],
      value: 2n,
    });
    expect(await answersTo([rest, put, set, LAST], tls)).toEqual({
      answers: [200, "3", 200, 2, 200, "1", 200, 1],
      value: 1n,
    });
  });

  it("see what those before them did", async () => {
    const { answers } = await answersTo([INCREMENT, GET, INCREMENT, LAST], tls);
    expect(answers).toEqual([200, 1, 200, 1, 200, 2, 200, 2]);
  });
});

describe("a pipelined request", () => {
  it("begins when the one before has its answer, and holds up no other connection", async () => {
    const { opened, held } = await openHeld();
    await using _ = opened;
    const { port } = opened.door;
    const first = await talk(port);
    first.send(http("POST", "/counters/a/increment"), http("POST", "/counters/b/increment", CLOSE));
    await expect.poll(() => held.count()).toBe(1);
    const other = await talk(port);
    other.send(http("POST", "/counters/c/increment", CLOSE));
    await expect.poll(() => held.count()).toBe(1); // It is in the writer's queue: one commit is in flight.
    expect((await send(port, { path: "/counters/c" })).status).toBe(404);
    held.open();
    expect([await first.answers(), await other.answers()]).toEqual([
      [200, 1, 200, 1],
      [200, 1],
    ]);
  });

  it.each([
    ["bytes that are no request", ["\u0001\u0002\r\n\r\n"], [200, 1, 400]],
    ["headers that are too large", [`GET / HTTP/1.1\r\nx: ${"x".repeat(20_000)}\r\n\r\n`], [200, 1, 431]],
    ["a request without a host", ["GET / HTTP/1.1\r\n\r\n", INCREMENT], [200, 1, 400]],
    ["a tunnel", ["CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", INCREMENT], [200, 1, 405]],
    ["the preface of HTTP/2", ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], [200, 1, 400]],
    ["a bad chunk", [`${http("POST", "/counters/a/increment", { headers: CHUNKED })}x\r\n`], [200, 1, 400]],
  ])("is answered before what cannot be read behind it: %s", async (_, behind, answers) => {
    expect(await answersTo([INCREMENT, ...behind])).toEqual({ answers, value: 1n });
  });

  it("is not served behind a body that no one asked for, of which some has yet to come", async () => {
    const unwanted = http("POST", "/livez", { body: "x".repeat(500_000) });
    expect(await answersTo([INCREMENT, unwanted, INCREMENT])).toEqual({ answers: [200, 1, 405], value: 1n });
    const short = http("POST", "/livez", { body: "{}" }); // It is there by then.
    expect((await answersTo([INCREMENT, short, LAST])).answers).toEqual([200, 1, 405, 200, 1]);
  });

  it("is not served behind one that ends the connection", async () => {
    const last = http("POST", "/counters/a/increment", CLOSE);
    expect(await answersTo([last, INCREMENT])).toEqual({ answers: [200, 1], value: 1n });
    const upgrade = http("POST", "/counters/a/increment", { headers: UPGRADE }); // Which is not taken.
    expect(await answersTo([upgrade, INCREMENT])).toEqual({ answers: [200, 1], value: 1n });
    for (const protocol of ["h2c", "H2C, websocket"]) {
      // Node.js forgets what came with it: were the connection kept, the next answer would seem to be to that.
      const headers = { connection: "upgrade, http2-settings", upgrade: protocol, "http2-settings": "" };
      const other = http("POST", "/counters/a/increment", { headers });
      expect(await answersTo([other, INCREMENT])).toEqual({ answers: [200, 1], value: 1n });
    }
    const old = "POST /counters/a/increment HTTP/1.0\r\n\r\n";
    expect(await answersTo([old, INCREMENT])).toEqual({ answers: [200, 1], value: 1n });
  });

  it.each([
    ["an expectation that is not known", http("GET", "/livez", { headers: { expect: "tea" } }), [417]],
    [
      "100-continue",
      http("POST", "/counters/a/increment", { headers: EXPECTING, body: "{}" }),
      [100, 200, 2],
    ],
    ["a body that is too large", http("POST", "/counters/a/increment", { body: "x".repeat(5e6) }), [413]],
    ["HEAD", http("HEAD", "/counters/a"), [200]],
  ])("waits for one of another kind: %s", async (_, between, answers) => {
    const all = (await answersTo([INCREMENT, between, INCREMENT, LAST])).answers;
    const after = answers.includes(2) ? 3 : 2;
    expect(all).toEqual([200, 1, ...answers, 200, after, 200, after]);
  });

  it("waits for a body that comes slowly", async () => {
    await using opened = await open();
    const slow = await talk(opened.door.port);
    const put = http("PUT", "/counters/a", { body: '{"value":7}' });
    slow.send(INCREMENT, put.slice(0, -3));
    await expect.poll(async () => (await send(opened.door.port, { path: "/counters/a" })).status).toBe(200);
    slow.send(put.slice(-3), INCREMENT, LAST);
    expect(await slow.answers()).toEqual([200, 1, 200, 7, 200, 8, 200, 8]);
  });

  it("has its answer before the 408 of one behind it that comes too slowly", async () => {
    const { opened, held } = await openHeld({ headersMs: 100, requestMs: 100 });
    await using _ = opened;
    const slow = await talk(opened.door.port);
    slow.send(INCREMENT, "GET /livez HTTP/1.1\r\n");
    const other = await talk(opened.door.port); // Its own head is late as well, and later.
    other.send("GET /livez HTTP/1.1\r\n");
    expect(await other.answers()).toEqual([408]);
    held.open();
    expect(await slow.answers()).toEqual([200, 1, 408]);
  });

  it("that is cut off by a 408 is not applied when its rest comes after all", async () => {
    await using opened = await open({ limits: { headersMs: 100, requestMs: 100 } });
    const slow = await talk(opened.door.port);
    const put = http("PUT", "/counters/a", { body: '{"value":7}' });
    slow.send(put.slice(0, -3));
    const [answer] = await new Promise<Buffer[]>((resolve) =>
      slow.socket.once("data", (...all: Buffer[]) => resolve(all)),
    );
    expect(`${answer}`).toMatch(/^HTTP\/1.1 408 /);
    slow.send(put.slice(-3));
    slow.end();
    await slow.all();
    expect((await send(opened.door.port, { path: "/counters/a" })).status).toBe(404);
  });
});

const CHUNKED = { "transfer-encoding": "chunked" };
const EXPECTING = { expect: "100-continue" };
const UPGRADE = { connection: "upgrade", upgrade: "websocket" };

describe("many pipelined requests", () => {
  it("10,000 in one piece are all applied, and answered in their order", async () => {
    await using opened = await open({ limits: { headersMs: LONG_MS, requestMs: LONG_MS } });
    const there = await talk(opened.door.port);
    there.send(INCREMENT.repeat(10_000), LAST);
    const counted = Array.from({ length: 10_000 }, (_, i) => [200, i + 1]).flat();
    expect(await there.answers()).toEqual([...counted, 200, 10_000]);
  });

  it("leave other connections their turn between any two", async () => {
    await using opened = await open();
    const { port } = opened.door;
    const [many, other] = [await talk(port), await talk(port)];
    let answered = 0;
    many.socket.on("data", (chunk: Buffer) => {
      answered += answersIn(chunk.toString("latin1")).length;
    });
    many.send(http("GET", "/livez").repeat(999), http("GET", "/livez", CLOSE));
    other.send(http("GET", "/livez", CLOSE));
    expect(await other.answers()).toEqual([200]);
    expect(answered).toBeLessThan(100); // One a turn, and it took the other a few.
    await once(many.socket, "end");
    many.end();
    expect(answered).toBe(1_000);
  });

  it("are all answered to a client that ends its side behind them", async () => {
    await using opened = await open();
    const there = await talk(opened.door.port);
    there.send(http("POST", "/v1/counters/a:increment", { body: '{"amount":"1"}' }).repeat(100));
    there.end();
    const counted = Array.from({ length: 100 }, (_, i) => [200, `${i + 1}`]).flat();
    expect(await there.answers()).toEqual(counted);
  });

  it("are neither parsed nor read while some wait", async () => {
    const { opened, held } = await openHeld();
    await using _ = opened;
    const { port } = opened.door;
    let parsed = 0;
    const count = () => parsed++;
    channel("http.server.request.start").subscribe(count);
    const there = await talk(port);
    there.send(INCREMENT, http("GET", "/livez").repeat(50_000), LAST);
    await expect.poll(() => parsed).toBe(17); // One in hand, and those that may wait.
    for (let turn = 0; turn < 50; turn++) await send(port, { path: "/livez" });
    channel("http.server.request.start").unsubscribe(count);
    expect(parsed).toBeLessThanOrEqual(17 + 50); // These over HTTP/1.1, unless they go over HTTP/2.
    held.open();
    const answers = await there.answers();
    expect([answers.length, answers.slice(0, 2), answers.slice(-2)]).toEqual([50_004, [200, 1], [200, 1]]);
  });

  it("wait for a client that does not read, and go on when it does", async () => {
    await using opened = await open();
    const there = await talk(opened.door.port);
    const asked = 300;
    there.send(http("GET", "/openapi.json").repeat(asked), LAST);
    there.socket.pause();
    for (let turn = 0; turn < 50; turn++) await send(opened.door.port, { path: "/livez" });
    there.socket.resume();
    expect((await there.answers()).filter((each) => each === 200)).toHaveLength(asked);
  });

  it("that nobody takes the answers of are given up after the time of an idle connection", async () => {
    await using opened = await open({ limits: { idleMs: 1_000, connectionsMax: 1 } });
    const there = await talk(opened.door.port);
    there.socket.pause();
    there.send(http("GET", "/openapi.json").repeat(300));
    there.end();
    await expect
      .poll(() =>
        send(opened.door.port, { path: "/livez" }).then(
          ({ status }) => status,
          () => "full",
        ),
      )
      .toBe(200);
    there.socket.destroy();
  });
});
