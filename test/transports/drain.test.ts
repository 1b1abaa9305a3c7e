import { once } from "node:events";
import { connect, createServer } from "node:net";
import { service } from "grpc-health-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import { authority } from "../support/certificates.ts";
import { Client, gate, type Opened, open, refusal } from "./door.ts";
import { FRAME, framesIn, increment, isEnd, opening, pongs } from "./frames.ts";
import { CLOSE, http, talk } from "./talk.ts";

async function openHeld(
  options: Parameters<typeof open>[0] = {},
): Promise<{ opened: Opened; held: ReturnType<typeof gate> }> {
  let held: ReturnType<typeof gate>;
  const opened = await open({
    ...options,
    store: (real) => {
      held = gate(real);
      return held.store;
    },
  });
  return { opened, held: held! };
}

/** Resolves once a port takes no more connections, which is before anybody is told to go away. */
async function refusing(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const refused = await once(socket, "connect").then(
      () => false,
      () => true,
    );
    socket.destroy();
    if (refused) return;
  }
}

describe("listening", () => {
  it("takes a free port for 0, and says which", async () => {
    await using opened = await open();
    expect(opened.door.port).toBeGreaterThan(0);
  });

  it("rejects with the system's reason when the port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    await expect(open({ listen: { host: "127.0.0.1", port } })).rejects.toMatchObject({
      message: expect.stringContaining(`127.0.0.1:${port}`),
      cause: { code: "EADDRINUSE" },
    });
    other.close();
  });

  it("rejects for a host that is not this machine's", async () => {
    await expect(open({ listen: { host: "192.0.2.1", port: 0 } })).rejects.toMatchObject({
      cause: { code: "EADDRNOTAVAIL" },
    });
  });
});

describe("draining", () => {
  it("answers the calls in flight, takes no new ones, and then is closed", async () => {
    const { opened, held } = await openHeld();
    const { client, door } = opened;
    const call = client.increment({ name: "a" });
    await vi.waitFor(() => expect(held.count()).toBe(1));
    let drained = false;
    const done = door.drain(60_000).then(() => {
      drained = true;
    });
    await refusing(door.port);
    const late = new Client(door.port);
    expect(await refusal(late.increment({ name: "a" }))).toMatchObject({ status: "UNAVAILABLE" });
    late.close();
    expect(drained).toBe(false);
    held.open();
    expect((await call).outcome?.value).toBe(1n);
    await done;
    await expect(once(connect(door.port, "127.0.0.1"), "connect")).rejects.toMatchObject({
      code: "ECONNREFUSED",
    });
    client.close();
  });

  it("tells health watchers, and does not wait for them", async () => {
    await using opened = await open();
    const { path, requestSerialize, responseDeserialize } = service.Watch;
    const { grpc } = opened.client;
    const stream = grpc.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: "" });
    const seen: string[] = [];
    stream.on("data", ({ status }: { status: string }) => seen.push(status));
    const ended = once(stream, "end");
    stream.on("error", () => {});
    await vi.waitFor(() => expect(seen).toEqual(["SERVING"]));
    await opened.door.drain(60_000);
    await ended;
    expect(seen).toEqual(["SERVING", "NOT_SERVING"]);
  });

  it("does not wait for idle connections, nor for ones that never spoke", async () => {
    await using opened = await open({ limits: { firstBytesMs: 3_600_000 } });
    await opened.client.increment({ name: "a" });
    const silent = connect(opened.door.port, "127.0.0.1");
    await once(silent, "connect");
    silent.on("error", () => {}).resume();
    const closed = once(silent, "close");
    await opened.door.drain(60_000);
    await closed;
  });

  it("cuts what is left when the grace ends, and says so", async () => {
    const { opened, held } = await openHeld();
    const { client, door, logged } = opened;
    const call = refusal(client.increment({ name: "a" }));
    await vi.waitFor(() => expect(held.count()).toBe(1));
    await door.drain(20);
    expect(await call).toMatchObject({
      status: expect.stringMatching(/UNAVAILABLE|CANCELLED/),
      reason: undefined,
    });
    expect(logged).toMatchObject([{ event: "doors.drain_forced", fields: { calls: 1 } }]);
    held.open();
    client.close();
  });

  it("can be asked twice", async () => {
    await using opened = await open();
    await Promise.all([opened.door.drain(1_000), opened.door.drain(1_000)]);
  });
});

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());
const INCREMENT = http("POST", "/counters/a/increment");
/** Long enough that only what is awaited ends a drain. */
const GRACE_MS = 60_000;

describe.each([
  ["plaintext", {}],
  ["TLS", { tls: { ...AUTHORITY.issue(), ca: AUTHORITY.ca } }],
])("draining, on a kept connection over %s", (_, tls) => {
  it("what is sent after it began is answered once more, and told that it is the last", async () => {
    await using opened = await open(tls);
    const kept = await talk(opened.door.port, opened);
    kept.send(INCREMENT);
    await once(kept.socket, "readable");
    const drained = opened.door.drain(GRACE_MS);
    await refusing(opened.door.port);
    kept.send(INCREMENT);
    const text = await kept.all();
    expect(text.match(/^(HTTP\/1.1 .*|connection: .*|\{.*\})$/gim)).toEqual([
      ...["HTTP/1.1 200 OK", "Connection: keep-alive", '{"name":"a","value":1}'],
      ...["HTTP/1.1 200 OK", "connection: close", '{"name":"a","value":2}'],
    ]);
    await drained;
  });

  it("what was sent without waiting is answered to the last", async () => {
    await using opened = await open(tls);
    const kept = await talk(opened.door.port, opened);
    const drained = opened.door.drain(GRACE_MS);
    await refusing(opened.door.port);
    kept.send(INCREMENT.repeat(5));
    expect(await kept.answers()).toEqual([200, 1, 200, 2, 200, 3, 200, 4, 200, 5]);
    await drained;
  });

  it("a request that was on its way when nothing had been sent before is answered", async () => {
    await using opened = await open(tls);
    const silent = await talk(opened.door.port, opened);
    const drained = opened.door.drain(GRACE_MS);
    await refusing(opened.door.port);
    silent.send(INCREMENT.slice(0, 2));
    await new Promise((turn) => setImmediate(turn));
    silent.send(INCREMENT.slice(2));
    expect(await silent.answers()).toEqual([200, 1]);
    await drained;
  });

  it("an idle one is ended, and not reset, though its client goes on sending", async () => {
    await using opened = await open(tls);
    const kept = await talk(opened.door.port, opened);
    kept.send(INCREMENT);
    await once(kept.socket, "readable");
    const drained = opened.door.drain(GRACE_MS);
    let failed: unknown;
    kept.socket.on("error", (error) => {
      failed = error;
    });
    kept.socket.once("end", () => {
      kept.send(INCREMENT); // It crosses with the end, and is not served.
      kept.end();
    });
    expect(await kept.answers()).toEqual([200, 1]);
    expect(failed).toBeUndefined();
    await drained;
    expect((await opened.store.get(["a"]))[0]).toMatchObject({ value: 1n });
  });

  it("an answer in flight ends it too, and one that is late", async () => {
    const { opened, held } = await openHeld(tls);
    await using _ = opened;
    const kept = await talk(opened.door.port, opened);
    kept.send(INCREMENT);
    await vi.waitFor(() => expect(held.count()).toBe(1));
    const idle = await talk(opened.door.port, opened);
    idle.send(http("GET", "/livez"));
    await once(idle.socket, "readable");
    const drained = opened.door.drain(GRACE_MS);
    expect(await idle.answers()).toEqual([200]); // Idle ones have been ended by now.
    held.open();
    expect(await kept.all()).toMatch(/connection: close/);
    await drained;
  });
});

describe("draining, on a connection of HTTP/2", () => {
  it("calls that cross with the first word of it are answered; the last word names the last of them", async () => {
    await using opened = await open();
    const { socket, send } = await talk(opened.door.port);
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      const before = framesIn(bytes).length;
      bytes = Buffer.concat([bytes, chunk]);
      socket.write(pongs(framesIn(bytes).slice(before)));
    });
    const lastTaken = () => {
      const goaways = framesIn(bytes).filter(({ type }) => type === FRAME.GOAWAY);
      return [...new Set(goaways.map(({ payload }) => payload.readUInt32BE(0)))];
    };
    const answered = () =>
      framesIn(bytes)
        .filter(isEnd)
        .map(({ stream }) => stream);
    socket.on("end", () => socket.end());
    send(opening(), increment("a", 1));
    await vi.waitFor(() => expect(answered()).toEqual([1]));
    const drained = opened.door.drain(GRACE_MS);
    await vi.waitFor(() => expect(lastTaken()).toEqual([2 ** 31 - 1]));
    send(increment("a", 3), increment("a", 5));
    await vi.waitFor(() => expect(answered()).toEqual([1, 3, 5]));
    await once(socket, "close");
    expect(lastTaken()).toEqual([2 ** 31 - 1, 5]);
    await drained;
    expect((await opened.store.get(["a"]))[0]).toMatchObject({ value: 3n });
  });

  it.each([
    ["plaintext", {}],
    ["TLS", { tls: { ...AUTHORITY.issue(), ca: AUTHORITY.ca } }],
  ])("callers who go on until they are told get every answer, over %s", async (_, tls) => {
    await using opened = await open(tls);
    const { socket } = await talk(opened.door.port, { ca: opened.ca, protocol: "h2" });
    let bytes = Buffer.alloc(0);
    let next = 1;
    let sent = 0;
    const told = () => framesIn(bytes).some(({ type }) => type === FRAME.GOAWAY);
    const call = () => {
      if (told()) return;
      socket.write(increment("a", next));
      next += 2;
      sent++;
    };
    const answered = () => framesIn(bytes).filter(isEnd).length;
    socket.write(opening());
    for (let caller = 0; caller < 16; caller++) call();
    socket.on("data", (chunk: Buffer) => {
      const [before, seen] = [answered(), framesIn(bytes).length];
      bytes = Buffer.concat([bytes, chunk]);
      for (let again = answered() - before; again > 0; again--) setTimeout(call, again % 3);
      socket.write(pongs(framesIn(bytes).slice(seen)));
    });
    await vi.waitFor(() => expect(answered()).toBeGreaterThan(50));
    const drained = opened.door.drain(GRACE_MS);
    await once(socket, "end");
    expect(answered()).toBe(sent);
    socket.end();
    await drained;
    expect((await opened.store.get(["a"]))[0]).toMatchObject({ value: BigInt(sent) });
  });
});

describe("draining", () => {
  it("is over at once where nobody is connected", async () => {
    const opened = await open();
    opened.client.close();
    const began = performance.now();
    await opened.door.drain(GRACE_MS);
    expect(performance.now() - began).toBeLessThan(900); // The last call alone takes a second.
  });

  it("does not wait for a client that never ends its side", async () => {
    await using opened = await open();
    const kept = await talk(opened.door.port);
    kept.send(http("GET", "/livez", CLOSE));
    await once(kept.socket, "readable");
    kept.socket.resume(); // It sees the end, and does nothing.
    await opened.door.drain(GRACE_MS);
    kept.socket.destroy();
  });
});
