/** What cannot be answered in time is refused at every door, before its message is there; and nothing else is. */
import { once } from "node:events";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import type * as grpc from "@grpc/grpc-js";
import { describe, expect, it, vi } from "vitest";
import { IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import type { Writer } from "../../src/service/writer.ts";
import { instead, type Opened, open, refusal } from "./door.ts";
import { send } from "./http.ts";
import { begin, ended, exchange, framed } from "./raw.ts";

const SERVICE = "/tally.v1.CounterService";
const INCREMENT = `${SERVICE}/Increment`;
const REQUEST = framed(toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "a" })));

/** So many changes, or reads, are taken at a time however long they wait: with these limits, no more. */
const TAKEN = 256;
const LIMITS = { queueWaitMaxMs: 10, streamsMax: 2_000 };

/** A server whose store answers when it is let; `begun` are the calls that have come to the writer or the store. */
async function openHeld() {
  let released = Promise.withResolvers<void>();
  let begun = 0;
  const all: Promise<unknown>[] = [];
  const held = async <Result>(act: () => Promise<Result>): Promise<Result> => {
    begun++;
    await released.promise;
    return act();
  };
  const opened = await open({
    limits: LIMITS,
    store: (real) =>
      instead(real, {
        commit: async (batch) => {
          await released.promise;
          return real.commit(batch);
        },
        get: (names) => held(() => real.get(names)),
        list: (...given) => held(() => real.list(...given)),
        sum: (...given) => held(() => real.sum(...given)),
      }),
    writer: (real) =>
      new Proxy(real, {
        get(target, name) {
          if (name !== "submit") {
            const own = target[name as keyof Writer];
            return typeof own === "function" ? (own as () => unknown).bind(target) : own;
          }
          return (call: Parameters<Writer["submit"]>[0]) => {
            begun++;
            return target.submit(call);
          };
        },
      }),
  });
  const release = () => {
    released.resolve();
    begun = 0;
  };
  return {
    opened,
    port: opened.door.port,
    release,
    hold() {
      released = Promise.withResolvers();
    },
    /** Begin calls, and wait until so many are under way. */
    async fill(count: number, call: () => Promise<unknown>) {
      const calls = Array.from({ length: count }, call);
      all.push(...calls);
      await vi.waitFor(() => expect(begun).toBeGreaterThanOrEqual(count));
      return calls;
    },
    [Symbol.asyncDispose]: async () => {
      release();
      await Promise.all(all);
      await opened[Symbol.asyncDispose]();
    },
  };
}

describe("a change too many", () => {
  it("is refused over gRPC with a reason, a time and gRPC's own, by its headers alone", async () => {
    await using held = await openHeld();
    const calls = await held.fill(TAKEN, () => held.opened.client.increment({ name: "a" }));
    const stream = begin(held.port, INCREMENT, []); // Neither a message nor an end of it.
    let pushback: unknown;
    stream.on("response", (headers) => {
      pushback = headers["grpc-retry-pushback-ms"];
    });
    const refused = await ended(stream);
    expect(refused).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "QUEUE_FULL",
      metadata: {},
      message: "Too many calls are waiting and this one was not applied; retry after the given delay.",
    });
    expect(refused.retryMs).toBeGreaterThanOrEqual(100);
    expect(Number(pushback)).toBe(refused.retryMs);
    expect(held.opened.logged).toEqual([{ event: "calls.overload", fields: { calls: "changes" } }]);
    held.release();
    await Promise.all(calls);
    expect((await held.opened.client.increment({ name: "a" })).outcome?.value).toBe(BigInt(TAKEN + 1));
  });

  it.each([
    ["REST", "/v1/counters/a:increment", "application/json"],
    ["REST, in a batch", "/v1/counters/a:set", "application/json"],
    ["the short paths", "/counters/a/increment", "application/json"],
    ["Connect in JSON", INCREMENT, "application/json"],
    ["Connect in Protobuf", INCREMENT, "application/proto"],
  ])("is refused over %s by its headers alone, with 429 and Retry-After", async (_, path, type) => {
    await using held = await openHeld();
    await held.fill(TAKEN, () => held.opened.client.increment({ name: "a" }));
    const socket = connect(held.port, "127.0.0.1");
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: 20\r\n\r\n`,
    );
    const [bytes] = await once(socket, "data");
    expect(`${bytes}`).toMatch(/^HTTP\/1.1 429 [\s\S]*\r\nretry-after: [1-9]\r\n[\s\S]*QUEUE_FULL/i);
    socket.destroy();
  });

  it("is refused over gRPC-Web by its headers alone, in its own form", async () => {
    await using held = await openHeld();
    await held.fill(TAKEN, () => held.opened.client.increment({ name: "a" }));
    const socket = connect(held.port, "127.0.0.1");
    const head = `host: localhost\r\ncontent-type: application/grpc-web+proto\r\ncontent-length: 20`;
    socket.write(`POST ${INCREMENT} HTTP/1.1\r\n${head}\r\n\r\n`);
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes;
    });
    await vi.waitFor(() => expect(text).toMatch(/HTTP\/1.1 200 [\s\S]*grpc-status: 8/i));
    expect(text).toMatch(/retry-after: [1-9]/i);
    socket.destroy();
  });

  it("leaves its connection of HTTP/1.1 usable, its body dropped", async () => {
    await using held = await openHeld();
    await held.fill(TAKEN, () => held.opened.client.increment({ name: "a" }));
    const socket = connect(held.port, "127.0.0.1");
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes;
    });
    const post = `POST /v1/counters/a:increment HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`;
    socket.write(`${post}content-length: 12\r\n\r\n`);
    await vi.waitFor(() => expect(text).toMatch(/^HTTP\/1.1 429 /));
    socket.write(`{"amount":9}GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await vi.waitFor(() => expect(text).toMatch(/HTTP\/1.1 200 OK[\s\S]*\r\nok\n/));
    socket.destroy();
  });

  it("does not keep health, the page and reads from being answered", async () => {
    await using held = await openHeld();
    await held.fill(TAKEN, () => held.opened.client.increment({ name: "a" }));
    expect((await refusal(held.opened.client.increment({ name: "a" }))).reason).toBe("QUEUE_FULL");
    for (const path of ["/livez", "/readyz", "/", "/openapi.json"]) {
      expect((await send(held.port, { path })).status).toBe(200);
    }
    const health = await exchange(held.port, "/grpc.health.v1.Health/Check", [framed(new Uint8Array())]);
    expect(health.status).toBe("OK");
    const reads = Array.from({ length: TAKEN }, () =>
      held.opened.client.getCounter({ name: "none" }).catch(reasonOf),
    );
    held.release();
    expect(new Set(await Promise.all(reads))).toEqual(new Set(["COUNTER_NOT_FOUND"]));
  });

  it("of no type of any door is told so: a content type is judged as ever", async () => {
    await using held = await openHeld();
    await held.fill(TAKEN, () => held.opened.client.increment({ name: "a" }));
    const other = await exchange(held.port, INCREMENT, [REQUEST], { "content-type": "text/plain" });
    expect(other.http).toBe(415);
  });
});

describe("each kind of call by itself", () => {
  const names = Array.from({ length: 8_000 }, (_, i) => `${i}`.padStart(150, "n"));
  const operations = names.map((name) => ({ name, action: { case: "increment" as const, value: 1n } }));

  it.each<[string, number, (opened: Opened) => Promise<unknown>]>([
    ["reads", 256, ({ client }) => client.getCounter({ name: "a" })],
    ["pages", 16, ({ client }) => client.listCounters({})],
    ["scans", 16, ({ client }) => client.sumCounters({})],
    ["batches", 2, ({ client }) => client.batchApply({ operations })],
  ])("%s: so many at a time are taken, others refused, and the rest served", async (kind, count, call) => {
    await using held = await openHeld();
    const settled: Promise<unknown>[] = Array.from({ length: count }, () =>
      call(held.opened).catch(reasonOf),
    );
    await vi.waitFor(async () => expect(await call(held.opened).catch(reasonOf)).toBe("QUEUE_FULL"));
    expect(held.opened.logged).toEqual([{ event: "calls.overload", fields: { calls: kind } }]);
    const change = held.opened.client.increment({ name: "b" });
    held.release();
    await Promise.all(settled);
    expect((await change).outcome?.value).toBe(1n);
    expect(await call(held.opened).catch(reasonOf)).not.toBe("QUEUE_FULL");
  });
});

async function reasonOf(error: grpc.ServiceError): Promise<string | undefined> {
  return (await refusal(Promise.reject(error))).reason;
}

describe("calls that end in any other way than by an answer", () => {
  const half = REQUEST.subarray(0, 7);

  it("are let go of: afterwards as many are taken as before, and not one more", async () => {
    await using held = await openHeld();
    const { opened, port } = held;
    for (let round = 0; round < 3; round++) {
      held.hold();
      const gone: Promise<unknown>[] = [];
      for (let n = 0; n < 40; n++) {
        const cancelled = begin(port, INCREMENT, [REQUEST]);
        cancelled.end(() => setImmediate(() => cancelled.close(8)));
        const reset = begin(port, INCREMENT, [half]);
        reset.on("ready", () => reset.close(8));
        const cut = begin(port, INCREMENT, [half]);
        cut.on("ready", () => cut.session?.destroy());
        gone.push(...[cancelled, reset, cut].map((stream) => once(stream, "close")));
        gone.push(exchange(port, INCREMENT, [framed(Buffer.from([0xff]))])); // Malformed.
        gone.push(exchange(port, INCREMENT, [REQUEST, REQUEST])); // Two messages.
        gone.push(exchange(port, INCREMENT, [])); // None.
        gone.push(opened.client.increment({ name: "-" }).catch(() => {})); // Refused.
        gone.push(opened.client.increment({ name: "a" }, { deadline: Date.now() + 1 }).catch(() => {}));
        gone.push(send(port, { method: "POST", path: "/v1/counters/a:increment", body: "{" }));
        gone.push(send(port, { method: "POST", path: INCREMENT, body: "{" }));
      }
      held.release();
      await Promise.all(gone);
      await opened.client.increment({ name: "a" });
      held.hold();
      const calls = await held.fill(TAKEN, () => opened.client.increment({ name: "a" }));
      expect((await refusal(opened.client.increment({ name: "a" }))).reason).toBe("QUEUE_FULL");
      held.release();
      await Promise.all(calls);
    }
  });

  it("may be open by the thousand, without a message: they shut out nobody", async () => {
    await using held = await openHeld();
    const streams = Array.from({ length: 1_000 }, () => begin(held.port, INCREMENT, [half]));
    await Promise.all(streams.map((stream) => once(stream, "ready")));
    held.release();
    expect((await held.opened.client.increment({ name: "a" })).outcome?.value).toBe(1n);
    for (const stream of streams) stream.session?.destroy();
  });
});
