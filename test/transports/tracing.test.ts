/**
 * Calls in the traces of who makes them: the same at each door, and whatever a header says, never in the way of an answer.
 * What is taken of a header and what is not is in test/telemetry/trace-parent.test.ts.
 */
import { hostname } from "node:os";
import { create, type DescMethodUnary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it, vi } from "vitest";
import { DeleteCountersRequestSchema } from "../../gen/tally/v1/bulk_service_pb.ts";
import {
  BatchApplyRequestSchema,
  CounterService,
  IncrementRequestSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { TallyError } from "../../src/core/errors.ts";
import { toBatch } from "../../src/service/call.ts";
import { CallParts } from "../../src/telemetry/call-parts.ts";
import { allowAll } from "../../src/transports/calls/authorise.ts";
import type { UnaryCall } from "../../src/transports/calls/call.ts";
import { increment as incrementOp, single } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { Spans } from "../support/spans.ts";
import { gate, instead, type Opened, open } from "./door.ts";
import { echoCalls, Seen } from "./echo/calls.ts";
import { EchoService, RepeatRequestSchema } from "./echo/echo_pb.ts";
import { send } from "./http.ts";
import { exchange, framed } from "./raw.ts";

const INCREMENT = "/tally.v1.CounterService/Increment";
const REPEAT = "/echo.EchoService/Repeat";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const SAMPLED = { traceparent: `00-${TRACE}-${SPAN}-01` };

type Headers = Record<string, string | string[]>;

/** Each with what makes it so. */
const NOT_WELL_FORMED: readonly Headers[] = [
  { traceparent: `00-${TRACE}-${SPAN}-1` }, // Its flags are too short.
  { traceparent: "00-é-é-é" },
  { traceparent: `ff-${TRACE}-${SPAN}-01` },
  { traceparent: `00-${"0".repeat(32)}-${SPAN}-01` },
  { traceparent: "" },
  { traceparent: [SAMPLED.traceparent, SAMPLED.traceparent] },
  { traceparent: ["", SAMPLED.traceparent] },
  { traceparent: `${SAMPLED.traceparent}-${"x".repeat(4_000)}` },
  { traceparent: "x", tracestate: "a=1" },
  { tracestate: "a=1" }, // Without the other.
];
const STATES = [
  ...["=,;é", `a=${"x".repeat(600)}`, Array.from({ length: 40 }, (_, i) => `k${i}=v`).join(",")],
  ["a=1", "b=2"],
];

/** An increment at each door; "500", say, or gRPC's status. */
const DOORS: Readonly<Record<string, (port: number, name: string, headers: Headers) => Promise<unknown>>> = {
  grpc: async (port, name, headers) =>
    (await exchange(port, INCREMENT, [framed(incrementOf(name))], headers)).status,
  grpc_web: async (port, name, headers) => {
    const web = { ...headers, "content-type": "application/grpc-web+proto" };
    return (
      await send(port, { method: "POST", path: INCREMENT, headers: web, body: framed(incrementOf(name)) })
    ).status;
  },
  connect: async (port, name, headers) =>
    (await send(port, { method: "POST", path: INCREMENT, headers, body: { name } })).status,
  rest: async (port, name, headers) =>
    (await send(port, { method: "POST", path: `/v1/counters/${name}:increment`, headers, body: {} })).status,
  short: async (port, name, headers) =>
    (await send(port, { method: "POST", path: `/counters/${name}/increment`, headers })).status,
};
const SYSTEMS: Readonly<Record<string, string | undefined>> = {
  ...{ grpc: "grpc", grpc_web: "grpc", connect: "connectrpc", rest: undefined, short: undefined },
};

function incrementOf(name: string, requestId?: string): Uint8Array {
  return toBinary(
    IncrementRequestSchema,
    create(IncrementRequestSchema, { name, ...(requestId && { requestId }) }),
  );
}

/** Doors whose calls are traced, and their spans. */
async function traced(options: Parameters<typeof open>[0] & { ratio?: number } = {}) {
  const spans = new Spans();
  const { ratio = 0 } = options;
  const opened = await open({ ...options, tracing: (clock) => spans.tracing(clock, { ratio }) });
  const close = () => opened[Symbol.asyncDispose]();
  return { spans, opened, port: opened.door.port, [Symbol.asyncDispose]: close };
}

async function callsOf(spans: Spans, count: number) {
  await vi.waitFor(() => expect(spans.calls).toHaveLength(count));
  return spans.calls;
}

describe.each(Object.entries(DOORS))("over %s a call", (door, increment) => {
  it("whose caller records it is in its trace, with its wait and its commit; no counter's name is in it", async () => {
    await using here = await traced();
    await increment(here.port, "secret-name", { ...SAMPLED, tracestate: "a=1,b=2" });
    const [call] = await callsOf(here.spans, 1);
    expect(call).toMatchObject({
      ...{ name: "tally.v1.CounterService/Increment", kind: "SERVER", traceId: TRACE, parentId: SPAN },
      ...{ traceState: "a=1,b=2", status: "UNSET", links: [] },
    });
    const system = SYSTEMS[door];
    expect(call!.attributes).toEqual({
      "rpc.method": "tally.v1.CounterService/Increment",
      ...(system && { "rpc.system.name": system }),
      ...{ "rpc.response.status_code": "OK", "tally.door": door },
    });
    const within = { traceId: TRACE, parentId: call!.spanId, kind: "INTERNAL", status: "UNSET", links: [] };
    expect(
      here.spans.told.filter((each) => each.kind === "INTERNAL").map(({ attributes, ...rest }) => rest),
    ).toEqual([
      expect.objectContaining({ ...within, name: "commit" }),
      expect.objectContaining({ ...within, name: "queue" }),
    ]);
    expect(JSON.stringify(here.spans.told)).not.toContain("secret");
  });

  it("that its caller does not record, or says nothing of, is in none", async () => {
    await using here = await traced();
    await increment(here.port, "a", { traceparent: `00-${TRACE}-${SPAN}-00` });
    await increment(here.port, "a", {});
    await increment(here.port, "b", SAMPLED);
    expect(await callsOf(here.spans, 1)).toHaveLength(1);
  });

  it("that is in no trace begins one by chance, as trace-ratio says; one that is not to be recorded, never", async () => {
    await using here = await traced({ ratio: 0.5 });
    await increment(here.port, "a", { traceparent: `00-${TRACE}-${SPAN}-00` });
    await increment(here.port, "a", {});
    const [call] = await callsOf(here.spans, 1);
    expect(call).toMatchObject({ parentId: undefined, traceState: undefined });
    expect(call!.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
  });

  it("whose header is not well-formed is answered, and begins a trace of its own", async () => {
    await using here = await traced({ ratio: 1 });
    for (const headers of NOT_WELL_FORMED) {
      here.spans.forget();
      const about = JSON.stringify(headers).slice(0, 100);
      expect([200, "OK"], about).toContain(await increment(here.port, "a", headers));
      const [call] = await callsOf(here.spans, 1);
      expect(call, about).toMatchObject({ parentId: undefined, traceState: undefined, status: "UNSET" });
      expect(call!.traceId, about).not.toBe(TRACE);
    }
  });

  it("whose trace has a state that is not well-formed is answered, and in its trace", async () => {
    await using here = await traced();
    for (const tracestate of STATES) {
      here.spans.forget();
      const about = JSON.stringify(tracestate).slice(0, 100);
      expect([200, "OK"], about).toContain(await increment(here.port, "a", { ...SAMPLED, tracestate }));
      expect((await callsOf(here.spans, 1))[0], about).toMatchObject({ traceId: TRACE, parentId: SPAN });
    }
  });

  it("that is refused says why, and is the caller's error, not ours", async () => {
    await using here = await traced({ authorise: () => ({ code: "CREDENTIAL_MISSING" }) });
    await increment(here.port, "a", SAMPLED);
    const [call] = await callsOf(here.spans, 1);
    expect(call).toMatchObject({ status: "UNSET", traceId: TRACE });
    expect(call!.attributes).toMatchObject({
      ...{ "rpc.response.status_code": "UNAUTHENTICATED", "tally.reason": "CREDENTIAL_MISSING" },
    });
    expect(call!.attributes).not.toHaveProperty("error.type");
    expect(here.spans.told).toHaveLength(1);
  });

  it("whose commit fails is an error, and so is the commit", async () => {
    const commit = () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "for a test"));
    await using here = await traced({ store: (real) => instead(real, { commit }) });
    await increment(here.port, "a", SAMPLED);
    const [call] = await callsOf(here.spans, 1);
    expect(call).toMatchObject({ status: "ERROR" });
    expect(call!.attributes).toMatchObject({
      ...{ "error.type": "UNAVAILABLE", "tally.reason": "STORE_UNAVAILABLE" },
    });
    expect(here.spans.told.find(({ name }) => name === "commit")).toMatchObject({
      ...{ status: "ERROR", parentId: call!.spanId },
      attributes: { "error.type": "STORE_UNAVAILABLE", "tally.commit.calls": 1 },
    });
  });

  it("has the trace that it has begun in the log", async () => {
    await using here = await traced({ ratio: 1, calls: { ratio: 1, slowMs: Number.POSITIVE_INFINITY } });
    await increment(here.port, "a", {});
    const [call] = await callsOf(here.spans, 1);
    await vi.waitFor(() =>
      expect(here.opened.logged).toContainEqual({
        event: "call.answered",
        fields: expect.objectContaining({ door, trace_id: call!.traceId }),
      }),
    );
  });
});

describe("a defect", () => {
  it.each(Object.entries(DOORS))(
    "that a call over %s meets is logged with its trace",
    async (_, increment) => {
      const commit = () => Promise.reject(new TypeError("a defect, for a test"));
      await using here = await traced({ ratio: 1, store: (real) => instead(real, { commit }) });
      await increment(here.port, "a", {});
      const [call] = await callsOf(here.spans, 1);
      expect(call!.status).toBe("ERROR");
      expect(here.opened.logged).toContainEqual({
        event: expect.stringMatching(/^(grpc|http)\.handler_failed$/),
        fields: expect.objectContaining({ method: "Increment", trace_id: call!.traceId }),
      });
    },
  );

  it("that a stream meets is, too", async () => {
    await using here = await traced({ streamCalls: echoCalls(new Seen()) });
    const bytes = toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { text: "throws", times: 9n }));
    await exchange(here.port, REPEAT, [framed(bytes)], SAMPLED);
    await callsOf(here.spans, 1);
    expect(here.opened.logged).toEqual([
      { event: "stream.handler_failed", fields: expect.objectContaining({ trace_id: TRACE }) },
    ]);
  });
});

describe("a commit", () => {
  /** Calls that wait while another one is committed, and then are together. */
  async function together(traceparents: readonly (string | undefined)[]) {
    const spans = new Spans();
    let letGo = () => {};
    const timings = { loadMs: 1.25, decideMs: 2, saveMs: 3, syncMs: 4 };
    const opened = await open({
      tracing: (clock) => spans.tracing(clock),
      store: (real) => {
        let first = true;
        const gated = gate(real);
        letGo = gated.open;
        return instead(real, {
          async commit(batch) {
            if (first) {
              first = false;
              return gated.store.commit(batch);
            }
            const outcomes = await real.commit(batch);
            opened.clock.advance(7);
            return { ...outcomes, timings };
          },
        });
      },
    });
    const { port } = opened.door;
    const waiting = [exchange(port, INCREMENT, [framed(incrementOf("first"))])];
    const inFlight = opened.metrics.placeOf("callsInFlight", {});
    for (const [n, traceparent] of traceparents.entries()) {
      await vi.waitFor(() => expect(opened.metrics.numbers[inFlight]).toBe(n + 1));
      const headers = traceparent === undefined ? {} : { traceparent };
      waiting.push(exchange(port, INCREMENT, [framed(incrementOf(`c${n}`))], headers));
    }
    await vi.waitFor(() => expect(opened.metrics.numbers[inFlight]).toBe(traceparents.length + 1));
    opened.clock.advance(5);
    letGo();
    await Promise.all(waiting);
    await opened[Symbol.asyncDispose]();
    return spans;
  }
  const parentOf = (n: number, flags = "01") =>
    `00-${n.toString(16).padStart(32, "a")}-${n.toString(16).padStart(16, "b")}-${flags}`;

  it("is in the trace of the first call that is recorded; the others that are and it name each other", async () => {
    const spans = await together([undefined, parentOf(1), parentOf(2, "00"), parentOf(3), parentOf(4)]);
    const [first, ...others] = spans.calls.sort((a, b) => (a.traceId < b.traceId ? -1 : 1));
    const commits = spans.told.filter(({ name }) => name === "commit");
    expect(commits).toHaveLength(1);
    const [commit] = commits;
    expect(commit).toMatchObject({ traceId: first!.traceId, parentId: first!.spanId });
    expect(commit!.attributes).toEqual({
      ...{ "tally.commit.calls": 5, "tally.commit.operations": 5 },
      ...{ "tally.commit.load_ms": 1.25, "tally.commit.decide_ms": 2 },
      ...{ "tally.commit.save_ms": 3, "tally.commit.sync_ms": 4 },
    });
    expect(commit!.links).toEqual(others.map(({ traceId, spanId }) => ({ traceId, spanId })));
    expect(others).toHaveLength(2);
    const { traceId, spanId } = commit!;
    for (const call of others) expect(call.links).toEqual([{ traceId, spanId }]);
    expect(first!.links).toEqual([]);
  });

  it("begins when its calls have waited, each by itself, and ends before they do", async () => {
    const spans = await together([parentOf(1), parentOf(2)]);
    const waits = spans.told.filter(({ name }) => name === "queue");
    const began = Date.UTC(2026, 0, 1);
    expect(waits.map(({ times }) => times)).toEqual([
      [began, began + 5],
      [began, began + 5],
    ]);
    const [commit] = spans.told.filter(({ name }) => name === "commit");
    expect(commit!.times).toEqual([began + 5, began + 12]);
    for (const { times } of spans.calls) expect(times).toEqual([began, began + 12]);
    expect(new Set(waits.map(({ parentId }) => parentId))).toEqual(
      new Set(spans.calls.map(({ spanId }) => spanId)),
    );
  });

  it("names 128 calls at most, whatever there are", () => {
    const spans = new Spans();
    const tracing = spans.tracing(new HandClock(), { ratio: 1 });
    const method = CounterService.method.increment;
    const calls = Array.from({ length: 130 }, () => tracing.begin(method, "grpc", () => undefined, 0)!);
    const commit = { beganMs: 0, endedMs: 1, calls: 130, operations: 130, parts: {}, failed: undefined };
    calls[0]!.committed(calls.slice(1), commit);
    const parts = new CallParts(undefined);
    for (const call of calls) call.end({ method, code: 0, reason: undefined, endedMs: 2, parts });
    const [told] = spans.told.filter(({ name }) => name === "commit");
    expect(told!.links).toHaveLength(127);
    expect(spans.calls.filter(({ links }) => links.length > 0)).toHaveLength(127);
  });
});

describe("a stream that changes something", () => {
  const DELETE = "/tally.v1.BulkService/DeleteCounters";
  const deleting: Readonly<Record<string, (port: number, dryRun: boolean) => Promise<unknown>>> = {
    grpc: async (port, dryRun) => {
      const request = create(DeleteCountersRequestSchema, { prefix: "a.", dryRun });
      const bytes = toBinary(DeleteCountersRequestSchema, request);
      return (await exchange(port, DELETE, [framed(bytes)], SAMPLED)).status;
    },
    rest: async (port, dryRun) => {
      const body = { prefix: "a.", dryRun };
      return (await send(port, { method: "POST", path: "/v1/counters:delete", headers: SAMPLED, body }))
        .status;
    },
  };

  /** Of 600 counters, which are three slices; a commit takes 7 ms. */
  async function opened() {
    const here = await traced({
      calls: { ratio: 1, slowMs: Number.POSITIVE_INFINITY },
      store: (real) =>
        instead(real, {
          async commit(batch) {
            const outcomes = await real.commit(batch);
            here.opened.clock.advance(7);
            return outcomes;
          },
        }),
    });
    const counters = Array.from({ length: 600 }, (_, n) => single(incrementOp(`a.${n}`)));
    await here.opened.store.commit(toBatch(counters));
    return here;
  }

  it.each(Object.keys(deleting))(
    "has, over %s, the wait and the commit of each slice within it",
    async (door) => {
      await using here = await opened();
      expect(["OK", 200]).toContain(await deleting[door]!(here.port, false));
      const [call] = await callsOf(here.spans, 1);
      expect(call).toMatchObject({ name: "tally.v1.BulkService/DeleteCounters", traceId: TRACE });
      expect(call!.attributes).toMatchObject({
        ...{ "tally.slices": 3, "tally.slices.queue_ms": 0, "tally.slices.commit_ms": 21 },
      });
      const within = here.spans.told.filter(({ kind }) => kind === "INTERNAL");
      const [began] = call!.times;
      expect(
        within.map(({ name, parentId, times, attributes }) => [
          ...[name, parentId, times[0] - began, times[1] - began],
          attributes["tally.commit.operations"],
        ]),
      ).toEqual(
        [250, 250, 100].flatMap((operations, n) => [
          ["commit", call!.spanId, 7 * n, 7 * n + 7, operations],
          ["queue", call!.spanId, 7 * n, 7 * n, undefined],
        ]),
      );
      await vi.waitFor(() => expect(here.opened.logged).toHaveLength(1));
      expect(here.opened.logged[0]).toMatchObject({
        event: "call.answered",
        fields: { rpc: "DeleteCounters", slices: 3, queue_ms: 0, commit_ms: 21, ms: 21 },
      });
    },
  );

  it("and is only tried has none", async () => {
    await using here = await opened();
    await deleting.grpc!(here.port, true);
    const [call] = await callsOf(here.spans, 1);
    expect(call!.attributes).not.toHaveProperty("tally.slices");
    expect(here.spans.told).toHaveLength(1);
  });
});

describe("a call", () => {
  it("that is a replay says so", async () => {
    await using here = await traced();
    for (let n = 0; n < 2; n++)
      await exchange(here.port, INCREMENT, [framed(incrementOf("a", "id"))], SAMPLED);
    const calls = await callsOf(here.spans, 2);
    expect(calls.map(({ attributes }) => attributes["tally.replayed"])).toEqual([undefined, true]);
  });

  it("that reads waits for no commit", async () => {
    await using here = await traced();
    await send(here.port, { path: "/v1/counters/a", headers: SAMPLED });
    const [call] = await callsOf(here.spans, 1);
    expect(call).toMatchObject({ name: "tally.v1.CounterService/GetCounter", status: "UNSET" });
    expect(call!.attributes).toMatchObject({
      ...{ "rpc.response.status_code": "NOT_FOUND", "tally.reason": "COUNTER_NOT_FOUND" },
    });
    expect(here.spans.told).toHaveLength(1);
  });

  it("is named by what its body makes of it", async () => {
    await using here = await traced();
    const put = { method: "PUT", path: "/counters/a", headers: SAMPLED };
    await send(here.port, { ...put, body: { value: 7 } });
    await send(here.port, put);
    const names = (await callsOf(here.spans, 2)).map(({ name, attributes }) => [
      name,
      attributes["rpc.method"],
    ]);
    const [set, reset] = ["tally.v1.CounterService/Set", "tally.v1.CounterService/Reset"];
    expect(names).toEqual([
      [set, set],
      [reset, reset],
    ]);
  });

  it("of many operations is one, with one wait", async () => {
    await using here = await traced();
    const operations = ["a", "b"].map((name) => ({
      name,
      action: { case: "increment" as const, value: 1n },
    }));
    const bytes = toBinary(BatchApplyRequestSchema, create(BatchApplyRequestSchema, { operations }));
    await exchange(here.port, "/tally.v1.CounterService/BatchApply", [framed(bytes)], SAMPLED);
    await callsOf(here.spans, 1);
    expect(here.spans.told.map(({ name }) => name)).toEqual([
      ...["commit", "queue", "tally.v1.CounterService/BatchApply"],
    ]);
    expect(here.spans.told[0]!.attributes).toMatchObject({ "tally.commit.operations": 2 });
  });

  it("that is refused by its headers alone is in its trace", async () => {
    const call: UnaryCall = {
      method: { ...EchoService.method.repeat, methodKind: "unary" } as unknown as DescMethodUnary,
      ...{ changes: true, requestBytesMax: 100, authorise: allowAll },
      refusalAhead: () => ({ code: "QUEUE_FULL", retryAfterMs: 10 }),
      answer: () => Promise.reject(new Error("it was not to be asked")),
    };
    await using here = await traced({ unaryCalls: [call] });
    await exchange(here.port, REPEAT, [framed(new Uint8Array())], SAMPLED);
    await send(here.port, { method: "POST", path: REPEAT, headers: SAMPLED, body: {} });
    const calls = await callsOf(here.spans, 2);
    expect(calls.map(({ traceId, attributes }) => [traceId, attributes["tally.reason"]])).toEqual([
      [TRACE, "QUEUE_FULL"],
      [TRACE, "QUEUE_FULL"],
    ]);
  });

  it("that streams is in its trace once, from its headers to its end", async () => {
    await using here = await traced({ streamCalls: echoCalls(new Seen()) });
    const bytes = toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { text: "a", times: 3n }));
    await exchange(here.port, REPEAT, [framed(bytes)], SAMPLED);
    await send(here.port, {
      ...{ method: "POST", path: REPEAT, body: framed(bytes) },
      headers: { ...SAMPLED, "content-type": "application/grpc-web+proto" },
    });
    const many = { prefix: "a", dryRun: true };
    await send(here.port, { method: "POST", path: "/v1/counters:reset", headers: SAMPLED, body: many });
    const calls = await callsOf(here.spans, 3);
    expect(calls.map(({ traceId, parentId }) => [traceId, parentId])).toEqual(calls.map(() => [TRACE, SPAN]));
    expect(calls.map(({ name, attributes }) => [name.split("/")[1], attributes["tally.door"]])).toEqual([
      ["Repeat", "grpc"],
      ["Repeat", "grpc_web"],
      [expect.any(String), "rest"],
    ]);
  });

  it("is recorded whatever path it takes, and no other request is", async () => {
    await using here = await traced({ ratio: 1 });
    for (const path of ["/readyz", "/metrics", "/nothing", "/v1/nothing"])
      await send(here.port, { path, headers: SAMPLED });
    await send(here.port, { path: "/v1/counters/a", headers: SAMPLED });
    expect(await callsOf(here.spans, 1)).toHaveLength(1);
  });
});

it("the server's address is told once it is known, by door", async () => {
  const spans = new Spans();
  let tracing: ReturnType<Spans["tracing"]> | undefined;
  await using opened: Opened = await open({
    tracing: (clock) => {
      tracing = spans.tracing(clock);
      return tracing;
    },
  });
  tracing!.servedAt = { grpc: { host: "127.0.0.1", port: 1 }, http: { host: "::1", port: 2 } };
  for (const door of ["grpc", "rest"]) await DOORS[door]!(opened.door.port, "a", SAMPLED);
  tracing!.servedAt = { ...tracing!.servedAt, http: { host: "0.0.0.0", port: 3 } };
  await DOORS.short!(opened.door.port, "a", SAMPLED);
  const calls = await callsOf(spans, 3);
  expect(calls.map(({ attributes }) => [attributes["server.address"], attributes["server.port"]])).toEqual([
    ["127.0.0.1", 1],
    ["::1", 2],
    [hostname(), 3],
  ]);
});
