import type { HttpRequest, HttpResponse, HttpRoute } from "./engine.ts";

/** Have a request answered by the first route that knows it; the last of them answers everything. */
export async function route(
  routes: readonly HttpRoute[],
  request: HttpRequest,
  response: HttpResponse,
): Promise<void> {
  for (const each of routes) {
    const known = each(request, response);
    if (typeof known === "boolean" ? known : await known) return;
  }
}
