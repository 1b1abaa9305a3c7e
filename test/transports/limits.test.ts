/** Limits of connections and requests: each bites where docs/http.md says so. What a message may have is elsewhere. */
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { Client, gate, open, refusal } from "./door.ts";
import { byEngine } from "./engine.ts";

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  await once(socket, "close");
  return text;
}

const HOST = "127.0.0.1";
const OWN_PORT = { grpcListen: { host: HOST, port: 0 } };
const LONG_MS = 3_600_000;
const LIVEZ = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

describe("the time that a connection takes", () => {
  it.for(["the one port", "gRPC's own"])("until its first bytes: it is closed (%s)", async (which) => {
    await using opened = await open({
      ...OWN_PORT,
      limits: { firstBytesMs: 50, headersMs: LONG_MS, requestMs: LONG_MS },
    });
    const port = which === "gRPC's own" ? opened.door.grpcPort : opened.door.port;
    expect(await readAll(connect(port, HOST))).toBe("");
    const half = connect(port, HOST);
    half.write("PR");
    expect(await readAll(half)).toBe("");
  });

  it("for its headers: 408", async () => {
    await using opened = await open({ limits: { headersMs: 100, requestMs: LONG_MS } });
    const slow = connect(opened.door.port, HOST);
    slow.write("GET /livez HTTP/1.1\r\nHost: x\r\n");
    expect(await readAll(slow)).toMatch(/^HTTP\/1.1 408 /);
  });

  it("for its body: 408, and nothing is applied", async () => {
    await using opened = await open({ limits: { headersMs: 100, requestMs: 200 } });
    const slow = connect(opened.door.port, HOST);
    slow.write(
      "POST /v1/counters/a:increment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{",
    );
    expect(await readAll(slow)).toMatch(/^HTTP\/1.1 408 /);
    expect((await opened.store.get(["a"]))[0]).toBeUndefined();
  });

  it("between two requests: it is closed", async () => {
    await using opened = await open({ limits: { idleMs: 1_000 } });
    const idle = connect(opened.door.port, HOST);
    idle.write(LIVEZ);
    const answer = await readAll(idle);
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(answer).toMatch(/\r\nKeep-Alive: timeout=1\r\n/);
  });

  it("between two calls of gRPC: it is told to go away, and the client connects anew", async () => {
    await using opened = await open({ limits: { grpcIdleMs: 50 } });
    const session = await http2(opened.door.grpcPort);
    const told = once(session, "goaway");
    opened.clock.advance(51); // By which our own engine goes; grpc-js goes by timers.
    expect((await told)[0]).toBe(0);
    await once(session, "close");
    for (const value of [1n, 2n]) {
      expect((await opened.client.increment({ name: "a" })).outcome?.value).toBe(value);
      const closed = once(await http2(opened.door.grpcPort), "close");
      opened.clock.advance(51);
      await closed; // By then the client's has been told as well.
    }
  });
});

describe("how old a connection of gRPC may be", () => {
  it("it is told to go away, its calls in flight are answered, and the client's next one is on another", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      limits: { grpcAgeMs: 10_000, grpcAgeGraceMs: LONG_MS },
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const session = await http2(opened.door.grpcPort);
    const goaways: number[] = [];
    session.on("goaway", (code) => goaways.push(code));
    const first = opened.client.increment({ name: "a" });
    await expect.poll(() => held.count()).toBe(1);
    opened.clock.advance(8_000);
    expect(goaways).toEqual([]);
    opened.clock.advance(4_000); // A tenth more than it may.
    await expect.poll(() => goaways.length).toBeGreaterThan(0);
    opened.clock.advance(2_000);
    if (!session.closed) await once(session, "close");
    expect(new Set(goaways)).toEqual(new Set([0]));
    held!.open();
    expect((await first).outcome?.value).toBe(1n);
    expect((await opened.client.increment({ name: "a" })).outcome?.value).toBe(2n);
  });

  it("what is in flight is cut after its grace", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      limits: { grpcAgeMs: 10_000, grpcAgeGraceMs: 5_000 },
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const call = refusal(opened.client.increment({ name: "a" }));
    await expect.poll(() => held.count()).toBe(1);
    let ended = false;
    void call.then(() => {
      ended = true;
    });
    const passing = setInterval(() => opened.clock.advance(500), 50);
    await expect.poll(() => ended).toBe(true);
    clearInterval(passing);
    held!.open();
  });
});

describe("the number", () => {
  it("of connections: one more is closed at once", async () => {
    await using opened = await open({ limits: { connectionsMax: 1 } });
    await opened.client.increment({ name: "a" });
    expect(await readAll(connect(opened.door.port, HOST))).toBe("");
    expect((await opened.client.increment({ name: "a" })).outcome?.value).toBe(2n);
  });

  it("of calls on a connection of gRPC: one more waits at the client", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      limits: { streamsMax: 1 },
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const { client, door } = opened;
    const first = client.increment({ name: "a" });
    await expect.poll(() => held.count()).toBe(1);
    let answered = false;
    const second = refusal(client.getCounter({ name: "none" })).then((error) => {
      answered = true;
      return error;
    });
    const other = new Client(door.grpcPort, { "grpc.use_local_subchannel_pool": 1 }); // On its own connection.
    for (let i = 0; i < 10; i++) await refusal(other.getCounter({ name: "none" }));
    expect(answered).toBe(false);
    held!.open();
    expect((await first).outcome?.value).toBe(1n);
    expect((await second).reason).toBe("COUNTER_NOT_FOUND");
    other.close();
  });
});

describe("the size", () => {
  it("of headers over HTTP/1.1: 431", async () => {
    await using opened = await open({ limits: { headerBytesMax: 4_096 } });
    const large = connect(opened.door.port, HOST);
    large.write(`GET /livez HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(5_000)}\r\n\r\n`);
    expect(await readAll(large)).toMatch(/^HTTP\/1.1 431 /);
  });

  const COMPRESSION_ERROR = 9;
  const ENHANCE_YOUR_CALM = 11;
  const FIELD = { fields: 1, length: 120_000 };
  it.for(
    byEngine<[string, { fields: number; length: number }, number][]>({
      "grpc-js": [
        ["128 fields: the call is reset", { fields: 129, length: 10 }, ENHANCE_YOUR_CALM],
        ["64 KiB in a field: the connection is closed", FIELD, COMPRESSION_ERROR],
      ],
      own: [["64 KiB as they are sent: the connection is closed", FIELD, ENHANCE_YOUR_CALM]], // Of any number.
    }),
  )("of headers of a gRPC call, above %s", async ([, { fields, length }, code]) => {
    await using opened = await open();
    const session = await http2(opened.door.grpcPort);
    const headers = Array.from({ length: fields }, (_, i) => [`x-${i}`, "x".repeat(length)]);
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      ...Object.fromEntries(headers),
    });
    const statuses: unknown[] = [];
    stream.on("response", (answer) => statuses.push(answer[":status"]));
    stream.resume().on("error", () => {});
    await new Promise((resolve) => stream.once("close", resolve));
    expect([stream.rstCode, statuses]).toEqual([code, []]);
    session.destroy();
    expect((await opened.client.increment({ name: "a" })).outcome?.value).toBe(1n);
  });
});

async function http2(port: number): Promise<ClientHttp2Session> {
  const session = connectHttp2(`http://${HOST}:${port}`, { maxSendHeaderBlockLength: 2 ** 20 });
  session.on("error", () => {});
  await once(session, "remoteSettings");
  return session;
}
