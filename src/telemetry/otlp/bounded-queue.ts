import { TraceFlags } from "@opentelemetry/api";
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";

/**
 * Spans that have ended, until they are sent, so many at once as OpenTelemetry's SDK does. That would drop what it has no room
 * for and tell nobody: so the bound is kept here, before it.
 */
export class BoundedQueue implements SpanProcessor {
  readonly #batches: BatchSpanProcessor;
  readonly #max: number;
  readonly #dropped: () => void;
  /** Those that the SDK has and has not begun to send. */
  #waiting = 0;

  /**
   * @param max      how many may wait, 1 or more
   * @param dropped  told of each that finds no room
   */
  constructor(exporter: SpanExporter, max: number, dropped: () => void) {
    const taking: SpanExporter = {
      export: (spans, done) => {
        this.#waiting -= spans.length;
        exporter.export(spans, done);
      },
      shutdown: () => exporter.shutdown(),
    };
    this.#batches = new BatchSpanProcessor(taking, { maxQueueSize: max });
    this.#max = max;
    this.#dropped = dropped;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return; // As the SDK has it: looked at, and not sent.
    if (this.#waiting >= this.#max) {
      this.#dropped();
      return;
    }
    this.#waiting++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }
}
