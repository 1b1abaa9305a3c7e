import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { CallSpan, Rpc, TracedCall, TracedCommit } from "../tracing.ts";
import { commitAttributes, methodOf, outcomeOf, statusOf } from "./attributes.ts";

/** A call that is recorded: its span, and within that those of its wait and, for one of its calls, of its commit. */
export class OtlpCallSpan implements CallSpan {
  readonly #tracer: Tracer;
  readonly #span: Span;
  /** Of what is within it. */
  readonly #within: Context;
  readonly #epochMs: number;
  #method: Rpc;

  /** @param epochMs  of the Unix epoch, by the clock that never goes back: what to add to its times */
  constructor(tracer: Tracer, span: Span, method: Rpc, epochMs: number) {
    this.#tracer = tracer;
    this.#span = span;
    this.#within = trace.setSpan(ROOT_CONTEXT, span);
    this.#method = method;
    this.#epochMs = epochMs;
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  /** It is within the first call, and the others and it name each other: of so many at most as a span may name. */
  committed(others: readonly OtlpCallSpan[], commit: TracedCommit): void {
    const named = others.slice(0, LINKED_MAX - 1);
    const span = this.#tracer.startSpan(
      "commit",
      {
        startTime: this.#at(commit.beganMs),
        attributes: commitAttributes(commit),
        links: named.map((other) => ({ context: other.#span.spanContext() })),
      },
      this.#within,
    );
    if (commit.failed !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: commit.failed });
    span.end(this.#at(commit.endedMs));
    for (const other of named) other.#span.addLink({ context: span.spanContext() });
  }

  queued(beganMs: number, endedMs: number): void {
    this.#tracer.startSpan("queue", { startTime: this.#at(beganMs) }, this.#within).end(this.#at(endedMs));
  }

  end(call: TracedCall): void {
    const { method, parts, endedMs } = call;
    if (parts.queuedMs !== undefined) this.queued(parts.queuedMs, parts.cutMs ?? endedMs);
    if (method !== this.#method) {
      this.#span.updateName(methodOf(method));
      this.#span.setAttribute("rpc.method", methodOf(method));
      this.#method = method;
    }
    this.#span.setAttributes(outcomeOf(call));
    this.#span.setStatus(statusOf(call));
    this.#span.end(this.#at(endedMs));
  }

  /** In milliseconds since the Unix epoch. */
  #at(ms: number): number {
    return this.#epochMs + ms;
  }
}

/** As OpenTelemetry has it, if nobody says otherwise. */
const LINKED_MAX = 128;
