import type { LogEvent } from "./telemetry/log-events.ts";
import { Metrics } from "./telemetry/metrics.ts";

/** Log an event. `err` is written with its stack and causes. */
export type Log = (event: LogEvent, fields?: LogFields) => void;
/** What an event says beside its name: plain values, and an error. */
export type LogFields = Readonly<Record<string, unknown>> & { readonly err?: unknown };

/** Where the parts of a server say what they do. */
export interface Telemetry {
  readonly log: Log;
  readonly metrics: Metrics;
}

/** For tests and tools that want none. */
export const NO_LOG: Log = () => {};
/** Says nothing to anybody. */
export const NO_TELEMETRY: Telemetry = { log: NO_LOG, metrics: new Metrics() };
