import type { Health } from "../health.ts";
import type { HttpResponse, HttpRoute } from "./engine.ts";

/**
 * Whether the process is alive, and whether it answers calls, or with `?writes` takes changes too: for probes that
 * speak HTTP only.
 */
export function healthRoute(health: Health): HttpRoute {
  return ({ target, method }, response) => {
    const [path, query = ""] = target.split("?", 2);
    if (path !== "/livez" && path !== "/readyz") return false;
    if (method !== "GET" && method !== "HEAD") return text(response, 405, "use GET", { allow: "GET, HEAD" });
    if (path === "/livez") return text(response, 200, "ok");
    if (!READYZ_QUERIES.has(query)) return text(response, 400, "expected /readyz or /readyz?writes");
    const reason = health.reason(query === "" ? "reads" : "writes");
    return reason === undefined ? text(response, 200, "ok") : text(response, 503, reason);
  };
}

/** A probe that is mistyped must not be one that asks for less. */
const READYZ_QUERIES: ReadonlySet<string> = new Set(["", "writes", "writes="]);

function text(
  response: HttpResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): true {
  response.send(status, { ...headers, "content-type": "text/plain; charset=utf-8" }, `${body}\n`);
  return true;
}
