/**
 * Spans on their way to a collector: what it is sent, and that one which is away, slow or full costs a server no time, no
 * memory and no more than a line in the log.
 */
import type { SpanExporter } from "@opentelemetry/sdk-trace-base";
import { afterEach, expect, it, vi } from "vitest";
import { SYSTEM_CLOCK } from "../../src/system-clock.ts";
import { CallParts } from "../../src/telemetry/call-parts.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { type OpenTracing, openOtlp } from "../../src/telemetry/otlp/open.ts";
import { ToldExporter } from "../../src/telemetry/otlp/told-exporter.ts";
import { type OtlpProtocol, otlpAskedIn } from "../../src/telemetry/otlp-asked.ts";
import { Collector } from "../support/collector.ts";
import { samplesIn } from "../support/exposition.ts";

afterEach(() => void vi.unstubAllEnvs());

const METHOD = { name: "Increment", parent: { typeName: "tally.v1.CounterService" } };
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

/** Tracing that sends at once, and waits long for an answer; unless the environment says otherwise. */
async function opened(env: Record<string, string>, protocol: OtlpProtocol = "http/json") {
  const quick = { OTEL_BSP_SCHEDULE_DELAY: "1", OTEL_EXPORTER_OTLP_TIMEOUT: "60000" };
  for (const [name, value] of Object.entries({ ...quick, ...env })) vi.stubEnv(name, value);
  const logged: [event: string, fields: unknown][] = [];
  const metrics = new Metrics();
  const { queueMax } = otlpAskedIn(process.env)!;
  const traces = await openOtlp({
    ...{
      protocol,
      queueMax,
      metrics,
      version: "1.2.3",
      instance: "an-instance",
      clock: SYSTEM_CLOCK,
      ratio: 1,
    },
    log: (event, fields) => void logged.push([event, fields]),
    chance: () => 0,
  });
  /** How many spans were dropped, by why; as scrapers are told. */
  const dropped = () =>
    Object.fromEntries(
      samplesIn(metrics.read(), "tally_trace_spans_dropped_total").map(({ labels, value }) => [
        labels.reason,
        value,
      ]),
    );
  return { traces, logged, dropped };
}

/** A call that is traced, from its beginning to its end. */
function call({ tracing }: OpenTracing, traceparent?: string): void {
  const nowMs = SYSTEM_CLOCK.monotonic();
  const headerOf = (name: string) => (name === "traceparent" ? traceparent : undefined);
  const span = tracing.begin(METHOD, "grpc", headerOf, nowMs)!;
  const parts = new CallParts(span);
  span.end({ method: METHOD, code: 0, reason: undefined, endedMs: nowMs + 1, parts });
}

it("are sent with what the process is, by the name that the environment has for it", async () => {
  await using collector = await Collector.open();
  const { traces, logged } = await opened({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: "api-key=a-secret",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
    OTEL_SERVICE_NAME: "counting",
  });
  call(traces, `00-${TRACE}-00f067aa0ba902b7-01`);
  await expect.poll(() => collector.spans).toHaveLength(1);
  expect(collector.received[0]).toMatchObject({ path: "/v1/traces", headers: { "api-key": "a-secret" } });
  expect(collector.spans[0]).toMatchObject({
    ...{ name: "tally.v1.CounterService/Increment", traceId: TRACE, parentSpanId: "00f067aa0ba902b7" },
    resource: {
      ...{ "service.name": "counting", "service.version": "1.2.3", "service.instance.id": "an-instance" },
      "deployment.environment.name": "test",
    },
  });
  expect(Object.keys(collector.spans[0]!.resource)).not.toContain("process.command_args");
  await traces.close(1_000);
  expect(logged).toEqual([]);
});

it("are sent as Protobuf where nothing else is said, for Tally if nobody names it otherwise", async () => {
  await using collector = await Collector.open();
  const { traces } = await opened(
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.endpoint}/own/path` },
    "http/protobuf",
  );
  call(traces);
  await expect.poll(() => collector.received).toHaveLength(1);
  const [{ path, headers, body }] = collector.received as [(typeof collector.received)[number]];
  expect([path, headers["content-type"]]).toEqual(["/own/path", "application/x-protobuf"]);
  expect(body.includes("tally.v1.CounterService/Increment")).toBe(true);
  expect(body.includes("service.name\u0012\u0007\n\u0005tally")).toBe(true);
  await traces.close(1_000);
});

it("that wait are sent at the end", async () => {
  await using collector = await Collector.open();
  const { traces } = await opened({
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_SCHEDULE_DELAY: "3600000" },
  });
  for (let n = 0; n < 1_000; n++) call(traces);
  await traces.close(20_000);
  expect(collector.spans).toHaveLength(1_000);
});

it("that cannot be sent are one line in the log, however long that lasts, and one when it is over", async () => {
  const { port, ...gone } = await (async () => {
    await using collector = await Collector.open();
    return { port: collector.port };
  })();
  expect(gone).toEqual({});
  const { traces, logged, dropped } = await opened({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: "300", // Too short for a second attempt.
  });
  expect(dropped()).toEqual({ queue_full: 0, export_failed: 0 });
  call(traces);
  await expect.poll(() => logged).toHaveLength(1);
  expect(logged[0]).toEqual(["traces.unsent", { detail: expect.stringContaining("ECONNREFUSED") }]);
  await using collector = await Collector.open(port);
  collector.answers = 400; // Which is not tried again.
  for (let n = 1; n <= 3; n++) {
    call(traces);
    await expect.poll(() => collector.received).toHaveLength(n);
  }
  collector.answers = 200;
  await expect
    .poll(() => {
      call(traces);
      return logged.map(([event]) => event);
    })
    .toEqual(["traces.unsent", "traces.sent_again"]);
  const { lost } = logged[1]![1] as { lost: number };
  expect(lost).toBeGreaterThanOrEqual(4);
  expect(dropped()).toEqual({ queue_full: 0, export_failed: lost });
  await traces.close(1_000);
});

it("that cannot be sent to any address of a name have the reason of each", () => {
  const logged: unknown[] = [];
  const errors = ["connect ECONNREFUSED ::1:9", "connect ECONNREFUSED 127.0.0.1:9"].map(
    (each) => new Error(each),
  );
  const failing = (error?: Error): SpanExporter => ({
    export: (_, done) => done({ code: 1, ...(error && { error }) }),
    shutdown: () => Promise.resolve(),
  });
  for (const error of [new AggregateError(errors, ""), new Error("gone"), undefined])
    new ToldExporter(
      failing(error),
      (...said) => void logged.push(said),
      () => {},
    ).export([], () => {});
  const details = [errors.map(({ message }) => message).join("; "), "gone", "the SDK does not say why"];
  expect(logged).toEqual(details.map((detail) => ["traces.unsent", { detail }]));
});

it("that a collector never answers for are let go of at the end of the grace, and are no more than there is room for", async () => {
  await using collector = await Collector.open();
  collector.answers = "none";
  const { traces, dropped } = await opened({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    ...{ OTEL_BSP_MAX_QUEUE_SIZE: "100", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10" },
  });
  call(traces);
  await expect.poll(() => collector.received).toHaveLength(1);
  for (let n = 0; n < 10_000; n++) call(traces);
  expect(dropped()).toEqual({ queue_full: 9_900, export_failed: 0 });
  const began = performance.now();
  await traces.close(200);
  expect(performance.now() - began).toBeGreaterThanOrEqual(199);
  await expect.poll(() => collector.spans.length).toBeGreaterThan(1);
  expect(collector.spans.length).toBeLessThanOrEqual(111); // One, a batch that was on its way, and the buffer.
});

it("that were dropped for want of room, and those that were sent, are all", async () => {
  await using collector = await Collector.open();
  const { traces, dropped } = await opened({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    ...{ OTEL_BSP_MAX_QUEUE_SIZE: "20", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "7" },
  });
  for (let round = 1; round <= 5; round++) {
    for (let n = 0; n < 30; n++) call(traces);
    await expect.poll(() => collector.spans.length + dropped().queue_full!).toBe(30 * round);
  }
  const { queue_full, export_failed } = dropped();
  // Of each 30 there is room for 20, and for the 7 that are sent at once if no others are just then.
  expect(queue_full).toBeGreaterThanOrEqual(5 * 3);
  expect(queue_full).toBeLessThanOrEqual(5 * 10);
  expect(export_failed).toBe(0);
  await traces.close(1_000);
});

it("are none where OpenTelemetry's own variables have it so", async () => {
  const { traces } = await opened({
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_TRACES_SAMPLER: "always_off" },
  });
  expect(traces.tracing.begin(METHOD, "grpc", () => undefined, 0)).toBeUndefined();
  await traces.close(1_000);
});
