/**
 * Goal: a call is answered alike at every door, to the last detail: values, status, reason, metadata, message.
 *
 * Method: one script of calls, run through every door on a fresh store whose ids and time are the same each time. What
 * comes back must be what the script expects, and the whole transcript the same as that of native gRPC. What is measured
 * must be what came back: the same counts at each door, under its name.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, describe, expect, it } from "vitest";
import { AdminService } from "../../../gen/tally/v1/admin_service_pb.ts";
import { API } from "../../../src/transports/calls/services.ts";
import { authority } from "../../support/certificates.ts";
import { type Sample, sampleIn, samplesIn } from "../../support/exposition.ts";
import { open } from "../../transports/door.ts";
import type { Call } from "../cases.ts";
import { CONNECT } from "./connect.ts";
import { JUDGED_BY_DOORS, openCore } from "./core.ts";
import { type Answer, NO_SUCH_REQUEST, overTls, type ParityDoor } from "./door.ts";
import { failingStore, failingWriter } from "./failing.ts";
import { grpc } from "./grpc.ts";
import { rest } from "./rest.ts";
import { script } from "./script.ts";

const DOORS: readonly ParityDoor[] = [
  grpc,
  ...CONNECT,
  rest,
  ...[grpc, ...CONNECT.filter(({ name }) => name === "Connect, JSON" || name === "gRPC-Web"), rest].map(
    overTls,
  ),
];
const SCRIPT = script();

/** Ids that are the same in every run, each in the form of a UUID. */
function countedUids(): () => string {
  let count = 0;
  return () => `00000000-0000-7000-8000-${(count++).toString(16).padStart(12, "0")}`;
}

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());
const TLS = { tls: { ...AUTHORITY.issue(), ca: AUTHORITY.ca } };

const openParity = (over: object) =>
  open({ newUid: countedUids(), store: failingStore, writer: failingWriter, ...over });

/** What the script expects, in terms of a whole answer. */
function expected({ ok, error, retryIn }: Call): unknown {
  if (error === undefined) return { ok };
  const { status, reason, metadata } = error;
  const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", domain: "tally", reason };
  const detail = Object.keys(metadata).length === 0 ? info : { ...info, metadata };
  if (retryIn === null) return { error: { status, details: [detail] } };
  const retry = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: retryIn };
  const details = retryIn === undefined ? [detail] : [detail, retry];
  return { error: { status, details: expect.arrayContaining(details) } };
}

interface Told {
  readonly call: string;
  readonly method: string;
  readonly answer: Answer;
}

/** Run the script through a door; each answer is checked on the way, and at the end what was measured of them. */
async function run(door: ParityDoor): Promise<Told[]> {
  await using opened = await openParity(door.tls ? TLS : {});
  const client = door.open(opened);
  const told: Told[] = [];
  for (const { name, calls } of SCRIPT) {
    for (const call of calls) {
      opened.clock.advance(call.afterMs ?? 0);
      const answer = await client.call(call.method, call.request as JsonObject);
      const where = `${name}: ${call.method} ${JSON.stringify(call.request).slice(0, 100)}`;
      if (answer !== NO_SUCH_REQUEST) expect(answer, where).toMatchObject(expected(call) as object);
      told.push({ call: where, method: call.method, answer });
    }
  }
  client.close?.();
  expect(measuredIn(opened.metrics.read(), door)).toEqual(countedIn(told));
  return told;
}

/** Calls by what they ended with, as they are told to scrapers; each at this door, and timed once. */
function measuredIn(text: string, { name }: ParityDoor): Record<string, number> {
  expect(sampleIn(text, "tally_calls_in_flight")).toBe(0);
  const calls = samplesIn(text, "tally_calls_total").filter(({ value }) => value > 0);
  expect(new Set(calls.map(({ labels }) => labels.door))).toEqual(new Set([labelOf(name)]));
  const sum = (samples: readonly Sample[]) => samples.reduce((total, { value }) => total + value, 0);
  expect(sum(samplesIn(text, "tally_call_seconds_count"))).toBe(sum(calls));
  expect(sum(samplesIn(text, "tally_refusals_total"))).toBe(
    sum(calls.filter(({ labels }) => labels.code !== "OK")),
  );
  return Object.fromEntries(calls.map(({ labels: { rpc, code }, value }) => [`${rpc} ${code}`, value]));
}

function labelOf(name: string): string {
  if (name.startsWith("gRPC-Web")) return "grpc_web";
  return name.startsWith("Connect") ? "connect" : name.startsWith("REST") ? "rest" : "grpc";
}

/** The same, as their caller was told. */
function countedIn(told: readonly Told[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { method, answer } of told) {
    if (answer === NO_SUCH_REQUEST) continue;
    const ended = `${method} ${"ok" in answer ? "OK" : answer.error.status}`;
    counts[ended] = (counts[ended] ?? 0) + 1;
  }
  return counts;
}

describe("parity", () => {
  let reference: Promise<Told[]> | undefined;
  let compared = 0;

  it.for(DOORS)("$name answers as native gRPC does, to the last detail", async (door) => {
    reference ??= run(grpc);
    const told = await run(door);
    const sayable = told.filter(({ answer }) => answer !== NO_SUCH_REQUEST);
    const same = (await reference).filter((_, i) => told[i]!.answer !== NO_SUCH_REQUEST);
    expect(sayable).toEqual(same);
    compared += sayable.length;
  });

  it("leaves out nothing but what has no words at a door", async () => {
    const told = await run(rest);
    const left = told.filter(({ answer }) => answer === NO_SUCH_REQUEST).map(({ call }) => call);
    expect(left).toEqual(['INVALID_FIELD: Increment {"name":""}']);
  });

  it("core decides what the doors tell", async () => {
    await using opened = await open({ newUid: countedUids() });
    const call = openCore(opened);
    for (const { name, calls } of SCRIPT) {
      for (const { method, request, ok, error, afterMs = 0 } of calls) {
        opened.clock.advance(afterMs);
        if (`${(request as JsonObject).name}`.startsWith("fails.")) continue; // Failures of what is around it.
        if (error !== undefined && JUDGED_BY_DOORS.has(error.reason)) continue;
        const where = `${name}: ${method} ${JSON.stringify(request).slice(0, 100)}`;
        const answer = await call(method, request as JsonObject);
        if (error === undefined) expect(answer, where).toMatchObject({ ok: coreOf(ok as JsonObject) });
        else {
          const { name: _, ...metadata } = error.metadata; // Doors add the name.
          expect(answer, where).toEqual({ error: { reason: error.reason, metadata } });
        }
        compared++;
      }
    }
  });

  it("has every RPC in its script, answered and refused", () => {
    const calls = SCRIPT.flatMap((each) => each.calls);
    const counting = API.filter((service) => service !== AdminService); // What is about callers is in admin.test.ts.
    const every = counting.flatMap(({ methods }) => methods.map(({ name }) => name)).sort();
    const methodsOf = (some: readonly Call[]) => [...new Set(some.map(({ method }) => method))].sort();
    expect(methodsOf(calls.filter(({ error }) => error === undefined))).toEqual(every);
    expect(methodsOf(calls.filter(({ error }) => error !== undefined))).toEqual(every);
  });

  afterAll(() => {
    const calls = SCRIPT.reduce((sum, each) => sum + each.calls.length, 0);
    console.log(
      `${SCRIPT.length} cases of ${calls} calls at ${DOORS.length} doors and core: ${compared} answers compared`,
    );
  });
});

/** Of an expected answer, what the core knows by itself: names, tokens and a refusal's status are the doors'. */
function coreOf(ok: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(ok), (key, value) =>
    key === "name" || key === "nextPageToken" || key === "code" ? undefined : value,
  );
}
