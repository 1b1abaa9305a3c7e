/**
 * What the log says of calls when they have ended: the same at each door, of streams too, and nothing of what was asked for.
 * That each call ends once is in metrics.test.ts.
 */
import { create, type DescMethodUnary, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CounterService, IncrementRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import type { Store } from "../../src/service/store.ts";
import type { Authorise } from "../../src/transports/calls/authorise.ts";
import type { UnaryCall } from "../../src/transports/calls/call.ts";
import { CallLog, type CallLogSettings } from "../../src/transports/calls/call-log.ts";
import { HandClock } from "../support/clock.ts";
import { gate, instead, type Opened, open } from "./door.ts";
import { echoCalls, Seen } from "./echo/calls.ts";
import { EchoService, RepeatRequestSchema } from "./echo/echo_pb.ts";
import { accessBy, grantsOf } from "./granted.ts";
import { send } from "./http.ts";
import { begin, exchange, framed } from "./raw.ts";

const INCREMENT = "/tally.v1.CounterService/Increment";
const REPEAT = "/echo.EchoService/Repeat";
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const NONE = Number.POSITIVE_INFINITY;
const EACH: CallLogSettings = { ratio: 1, slowMs: NONE };
/** Of what was committed. */
const COMMITTED = { queue_ms: 0, commit_ms: 0 };
const KEY = "planted-key-0123456789";

/** Lets one caller in, by a key. */
const authorise: Authorise = ({ headerOf }) => {
  if (headerOf("authorization") !== `Bearer ${KEY}`) return { code: "CREDENTIAL_INVALID" };
  const grants = grantsOf("read,increment,create@shop.");
  const identity = {
    ...{ name: "shop-server", credential: "key", keyId: "key-id", grants },
    ...{ expireTimeMs: undefined, address: "192.0.2.1" },
  };
  return { caller: "uid", callerName: "shop-server", access: accessBy(grants, { identity }) };
};
const BY = { by: "shop-server", key_id: "key-id", address: "192.0.2.1", trace_id: TRACE };
const HEADERS = { authorization: `Bearer ${KEY}`, traceparent: TRACEPARENT };

function answeredIn({ logged }: Opened) {
  return logged.filter(({ event }) => event === "call.answered").map(({ fields }) => fields);
}

/** An increment at each door. */
async function increments({ door: { port } }: Opened, name: string, headers: Record<string, string>) {
  const message = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name }));
  await exchange(port, INCREMENT, [framed(message)], headers);
  const web = { ...headers, "content-type": "application/grpc-web+proto" };
  await send(port, { method: "POST", path: INCREMENT, headers: web, body: framed(message) });
  await send(port, { method: "POST", path: INCREMENT, headers, body: { name } });
  await send(port, { method: "POST", path: `/v1/counters/${name}:increment`, headers, body: {} });
  await send(port, { method: "POST", path: `/counters/${name}/increment`, headers });
}
const DOORS = ["grpc", "grpc_web", "connect", "rest", "short"];

describe("a call is logged the same at each door", () => {
  it("that is answered, that is refused, and whose caller nobody knows; without a name or a secret", async () => {
    await using opened = await open({ authorise, calls: EACH });
    const outcomes = async (name: string, headers: Record<string, string>) => {
      opened.logged.splice(0);
      await increments(opened, name, headers);
      await vi.waitFor(() => expect(answeredIn(opened)).toHaveLength(DOORS.length));
      expect(JSON.stringify(answeredIn(opened))).not.toMatch(/planted|secret/);
      return answeredIn(opened);
    };
    const each = (fields: object) => DOORS.map((door) => ({ rpc: "Increment", door, ms: 0, ...fields }));
    expect(await outcomes("shop.secret", HEADERS)).toEqual(
      each({ code: "OK", outcome: "OK", ...COMMITTED, ...BY }),
    );
    expect(await outcomes("other.secret", HEADERS)).toEqual(
      each({ code: "PERMISSION_DENIED", outcome: "PERMISSION_DENIED", ...BY }),
    );
    expect(await outcomes("shop.secret", { ...HEADERS, "idempotency-key": "planted".repeat(99) })).toEqual(
      each({ code: "INVALID_ARGUMENT", outcome: "INVALID_FIELD", ...BY }),
    );
    expect(await outcomes("shop.secret", { authorization: "Bearer planted" })).toEqual(
      each({ code: "UNAUTHENTICATED", outcome: "CREDENTIAL_INVALID" }),
    );
  });

  it("with nobody's name where nobody is asked for one", async () => {
    await using opened = await open({ calls: EACH });
    await increments(opened, "a", {});
    await vi.waitFor(() => expect(answeredIn(opened)).toHaveLength(DOORS.length));
    expect(answeredIn(opened)).toEqual(
      DOORS.map((door) => ({ rpc: "Increment", door, code: "OK", outcome: "OK", ms: 0, ...COMMITTED })),
    );
  });

  it("that is refused by its headers alone", async () => {
    const call: UnaryCall = {
      method: { ...EchoService.method.repeat, methodKind: "unary" } as unknown as DescMethodUnary,
      changes: true,
      requestBytesMax: 100,
      authorise,
      refusalAhead: () => ({ code: "QUEUE_FULL", retryAfterMs: 10 }),
      answer: () => Promise.reject(new Error("it was not to be asked")),
    };
    await using opened = await open({ unaryCalls: [call], calls: EACH });
    await exchange(opened.door.port, REPEAT, [framed(new Uint8Array())], HEADERS);
    await send(opened.door.port, { method: "POST", path: REPEAT, headers: HEADERS, body: {} });
    await vi.waitFor(() => expect(answeredIn(opened)).toHaveLength(2));
    const fields = { rpc: "Repeat", code: "RESOURCE_EXHAUSTED", outcome: "QUEUE_FULL", ms: 0 };
    expect(answeredIn(opened)).toEqual(
      ["grpc", "connect"].map((door) => ({ ...fields, door, trace_id: TRACE })),
    );
  });

  it("that streams: once, at its end, with all the time it took, and it is not slow", async () => {
    const seen = new Seen();
    await using opened = await open({
      streamCalls: echoCalls(seen, authorise),
      calls: { ratio: 1, slowMs: 1 },
    });
    const request = create(RepeatRequestSchema, { text: "waits", times: 9n });
    const stream = begin(opened.door.port, REPEAT, [framed(toBinary(RepeatRequestSchema, request))], HEADERS);
    stream.end();
    await vi.waitFor(() => expect(seen.answers).toBe(2));
    expect(answeredIn(opened)).toEqual([]);
    opened.clock.advance(3_600_000);
    stream.close(8);
    await seen.over;
    await vi.waitFor(() => expect(answeredIn(opened)).toHaveLength(1));
    expect(answeredIn(opened)).toEqual([
      {
        rpc: "Repeat",
        ...{ door: "grpc", code: "CANCELLED", outcome: "CALL_CANCELLED", ms: 3_600_000 },
        ...BY,
      },
    ]);
    expect(opened.logged.filter(({ event }) => event === "call.slow")).toEqual([]);
  });
});

describe("a slow call", () => {
  it("is logged with how long it took, where it waited, and whose it was", async () => {
    let letGo = () => {};
    await using opened = await open({
      ...{ authorise, calls: { ratio: 0, slowMs: 1_000 } },
      store: (real) => {
        const timings = { loadMs: 1, decideMs: 2, saveMs: 3, syncMs: 994 };
        const commit: Store["commit"] = async (batch) => ({ ...(await real.commit(batch)), timings });
        const gated = gate(instead(real, { commit }));
        letGo = gated.open;
        return gated.store;
      },
    });
    const calls = increments(opened, "shop.secret", HEADERS);
    await vi.waitFor(() =>
      expect(opened.metrics.numbers[opened.metrics.placeOf("callsInFlight", {})]).toBe(1),
    );
    opened.clock.advance(1_000);
    letGo();
    await calls;
    expect(opened.logged.filter(({ event }) => event.startsWith("call."))).toEqual([
      {
        event: "call.slow",
        fields: {
          ...{ rpc: "Increment", door: "grpc", code: "OK", outcome: "OK", ms: 1_000, queue_ms: 0 },
          ...{ commit_ms: 1_000, load_ms: 1, decide_ms: 2, save_ms: 3, sync_ms: 994 },
          ...BY,
        },
      },
    ]);
  });
});

describe("of many calls", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  /** A log, and how to have it told of a call that took so many seconds. */
  function logOf(settings: CallLogSettings, chance: () => number = () => 0) {
    const told: (readonly [string, object | undefined])[] = [];
    const log = new CallLog(
      new HandClock(),
      (event, fields) => void told.push([event, fields]),
      chance,
      settings,
    );
    const call = (seconds: number) =>
      log.add({
        ...{ method: CounterService.method.increment, door: "grpc", code: 0, seconds, endedMs: 0 },
        refused: undefined,
        caller: { headerOf: () => undefined },
      });
    return { log, told, call };
  }

  it("so many are logged as chance has it: of four quarters one, of 0 none, of 1 each", () => {
    for (const [ratio, expected] of [
      [0.25, 25],
      [0.01, 1],
      [1, 100],
      [0, 0],
    ] as const) {
      let n = 0;
      const { told, call } = logOf({ ratio, slowMs: NONE }, () => (n++ % 100) / 100);
      for (let i = 0; i < 100; i++) call(0);
      expect(told, `${ratio}`).toHaveLength(expected);
    }
  });

  it("ten slow ones a second are, and how many more there were", () => {
    const { log, told, call } = logOf({ ratio: 0, slowMs: 500 });
    for (let i = 0; i < 100; i++) call(0.499);
    expect(told).toEqual([]);
    for (let i = 0; i < 25; i++) call(0.5);
    expect(told).toHaveLength(10);
    log.close();
    expect(told.slice(10)).toEqual([["call.slow", { suppressed: 15 }]]);
  });

  it("none is looked at while neither is asked for, and each once it is", () => {
    const { log, told, call } = logOf({ ratio: 0, slowMs: NONE });
    expect(log.isOn).toBe(false);
    log.settings = { ratio: 0, slowMs: 1 };
    expect(log.isOn).toBe(true);
    call(1);
    log.settings = { ratio: 1, slowMs: NONE };
    expect(log.isOn).toBe(true);
    call(1);
    log.settings = { ratio: 0, slowMs: NONE };
    expect(log.isOn).toBe(false);
    expect(told.map(([event]) => event)).toEqual(["call.slow", "call.answered"]);
  });
});
