import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { RateLimitService } from "../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { Code } from "../../gen/google/rpc/code_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { RPCS } from "../../src/telemetry/rpcs.ts";
import { CODES, DOORS, SERIES } from "../../src/telemetry/series.ts";
import { WHOLE_API } from "../../src/transports/calls/services.ts";
import { parseExposition, sampleIn, samplesIn } from "../support/exposition.ts";

describe("the table of series", () => {
  it("has every method that is served, each name once", () => {
    const services = [...WHOLE_API, RateLimitService, Health, ServerReflection];
    const served = services.flatMap(({ methods }) => methods.map(({ name }) => name));
    expect([...RPCS].sort()).toEqual([...served, "other"].sort());
  });

  it("has gRPC's codes at their numbers", () => {
    expect(CODES.map((code) => Code[code as keyof typeof Code])).toEqual(CODES.map((_, number) => number));
  });

  it("names everything by its unit, and says what it is in a sentence", () => {
    for (const { name, kind, help } of Object.values(SERIES)) {
      expect(name).toMatch(/^tally_[a-z0-9_]+$/);
      expect(name.endsWith("_total"), name).toBe(kind === "counter");
      expect(help).toMatch(/^[A-Z].*\.$/);
    }
    const names = Object.values(SERIES).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("is at most 3,000 series, when every method was called at every door and failed in each way that all can", () => {
    const metrics = new Metrics();
    metrics.numbers.fill(1);
    const lines = parseExposition(metrics.read()).flatMap(({ samples }) => samples);
    const others = lines.filter(({ name }) => name !== SERIES.calls.name).length;
    const ofApi = new Set(WHOLE_API.flatMap(({ methods }) => methods.map(({ name }) => name)));
    const doors = RPCS.map((rpc) => (ofApi.has(rpc) || rpc === "other" ? DOORS.length : 1)); // Others' have gRPC alone.
    const calls = doors.reduce((sum, each) => sum + each, 0) * ANY_CALLS_CODES.length;
    expect(others + calls).toBeLessThanOrEqual(3_000);
  });
});

/** What any call can end with, whatever it asks for; what is beside these only few methods give. */
const ANY_CALLS_CODES = [
  ...["OK", "CANCELLED", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "PERMISSION_DENIED"],
  ...["RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNAUTHENTICATED"],
];

describe("Metrics", () => {
  test.prop([fc.array(fc.double({ min: 0, max: 100, noNaN: true }))])(
    "an observation is in each bucket whose bound it does not exceed",
    (seconds) => {
      const metrics = new Metrics();
      const first = metrics.placeOf("callSeconds", { rpc: "Increment" });
      for (const each of seconds) metrics.observe("callSeconds", first, each);
      if (seconds.length === 0) return;
      const text = metrics.read();
      for (const bound of SERIES.callSeconds.bounds)
        expect(sampleIn(text, "tally_call_seconds_bucket", { rpc: "Increment", le: `${bound}` })).toBe(
          seconds.filter((each) => each <= bound).length,
        );
      expect(sampleIn(text, "tally_call_seconds_count", { rpc: "Increment" })).toBe(seconds.length);
    },
  );

  it("looks up what is looked up each time that it is read, until it is told to forget", () => {
    const metrics = new Metrics();
    const place = metrics.placeOf("openConnections", {});
    let connections = 3;
    const forget = metrics.beforeRead(() => {
      metrics.numbers[place] = connections;
    });
    expect(sampleIn(metrics.read(), "tally_open_connections")).toBe(3);
    connections = 4;
    expect(sampleIn(metrics.read(), "tally_open_connections")).toBe(4);
    forget();
    connections = 5;
    expect(sampleIn(metrics.read(), "tally_open_connections")).toBe(4);
  });

  it("is what all threads have measured, each for itself", () => {
    const metrics = new Metrics();
    const writer = new Metrics("write", metrics.shared);
    const hit = metrics.know("rowCache", { outcome: "hit" });
    writer.numbers[hit]! += 2;
    metrics.observe("checkpointSeconds", metrics.placeOf("checkpointSeconds", {}), 1);
    writer.observe("checkpointSeconds", writer.placeOf("checkpointSeconds", {}), 2);
    const told = metrics.read();
    expect(sampleIn(told, "tally_row_cache_total", { outcome: "hit" })).toBe(2);
    expect(sampleIn(told, "tally_checkpoint_seconds_sum")).toBe(3);
    expect(sampleIn(told, "tally_checkpoint_seconds_bucket", { le: "1" })).toBe(1);
    expect(writer.reads).toBe(1);
  });

  it("tells of what is known, also at zero, and of nothing else", () => {
    const metrics = new Metrics();
    new Metrics("write", metrics.shared).numbers[metrics.placeOf("rowCache", { outcome: "miss" })] = 7;
    expect(samplesIn(metrics.read(), "tally_row_cache_total")).toEqual([]);
    metrics.know("rowCache", { outcome: "hit" });
    expect(sampleIn(metrics.read(), "tally_row_cache_total")).toBe(0);
    metrics.numbers[metrics.know("storeRoomBytes", {})] = 5;
    metrics.know("storeRoomBytes", {});
    expect(sampleIn(metrics.read(), "tally_store_room_bytes")).toBe(5);
  });

  it("has no child of a value that a label has not", () => {
    expect(() => new Metrics().placeOf("heapBytes", { thread: "nobody" as "main" })).toThrow(
      new TypeError('tally_heap_bytes has no thread "nobody"'),
    );
  });
});
