import { once } from "node:events";
import { connect, createServer } from "node:net";
import { service } from "grpc-health-check";
import { describe, expect, it, vi } from "vitest";
import { Client, gate, type Opened, open, refusal } from "./door.ts";

async function openHeld(): Promise<{ opened: Opened; held: ReturnType<typeof gate> }> {
  let held: ReturnType<typeof gate>;
  const opened = await open({
    store: (real) => {
      held = gate(real);
      return held.store;
    },
  });
  return { opened, held: held! };
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
