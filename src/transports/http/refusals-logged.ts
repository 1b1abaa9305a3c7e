import { traceFieldOf } from "../../telemetry/call-parts.ts";
import type { Log } from "../../telemetry.ts";
import type { HttpRoute } from "./engine.ts";

/**
 * Answers nothing, and has what is refused logged, also what never gets to a call: of another origin, or of no path.
 * The path stays out of it, because it may have a counter's name.
 *
 * @param each  whether it is logged now: looked at for each request
 */
export function refusalsLogged(log: Log, each: { readonly isOn: boolean }): HttpRoute {
  return (request, response) => {
    if (!each.isOn) return false;
    const origin = request.header("origin");
    response.onSent((status) => {
      if (status < 400) return;
      const { method } = request;
      log("http.refused", {
        method,
        status,
        ...(origin !== undefined && { origin, host: request.header("host") }),
        ...traceFieldOf({ headerOf: (name) => request.header(name) }),
      });
    });
    return false;
  };
}
