import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { Log } from "../../telemetry.ts";

type Done = Parameters<SpanExporter["export"]>[1];

/**
 * Sends spans, and tells the log when that begins to fail, and when it succeeds again: once each, however long it lasts. How
 * many each attempt has lost is counted.
 */
export class ToldExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #log: Log;
  readonly #dropped: (spans: number) => void;
  #lost = 0;

  /** @param dropped  told how many could not be sent, each time */
  constructor(exporter: SpanExporter, log: Log, dropped: (spans: number) => void) {
    this.#exporter = exporter;
    this.#log = log;
    this.#dropped = dropped;
  }

  /** Whether the last ones could not be sent. */
  get isFailing(): boolean {
    return this.#lost > 0;
  }

  export(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      if (result.code !== SUCCESS) {
        if (!this.isFailing) this.#log("traces.unsent", { detail: reasonOf(result.error) });
        this.#lost += spans.length;
        this.#dropped(spans.length);
      } else if (this.isFailing) {
        this.#log("traces.sent_again", { lost: this.#lost });
        this.#lost = 0;
      }
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }
}

/** Of a name that stands for several addresses, each has a reason of its own, and the whole has none. */
function reasonOf(error: Error | undefined): string {
  if (error instanceof AggregateError) return error.errors.map((each) => reasonOf(each as Error)).join("; ");
  return error?.message || "the SDK does not say why";
}

/** ExportResultCode.SUCCESS of OpenTelemetry's core. */
const SUCCESS = 0;
