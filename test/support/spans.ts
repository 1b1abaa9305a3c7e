/** Tracing whose spans a test looks at, in the place of a collector. */
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import type { Clock } from "../../src/core/clock.ts";
import { OtlpTracing } from "../../src/telemetry/otlp/tracing.ts";

/** A span, by what there is to say of it. */
export interface Told {
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  /** undefined: it has begun its trace. */
  readonly parentId: string | undefined;
  readonly traceState: string | undefined;
  /** In milliseconds since the Unix epoch. */
  readonly times: readonly [began: number, ended: number];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: string;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

export class Spans {
  readonly #exporter = new InMemorySpanExporter();
  readonly #provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] });

  /** @param chance  0 unless given, so that any ratio above is all */
  tracing(clock: Clock, { ratio = 0, chance = () => 0 } = {}): OtlpTracing {
    return new OtlpTracing(this.#provider.getTracer("test"), clock, chance, ratio);
  }

  /** Those that have ended, in that order. */
  get told(): Told[] {
    return this.#exporter.getFinishedSpans().map(toldOf);
  }

  /** Those of calls. */
  get calls(): Told[] {
    return this.told.filter(({ kind }) => kind === "SERVER");
  }

  forget(): void {
    this.#exporter.reset();
  }
}

function toldOf(span: ReadableSpan): Told {
  const { traceId, spanId, traceState } = span.spanContext();
  return {
    ...{ name: span.name, kind: SpanKind[span.kind], traceId, spanId, attributes: span.attributes },
    parentId: span.parentSpanContext?.spanId,
    traceState: traceState?.serialize(),
    times: [msOf(span.startTime), msOf(span.endTime)],
    status: SpanStatusCode[span.status.code],
    links: span.links.map(({ context }) => ({ traceId: context.traceId, spanId: context.spanId })),
  };
}

/** Times of the SDK have nanoseconds of which the last hundreds are lost in a double. */
function msOf([seconds, nanos]: readonly [number, number]): number {
  return Math.round(seconds * 1e6 + nanos / 1e3) / 1e3;
}
