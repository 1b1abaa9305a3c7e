import type { Clock } from "../../core/clock.ts";
import { EXPOSITION_TYPE } from "../../telemetry/exposition.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { HttpRoute } from "./engine.ts";
import type { Entry } from "./entry.ts";
import { isMethodRefused } from "./message.ts";
import { targetOf } from "./target.ts";

/** All that is measured, as Prometheus reads it; who asks within a second of each other is told the same. */
export function sharedExposition(metrics: Metrics, clock: Clock): () => string {
  let text = "";
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = clock.monotonic();
    if (now - readAt >= SHARED_MS) {
      text = metrics.read();
      readAt = now;
    }
    return text;
  };
}

/** Several scrapers cost no more than one, and nobody can have it read all the time. */
const SHARED_MS = 1_000;

/**
 * What is measured, at /metrics.
 *
 * @param entry  who may have it; undefined: everybody
 */
export function metricsRoute(exposition: () => string, entry?: Entry): HttpRoute {
  return (request, response) => {
    if (targetOf(request).path !== "/metrics") return false;
    if (isMethodRefused(request, response, ["GET"])) return true;
    const send = () => {
      const text = exposition();
      const headers = { "content-type": EXPOSITION_TYPE, "cache-control": "no-store" };
      response.send(200, { ...headers, "content-length": Buffer.byteLength(text) }, text);
      return true;
    };
    return entry === undefined ? send() : entry(request, response).then((isIn) => !isIn || send());
  };
}
