import { constants } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { fc } from "@fast-check/vitest";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it, vi } from "vitest";
import { CounterService, IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import type { Call } from "../../src/service/call.ts";
import type { Writer } from "../../src/service/writer.ts";
import { Client, gate, open, refusal, refusedOf } from "./door.ts";
import { byEngine } from "./engine.ts";
import { begin, ended, exchange, framed } from "./raw.ts";
import { batchBytes, operationBytes } from "./wire-bytes.ts";

/** Goal: whatever comes over the wire is answered in gRPC's terms, changes nothing by accident, and ends nothing. */

const INCREMENT = "/tally.v1.CounterService/Increment";
const increment = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "a" }));

describe("bytes that are no request", () => {
  it.each(CounterService.methods.map(({ name }) => name))("%s calls them malformed", async (method) => {
    await using opened = await open();
    for (const bytes of [
      [0xff],
      [0x0a, 5, 0x61],
      [0x0a, 1, 0xff],
      [0x0b],
      [0x00, 1],
      [0x09, 1, 1, 1, 1, 1, 1, 1, 1],
    ]) {
      const refused = await refusal(
        opened.client.raw(`/tally.v1.CounterService/${method}`, Uint8Array.from(bytes)),
      );
      expect(refused).toMatchObject({ status: "INVALID_ARGUMENT", reason: "MALFORMED_MESSAGE" });
    }
  });

  it("random ones end nothing, and every refusal is one of ours", async () => {
    await using opened = await open();
    const { client } = opened;
    const paths = CounterService.methods.map(({ name }) => `/tally.v1.CounterService/${name}`);
    const bytes = fc.oneof(
      batchBytes,
      operationBytes.map((operation) => Uint8Array.from(operation)),
      fc.uint8Array({ maxLength: 64 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), bytes, async (path, request) => {
        const refused = await client.raw(path, request).then(
          () => undefined,
          (error: grpc.ServiceError) => refusedOf(error),
        );
        if (refused !== undefined) expect(refused.reason).toBeDefined();
        expect(refused?.status).not.toBe("INTERNAL");
      }),
      { numRuns: 500 },
    );
    expect(opened.logged).toEqual([]);
  });
});

describe("frames", () => {
  it("a gzip'd request is read", async () => {
    await using opened = await open();
    const answer = await exchange(opened.door.port, INCREMENT, [framed(gzipSync(increment), 1)], {
      "grpc-encoding": "gzip",
    });
    expect(answer.status).toBe("OK");
    expect((await opened.client.getCounter({ name: "a" })).counter?.value).toBe(1n);
  });

  it.each([
    ["not gzip at all", [framed(Buffer.from("nonsense"), 1)], { "grpc-encoding": "gzip" }],
    ["cut short", [framed(gzipSync(increment).subarray(0, 12), 1)], { "grpc-encoding": "gzip" }],
    ["in an encoding nobody knows", [framed(increment, 1)], { "grpc-encoding": "br" }],
    ["a bomb", [framed(gzipSync(Buffer.alloc(20_000_000)), 1)], { "grpc-encoding": "gzip" }],
  ])("a compressed request that is %s is refused, and the server lives", async (_, frames, headers) => {
    await using opened = await open();
    expect((await exchange(opened.door.port, INCREMENT, frames, headers)).status).not.toBe("OK");
    await opened.client.increment({ name: "b" });
    expect(await refusal(opened.client.getCounter({ name: "a" }))).toMatchObject({
      reason: "COUNTER_NOT_FOUND",
    });
  });

  it("a request in many pieces is put together", async () => {
    await using opened = await open();
    const whole = framed(increment);
    const pieces = [...whole].map((byte) => Buffer.from([byte]));
    expect((await exchange(opened.door.port, INCREMENT, pieces)).status).toBe("OK");
  });

  it.each([
    ["no message", []],
    ["two messages", [framed(increment), framed(increment)]],
    ["two messages in one piece", [Buffer.concat([framed(increment), framed(increment)])]],
  ])("%s where one is due is refused, not applied", async (_, frames) => {
    await using opened = await open();
    const answer = await exchange(opened.door.port, INCREMENT, frames);
    expect(answer).toMatchObject({ status: "UNIMPLEMENTED", reason: "NOT_ONE_MESSAGE" });
    expect(await refusal(opened.client.getCounter({ name: "a" }))).toMatchObject({
      reason: "COUNTER_NOT_FOUND",
    });
  });

  it("of which there is too much is refused as that before it has ended", async () => {
    await using opened = await open();
    const answer = await ended(
      begin(opened.door.port, INCREMENT, [Buffer.concat([framed(increment), framed(increment)])]),
    );
    expect(answer).toMatchObject({ status: "UNIMPLEMENTED", reason: "NOT_ONE_MESSAGE" });
  });

  it.each([
    ["a cut message", [framed(increment).subarray(0, 7)]],
    ["a length of 2^32-1", [Buffer.from([0, 0xff, 0xff, 0xff, 0xff])]],
  ])("%s is refused, not applied", async (_, frames) => {
    await using opened = await open();
    expect((await exchange(opened.door.port, INCREMENT, frames)).status).not.toBe("OK");
    expect(await refusal(opened.client.getCounter({ name: "a" }))).toMatchObject({
      reason: "COUNTER_NOT_FOUND",
    });
  });

  it("an unknown method is UNIMPLEMENTED", async () => {
    await using opened = await open();
    const { client } = opened;
    expect(await refusal(client.raw("/tally.v1.CounterService/Nothing", increment))).toMatchObject({
      status: "UNIMPLEMENTED",
    });
    expect(await refusal(client.raw("/other.Service/Increment", increment))).toMatchObject({
      status: "UNIMPLEMENTED",
    });
  });

  it("another content type is 415", async () => {
    await using opened = await open();
    // Where HTTP/2 is gRPC's alone JSON is of another port's, or HTTP/1.1's.
    const type = byEngine({ "grpc-js": "application/json", own: "text/json" });
    const answer = await exchange(opened.door.port, INCREMENT, [framed(increment)], { "content-type": type });
    expect(answer.http).toBe(415);
  });

  it("16 KiB of metadata pass", async () => {
    await using opened = await open();
    const metadata = new grpc.Metadata();
    metadata.set("x-large", "v".repeat(15_000));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const as = (bytes: Buffer) => bytes;
    opened.client.grpc.makeUnaryRequest(
      INCREMENT,
      as,
      as,
      Buffer.from(increment),
      metadata,
      (error, value) => (error ? reject(error) : resolve(value)),
    );
    await promise;
  });
});

describe("callers who stop waiting", () => {
  /** A door whose first commit waits, and what its writer was asked. */
  async function openHeld() {
    const taken: Call[] = [];
    let held: ReturnType<typeof gate>;
    const opened = await open({
      store: (real) => {
        held = gate(real);
        return held.store;
      },
      writer: (real) => recording(real, taken),
    });
    return { opened, taken, held: held! };
  }

  it("a call whose deadline passed before its batch was cut is not applied", async () => {
    const { opened, taken, held } = await openHeld();
    await using _ = opened;
    const { client, clock, door } = opened;
    const first = client.increment({ name: "a" });
    await vi.waitFor(() => expect(held.count()).toBe(1));
    const late = exchange(door.port, INCREMENT, [framed(increment)], { "grpc-timeout": "10M" });
    const patient = exchange(door.port, INCREMENT, [framed(increment)]);
    await vi.waitFor(() => expect(taken).toHaveLength(3));
    clock.advance(11 * 60_000);
    held.open();
    expect(await late).toMatchObject({ status: "DEADLINE_EXCEEDED", reason: "DEADLINE_PASSED" });
    expect((await first).outcome?.value).toBe(1n);
    expect((await patient).status).toBe("OK");
    expect((await client.getCounter({ name: "a" })).counter?.value).toBe(2n);
  });

  it("a call that was cancelled before its batch was cut is not applied", async () => {
    const { opened, taken, held } = await openHeld();
    await using _ = opened;
    const { client, door } = opened;
    const first = client.increment({ name: "a" });
    await vi.waitFor(() => expect(held.count()).toBe(1));
    const stream = begin(door.port, INCREMENT, [framed(increment)]);
    stream.end();
    await vi.waitFor(() => expect(taken).toHaveLength(2));
    stream.close(constants.NGHTTP2_CANCEL);
    await vi.waitFor(() => expect(taken[1]!.cancelled()).toBe(true));
    expect(taken[0]!.cancelled()).toBe(false);
    held.open();
    await first;
    expect((await client.getCounter({ name: "a" })).counter?.value).toBe(1n);
  });

  it("the deadline is told by the server's own clock, and none is Infinity", async () => {
    const taken: Call[] = [];
    await using opened = await open({ writer: (real) => recording(real, taken) });
    await opened.client.increment({ name: "a" }, { deadline: Date.now() + 60_000 });
    await opened.client.increment({ name: "a" });
    expect(taken[0]!.deadline).toBeGreaterThan(opened.clock.now() + 50_000);
    expect(taken[0]!.deadline).toBeLessThanOrEqual(opened.clock.now() + 60_100);
    expect(taken[1]!.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it("a caller that vanishes while its change commits harms no one", async () => {
    const { opened, held } = await openHeld();
    await using _ = opened;
    const other = new Client(opened.door.port);
    const lost = other.increment({ name: "a" }).catch(() => "lost");
    await vi.waitFor(() => expect(held.count()).toBe(1));
    other.close();
    held.open();
    await lost;
    expect((await opened.client.increment({ name: "a" })).outcome?.value).toBe(2n);
    expect(opened.logged).toEqual([]);
  });
});

/** A writer that notes what it is asked. */
function recording(real: Writer, taken: Call[]): Writer {
  const submit = (call: Call) => {
    taken.push(call);
    return real.submit(call);
  };
  return { submit } as unknown as Writer;
}
