import { hostname } from "node:os";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { BasicTracerProvider, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../telemetry.ts";
import type { Metrics } from "../metrics.ts";
import type { OtlpAsked, OtlpProtocol } from "../otlp-asked.ts";
import type { SpanDroppedReason } from "../series.ts";
import { BoundedQueue } from "./bounded-queue.ts";
import { ToldExporter } from "./told-exporter.ts";
import { OtlpTracing } from "./tracing.ts";

/** Where and how often spans are sent. */
export interface OtlpOptions extends Pick<OtlpAsked, "protocol" | "queueMax"> {
  /** Of Tally. */
  readonly version: string;
  /** Tells this process from others. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly chance: () => number;
  readonly ratio: number;
}

/** Tracing whose spans are sent. */
export interface OpenTracing {
  readonly tracing: OtlpTracing;
  /**
   * Send what waits to be sent.
   *
   * @param graceMs  for how long to wait for that, in milliseconds; what is not sent by then is lost
   */
  close(graceMs: number): Promise<void>;
}

/**
 * Record calls, and send them by OTLP over HTTP, as the environment of the process says (OTEL_*, which OpenTelemetry's SDK reads
 * by itself): from a buffer of so many spans. What there is no room for is dropped, so that a collector which is away costs
 * no call any time, and no memory but this; and it is counted, as what could not be sent is.
 *
 * Nothing is made global: no other library of the process is traced, and none finds these spans.
 *
 * @throws an error with the code ERR_MODULE_NOT_FOUND, where the package that writes this protocol is not there
 */
export async function openOtlp(options: OtlpOptions): Promise<OpenTracing> {
  const { protocol, queueMax, version, instance, clock, log, metrics, chance, ratio } = options;
  const dropping = (reason: SpanDroppedReason) => {
    const place = metrics.know("traceSpansDropped", { reason });
    return (spans = 1) => {
      metrics.numbers[place]! += spans;
    };
  };
  const exporter = new ToldExporter(await EXPORTERS[protocol](), log, dropping("export_failed"));
  const own = { "service.name": "tally", "service.version": version, "service.instance.id": instance };
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ ...own, "host.name": hostname() }))
      .merge(detectResources({ detectors: [envDetector] })), // Not that of the process: its arguments may have a password.
    spanProcessors: [new BoundedQueue(exporter, queueMax, dropping("queue_full"))],
  });
  const tracing = new OtlpTracing(provider.getTracer("tally", version), clock, chance, ratio);
  return {
    tracing,
    async close(graceMs) {
      const sent = provider.shutdown().catch(() => {}); // The log has it.
      const waitMs = Math.min(graceMs, exporter.isFailing ? FAILING_GRACE_MS : GRACE_MS);
      const passed = Promise.withResolvers<void>();
      const timer = setTimeout(passed.resolve, waitMs);
      await Promise.race([sent, passed.promise]);
      clearTimeout(timer);
    },
  };
}

const EXPORTERS: Readonly<Record<OtlpProtocol, () => Promise<SpanExporter>>> = {
  "http/protobuf": async () =>
    new (await import("@opentelemetry/exporter-trace-otlp-proto")).OTLPTraceExporter(),
  "http/json": async () => new (await import("@opentelemetry/exporter-trace-otlp-http")).OTLPTraceExporter(),
};

/** A process that stops is one that serves nobody: so a collector that does not answer is not waited for long. */
const GRACE_MS = 2_000;
/** And one that has been away is hardly waited for. */
const FAILING_GRACE_MS = 500;
