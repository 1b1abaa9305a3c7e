/**
 * What is told at /metrics, to whom; and that each call is in it once, however it ends. That it is the same at each door is
 * in test/doors/parity, where all that callers are told is compared with what is measured.
 */
import { once } from "node:events";
import { constants } from "node:http2";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, vi } from "vitest";
import { IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import type { Authorise, Permit } from "../../src/transports/calls/authorise.ts";
import { sampleIn, samplesIn } from "../support/exposition.ts";
import { gate, type Opened, open, refusal } from "./door.ts";
import { echoCalls, Seen } from "./echo/calls.ts";
import { RepeatRequestSchema } from "./echo/echo_pb.ts";
import { send } from "./http.ts";
import { begin, ended, exchange, framed } from "./raw.ts";

const INCREMENT = "/tally.v1.CounterService/Increment";
const CANCEL = constants.NGHTTP2_CANCEL;
const REPEAT = "/echo.EchoService/Repeat";
const increment = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "a" }));

/** Calls that have ended, as "RPC DOOR CODE", with how many. */
function callsIn({ metrics }: Opened): Record<string, number> {
  const told = samplesIn(metrics.read(), "tally_calls_total").filter(({ value }) => value > 0);
  return Object.fromEntries(
    told.map(({ labels: { rpc, door, code }, value }) => [`${rpc} ${door} ${code}`, value]),
  );
}

function inFlight({ metrics }: Opened): number {
  return sampleIn(metrics.read(), "tally_calls_in_flight");
}

describe("/metrics", () => {
  it("tells all that is measured in Prometheus's text format", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "a" });
    const got = await send(opened.door.port, { path: "/metrics" });
    expect(got).toMatchObject({
      status: 200,
      headers: {
        "content-type": "text/plain; version=0.0.4; charset=utf-8",
        "content-length": `${got.bytes.length}`,
        "cache-control": "no-store",
      },
    });
    expect(sampleIn(got.text, "tally_calls_total", { rpc: "Increment", door: "grpc", code: "OK" })).toBe(1);
    expect(got.text).not.toContain('"a"');
  });

  it("answers a HEAD without a body, and nothing else than that and GET", async () => {
    await using opened = await open();
    const head = await send(opened.door.port, { method: "HEAD", path: "/metrics?x=y" });
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(Number(head.headers["content-length"])).toBeGreaterThan(1_000);
    const got = await send(opened.door.port, { method: "POST", path: "/metrics" });
    expect(got).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
  });

  it("is read once a second, however many ask", async () => {
    await using opened = await open();
    const ask = async () => (await send(opened.door.port, { path: "/metrics" })).text;
    const first = await ask();
    await opened.client.increment({ name: "a" });
    opened.clock.advance(999);
    expect(await ask()).toBe(first);
    opened.clock.advance(1);
    expect(sampleIn(await ask(), "tally_calls_total", { rpc: "Increment", code: "OK" })).toBe(1);
  });

  it("has the bytes and the connections as they were", async () => {
    await using opened = await open();
    const socket = connect(opened.door.port, "127.0.0.1");
    const request = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    socket.write(request);
    const [bytes] = await once(socket, "data");
    const told = opened.metrics.read();
    expect(sampleIn(told, "tally_open_connections")).toBe(1);
    expect(sampleIn(told, "tally_received_bytes_total")).toBe(request.length);
    expect(sampleIn(told, "tally_sent_bytes_total")).toBe((bytes as Buffer).length);
    socket.destroy();
    await vi.waitFor(() => expect(sampleIn(opened.metrics.read(), "tally_open_connections")).toBe(0));
    expect(sampleIn(opened.metrics.read(), "tally_received_bytes_total")).toBe(request.length);
  });
});

describe("a call is counted once", () => {
  it("that was answered, with how long it took", async () => {
    let letGo = () => {};
    await using opened = await open({
      store: (real) => {
        const gated = gate(real);
        letGo = gated.open;
        return gated.store;
      },
    });
    const call = opened.client.increment({ name: "a" });
    await vi.waitFor(() => expect(inFlight(opened)).toBe(1));
    opened.clock.advance(40);
    letGo();
    await call;
    expect(callsIn(opened)).toEqual({ "Increment grpc OK": 1 });
    const told = opened.metrics.read();
    expect(sampleIn(told, "tally_call_seconds_sum", { rpc: "Increment" })).toBe(0.04);
    expect(sampleIn(told, "tally_call_seconds_bucket", { rpc: "Increment", le: "0.025" })).toBe(0);
    expect(sampleIn(told, "tally_call_seconds_bucket", { rpc: "Increment", le: "0.05" })).toBe(1);
    expect(inFlight(opened)).toBe(0);
  });

  it("over the short paths, as what its body makes of it", async () => {
    await using opened = await open();
    const put = (body: object) => send(opened.door.port, { method: "PUT", path: "/counters/a", body });
    await send(opened.door.port, { method: "POST", path: "/counters/a/increment" });
    await put({ value: 7 });
    await put({});
    await put({ value: "no number" });
    expect(callsIn(opened)).toEqual({
      "Increment short OK": 1,
      "Set short OK": 1,
      "Reset short OK": 1,
      "Set short INVALID_ARGUMENT": 1,
    });
  });

  it("whose caller goes before it is known who they are: as cancelled", async () => {
    const judged = Promise.withResolvers<Permit>();
    await using opened = await open({ authorise: () => judged.promise });
    const stream = begin(opened.door.port, INCREMENT, [framed(increment)]);
    stream.end();
    await vi.waitFor(() => expect(inFlight(opened)).toBe(1));
    stream.close(CANCEL);
    await vi.waitFor(() => expect(inFlight(opened)).toBe(0));
    judged.resolve({ caller: "" });
    await judged.promise;
    expect(callsIn(opened)).toEqual({ "Increment grpc CANCELLED": 1 });
  });

  it("whose caller goes in the middle of the body: as cancelled", async () => {
    await using opened = await open();
    const socket = connect(opened.door.port, "127.0.0.1");
    socket.write("POST /v1/counters/a:increment HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{");
    await vi.waitFor(() => expect(inFlight(opened)).toBe(1));
    socket.destroy();
    await vi.waitFor(() => expect(inFlight(opened)).toBe(0));
    expect(callsIn(opened)).toEqual({ "Increment rest CANCELLED": 1 });
  });

  it("whose caller goes while it is being applied: as what came of it", async () => {
    let letGo = () => {};
    let waiting = () => 0;
    await using opened = await open({
      store: (real) => {
        const gated = gate(real);
        letGo = gated.open;
        waiting = gated.count;
        return gated.store;
      },
    });
    const stream = begin(opened.door.port, INCREMENT, [framed(increment)]);
    stream.end();
    await vi.waitFor(() => expect(waiting()).toBe(1));
    stream.close(CANCEL);
    await once(stream, "close");
    letGo();
    await vi.waitFor(() => expect(inFlight(opened)).toBe(0));
    expect(callsIn(opened)).toEqual({ "Increment grpc OK": 1 });
  });

  it.each([
    ["too large", [Buffer.from([0, 0, 0xff, 0xff, 0xff])], {}, "RESOURCE_EXHAUSTED"],
    ["two messages", [framed(increment), framed(increment)], {}, "UNIMPLEMENTED"],
    ["no message", [], {}, "UNIMPLEMENTED"],
    ["malformed", [framed(Buffer.from([0xff]))], {}, "INVALID_ARGUMENT"],
    [
      "not compressed as it says",
      [framed(Buffer.from("x"), 1)],
      { "grpc-encoding": "gzip" },
      "INVALID_ARGUMENT",
    ],
    ["in an unknown compression", [framed(increment, 1)], { "grpc-encoding": "br" }, "UNIMPLEMENTED"],
  ])("over gRPC whose request is %s", async (_, frames, headers, code) => {
    await using opened = await open();
    const { status } = await exchange(opened.door.port, INCREMENT, frames, headers);
    await vi.waitFor(() => expect(inFlight(opened)).toBe(0));
    expect(callsIn(opened)).toEqual({ [`Increment grpc ${code}`]: 1 });
    expect(status).toBe(code);
  });

  it("that comes when there is no time for it", async () => {
    let letGo = () => {};
    let waiting = () => 0;
    await using opened = await open({
      limits: { queueWaitMaxMs: 10, streamsMax: 2_000 },
      store: (real) => {
        const gated = gate(real);
        letGo = gated.open;
        waiting = gated.count;
        return gated.store;
      },
    });
    const calls = Array.from({ length: 256 }, () => opened.client.increment({ name: "a" }));
    await vi.waitFor(() => expect(inFlight(opened)).toBe(256));
    await vi.waitFor(() => expect(waiting()).toBe(1));
    opened.clock.advance(1_000);
    const refused = await refusal(opened.client.increment({ name: "a" }));
    expect(refused.reason).toBe("QUEUE_FULL");
    const { status } = await send(opened.door.port, { method: "POST", path: "/v1/counters/a:increment" });
    expect(status).toBe(429);
    letGo();
    await Promise.all(calls);
    expect(callsIn(opened)).toEqual({
      "Increment grpc OK": 256,
      "Increment grpc RESOURCE_EXHAUSTED": 1,
      "Increment rest RESOURCE_EXHAUSTED": 1,
    });
    const told = opened.metrics.read();
    expect(sampleIn(told, "tally_refusals_total", { reason: "QUEUE_FULL" })).toBe(2);
    expect(sampleIn(told, "tally_call_seconds_count", { rpc: "Increment" })).toBe(258);
  });

  it("that meets a defect", async () => {
    await using opened = await open({
      writer: (real) =>
        new Proxy(real, {
          get: (writer, name) =>
            name === "submit"
              ? () => Promise.reject(new TypeError("a defect, for a test"))
              : Reflect.get(writer, name, writer),
        }),
    });
    await refusal(opened.client.increment({ name: "a" }));
    await send(opened.door.port, { method: "POST", path: "/v1/counters/a:increment" });
    expect(callsIn(opened)).toEqual({ "Increment grpc UNAVAILABLE": 1, "Increment rest UNAVAILABLE": 1 });
    const told = opened.metrics.read();
    expect(sampleIn(told, "tally_refusals_total", { reason: "OUTCOME_UNKNOWN" })).toBe(2);
  });

  it("that streams, when its stream has ended; and while it is open as that", async () => {
    const seen = new Seen();
    await using opened = await open({ streamCalls: echoCalls(seen) });
    const message = create(RepeatRequestSchema, { text: "waits", times: 3n });
    const stream = begin(opened.door.port, REPEAT, [framed(toBinary(RepeatRequestSchema, message))]);
    stream.end();
    const over = ended(stream);
    await vi.waitFor(() => expect(seen.answers).toBe(2));
    expect(sampleIn(opened.metrics.read(), "tally_open_streams")).toBe(1);
    expect(callsIn(opened)).toEqual({});
    stream.close(CANCEL);
    await over;
    await vi.waitFor(() => expect(inFlight(opened)).toBe(0));
    expect(callsIn(opened), "no method of the API's").toEqual({ "other grpc CANCELLED": 1 });
    expect(sampleIn(opened.metrics.read(), "tally_open_streams")).toBe(0);
  });
});

describe("a port for scrapers and probes", () => {
  const OWN = { metricsListen: { host: "127.0.0.1", port: 0 } };
  const get = async (port: number, path: string, method = "GET") => {
    const got = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return { status: got.status, text: await got.text() };
  };

  it("tells what is measured and health to whoever asks, whatever the other asks for", async () => {
    const refusing: Authorise = () => ({ code: "CREDENTIAL_MISSING" });
    await using opened = await open({ ...OWN, authorise: refusing, authenticates: true, open: new Set() });
    const port = opened.door.metricsPort!;
    expect((await get(opened.door.port, "/metrics")).status).toBe(401);
    const told = await get(port, "/metrics");
    expect(told.status).toBe(200);
    expect(told.text).toContain("tally_calls_total");
    expect((await get(port, "/metrics", "HEAD")).status).toBe(200);
    expect(await get(port, "/livez")).toEqual({ status: 200, text: "ok\n" });
    expect(await get(port, "/readyz?writes")).toEqual({ status: 200, text: "ok\n" });
    opened.door.setReadiness({ reads: undefined, writes: "the disk is full" });
    expect(await get(port, "/readyz")).toEqual({ status: 200, text: "ok\n" });
    expect(await get(port, "/readyz?writes")).toEqual({ status: 503, text: "the disk is full\n" });
  });

  it("has nothing else, neither calls nor pages nor HTTP/2", async () => {
    await using opened = await open(OWN);
    const port = opened.door.metricsPort!;
    for (const [path, method] of [
      ["/", "GET"],
      ["/v1/counters/a", "GET"],
      ["/counters/a/increment", "POST"],
      [INCREMENT, "POST"],
      ["/openapi.json", "GET"],
      ["/metrics/", "GET"],
    ] as const)
      expect(await get(port, path, method), path).toEqual({
        status: 404,
        text: "here are /metrics, /livez and /readyz, and nothing else\n",
      });
    expect((await get(port, "/metrics", "POST")).status).toBe(405);
    expect(await exchange(port, INCREMENT, [framed(increment)])).toMatchObject({ status: "RESET" });
    expect(callsIn(opened)).toEqual({});
  });

  it("says while the server stops that it is not ready, and is closed after the last answer", async () => {
    let letGo = () => {};
    let waiting = () => 0;
    await using opened = await open({
      ...OWN,
      store: (real) => {
        const gated = gate(real);
        letGo = gated.open;
        waiting = gated.count;
        return gated.store;
      },
    });
    const port = opened.door.metricsPort!;
    const call = opened.client.increment({ name: "a" });
    await vi.waitFor(() => expect(waiting()).toBe(1));
    const drained = opened.door.drain(10_000);
    await vi.waitFor(async () => expect((await get(port, "/readyz")).status).toBe(503));
    expect(sampleIn((await get(port, "/metrics")).text, "tally_calls_in_flight")).toBe(1);
    letGo();
    await call;
    await drained;
    await expect(get(port, "/livez")).rejects.toThrow();
  });
});
