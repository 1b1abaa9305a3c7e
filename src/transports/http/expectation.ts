import type { HttpRoute } from "./engine.ts";

/**
 * Refuses what is expected of a server beside 100-continue, which engines keep: nobody here knows it (RFC 9110, section
 * 10.1.1). From HTTP/1.0 the header means nothing.
 */
export function expectationRoute(): HttpRoute {
  return (request, response) => {
    const expected = request.header("expect");
    if (expected === undefined || request.version === "1.0") return false;
    if (expected.toLowerCase() === "100-continue") return false;
    response.send(417);
    return true;
  };
}
