import {
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { Clock } from "../../core/clock.ts";
import type { Door } from "../series.ts";
import { type TraceParent, traceParentOf } from "../trace-parent.ts";
import type { Rpc, Tracing } from "../tracing.ts";
import { attributesOf, methodOf, type ServedAt } from "./attributes.ts";
import { OtlpCallSpan } from "./call-span.ts";

/**
 * Records calls as OpenTelemetry's spans: those whose caller records them, and of those that say nothing of a trace so many as
 * chance has it. Which these are is found out by hand, for of a call that is not recorded a span costs as much as of one that is.
 */
export class OtlpTracing implements Tracing {
  /** How many calls that are in no trace begin one, from 0, none, to 1, each. */
  ratio: number;
  /** Where each kind of door is, once that is known. */
  servedAt: Readonly<{ grpc: ServedAt; http: ServedAt }> | undefined;
  readonly #tracer: Tracer;
  readonly #clock: Clock;
  readonly #chance: () => number;

  /** @param chance  a number from 0 on and below 1, another one each time */
  constructor(tracer: Tracer, clock: Clock, chance: () => number, ratio: number) {
    this.#tracer = tracer;
    this.#clock = clock;
    this.#chance = chance;
    this.ratio = ratio;
  }

  begin(
    method: Rpc,
    door: Door,
    headerOf: (name: string) => string | undefined,
    beganMs: number,
  ): OtlpCallSpan | undefined {
    const parent = traceParentOf(headerOf("traceparent"));
    const isRecorded = parent?.isSampled ?? (this.ratio > 0 && this.#chance() < this.ratio);
    if (!isRecorded) return undefined;
    const epochMs = this.#clock.now() - this.#clock.monotonic();
    const span = this.#tracer.startSpan(
      methodOf(method),
      {
        kind: SpanKind.SERVER,
        startTime: epochMs + beganMs,
        attributes: attributesOf(method, door, this.servedAt?.[door === "grpc" ? "grpc" : "http"]),
      },
      parent === undefined ? ROOT_CONTEXT : within(parent, headerOf("tracestate")),
    );
    // Unless OpenTelemetry's own variables have it otherwise.
    return span.isRecording() ? new OtlpCallSpan(this.#tracer, span, method, epochMs) : undefined;
  }
}

/** @param state  what other systems say of the trace; of one that cannot be read nothing is taken */
function within({ traceId, spanId }: TraceParent, state: string | undefined): Context {
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
    ...(state !== undefined && { traceState: createTraceState(state) }),
  });
}
