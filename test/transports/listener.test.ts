/** One port for both protocols: told apart by the first bytes, however slowly they come. */
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { Client, gate, type Opened, open, refusal } from "./door.ts";
import { byEngine } from "./engine.ts";

/** Send bytes one at a time, each in a packet of its own, and read until the connection is closed. */
async function trickle(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await send(socket, text);
  return readAll(socket);
}

async function send(socket: Socket, text: string): Promise<void> {
  for (const byte of text) {
    await new Promise<void>((sent) => socket.write(byte, "latin1", () => sent()));
    await new Promise((turn) => setImmediate(turn));
  }
}

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  await once(socket, "close");
  return text;
}

/** A frame of HTTP/2 without a payload: its length, type, flags and stream. */
const SETTINGS = 4;
const EMPTY_SETTINGS = `\0\0\0${String.fromCharCode(SETTINGS)}\0\0\0\0\0`;

const LIVEZ = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

describe("one port", () => {
  it("answers gRPC and HTTP/1.1 on the same port", async () => {
    await using opened = await open();
    expect(opened.door.grpcPort).toBe(opened.door.port);
    expect((await opened.client.increment({ name: "a" })).outcome?.value).toBe(1n);
    const answer = await fetch(`http://127.0.0.1:${opened.door.port}/livez`);
    expect([answer.status, await answer.text()]).toEqual([200, "ok\n"]);
  });

  it.for(["GET", "POST", "PUT", "PATCH", "PROPFIND"])(
    "takes a %s that trickles in for HTTP/1.1",
    async (method) => {
      await using opened = await open();
      const text = LIVEZ.replace("GET", method);
      expect(await trickle(opened.door.port, text)).toMatch(
        method === "GET" ? /^HTTP\/1.1 200 / : /^HTTP\/1.1 405 /,
      );
    },
  );

  it("takes a preface that trickles in for HTTP/2", async () => {
    await using opened = await open();
    const socket = connect({ port: opened.door.port, host: "127.0.0.1", noDelay: true });
    await send(socket, `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${EMPTY_SETTINGS}`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer[3]).toBe(SETTINGS);
    socket.destroy();
  });

  it("closes a connection that stays silent, and one that ends before it said anything", async () => {
    await using opened = await open({ limits: { firstBytesMs: 50 } });
    expect(await readAll(connect(opened.door.port, "127.0.0.1"))).toBe("");
    const ended = connect(opened.door.port, "127.0.0.1");
    ended.end();
    expect(await readAll(ended)).toBe("");
    const half = connect(opened.door.port, "127.0.0.1");
    half.write("PR");
    expect(await readAll(half)).toBe("");
  });
});

describe("a port of its own for gRPC", () => {
  it("serves gRPC there and HTTP/1.1 here, and neither the other way round", async () => {
    const host = "127.0.0.1";
    await using opened = await open({ grpcListen: { host, port: 0 } });
    const { port, grpcPort } = opened.door;
    expect(grpcPort).not.toBe(port);
    expect((await opened.client.increment({ name: "a" })).outcome?.value).toBe(1n);
    expect((await fetch(`http://${host}:${port}/livez`)).status).toBe(200);
    await expect(fetch(`http://${host}:${grpcPort}/livez`)).rejects.toThrow();
    const wrong = new Client(port);
    expect(await refusal(wrong.increment({ name: "a" }))).toMatchObject(
      byEngine({
        "grpc-js": { status: "UNAVAILABLE" }, // It is hung up on.
        own: { status: "UNIMPLEMENTED", message: expect.stringContaining("grpc-listen") },
      }),
    );
    wrong.close();
  });
});

describe("health over HTTP", () => {
  it("is ready while gRPC says SERVING, and alive in any case", async () => {
    await using opened = await open();
    const { door } = opened;
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${door.port}${path}`)).status;
    expect(await status("/readyz")).toBe(200);
    door.setServing(false);
    expect([await status("/readyz"), await status("/livez")]).toEqual([503, 200]);
  });

  it("is read with GET or HEAD, and nothing else is there yet", async () => {
    await using opened = await open();
    const at = `http://127.0.0.1:${opened.door.port}`;
    expect((await fetch(`${at}/livez`, { method: "HEAD" })).status).toBe(200);
    const posted = await fetch(`${at}/livez`, { method: "POST", body: "{}" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await fetch(`${at}/nowhere`)).status).toBe(404);
  });
});

describe("draining", () => {
  it("answers gRPC in flight and closes idle HTTP connections", async () => {
    let held: ReturnType<typeof gate>;
    const opened: Opened = await open({
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const { door, client } = opened;
    const idle = request({
      port: door.port,
      host: "127.0.0.1",
      path: "/livez",
      headers: { connection: "keep-alive" },
    });
    idle.end();
    const [answer] = await once(idle, "response");
    answer.resume();
    await once(answer, "end");
    const call = client.increment({ name: "a" });
    await expect.poll(() => held.count()).toBe(1);
    const closed = once(idle.socket!, "close");
    const drained = door.drain(60_000);
    await closed;
    held!.open();
    expect((await call).outcome?.value).toBe(1n);
    client.close();
    await drained;
  });
});
