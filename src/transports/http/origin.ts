import type { HttpResponse, HttpRoute } from "./engine.ts";
import { isOwnName, isSame, parseHost } from "./host.ts";
import { sendRefusal } from "./message.ts";

/**
 * What pages in browsers may do: those that this server gave out, everything; those of an origin that is allowed,
 * everything; those of others, nothing. A request that names no origin comes from no page, and passes.
 *
 * Without this any page that a developer looks at could count on the service of their own machine: a browser sends
 * a POST without a body wherever a page likes, and only hides the answer.
 *
 * @param allowed    origins such as "https://shop.example"; "*" allows every one
 * @param hostNames  names of this server's own, beside addresses and localhost
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function originRoute(
  allowed: ReadonlySet<string>,
  hostNames: ReadonlySet<string> | undefined,
): HttpRoute {
  return (request, response) => {
    const origin = request.header("origin");
    if (origin === undefined) return false;
    const { method, overTls } = request;
    response.setHeader("vary", "Origin");
    const listed = allowed.has("*") || allowed.has(origin);
    if (!listed && !isOwn(origin, request.header("host") ?? "", overTls, hostNames)) {
      if (method === "GET" || method === "HEAD") return false; // The browser keeps the answer from the page.
      sendRefusal(response, { code: "ORIGIN_NOT_ALLOWED", got: origin.slice(0, 60) });
      return true;
    }
    if (listed) {
      response.setHeader("access-control-allow-origin", origin);
      response.setHeader("access-control-expose-headers", EXPOSED);
    }
    const preflight = method === "OPTIONS" && request.header("access-control-request-method") !== undefined;
    if (preflight) answerPreflight(response, request.header("access-control-request-headers"));
    return preflight;
  };
}

/**
 * Whether a page comes from this server. Not if the name it was asked by could be anybody's: a page of
 * evil.example whose name leads to 127.0.0.1 (DNS rebinding) would be its own origin. Over TLS no name is: the browser
 * has seen a certificate for it.
 */
function isOwn(
  origin: string,
  host: string,
  overTls: boolean,
  hostNames: ReadonlySet<string> | undefined,
): boolean {
  const url = URL.parse(origin);
  const asked = parseHost(host);
  const own = url === null ? undefined : parseHost(url.host);
  if (url === null || own === undefined || asked === undefined) return false;
  if (!isSame(own, asked, url.protocol.slice(0, -1))) return false;
  return overTls ? url.protocol === "https:" : isOwnName(own.name, hostNames);
}

/** What a page may read beside the body: etags, when to try again, what is asked of who is not known, limits, and the status of Connect and gRPC-Web. */
const EXPOSED =
  "ETag, Retry-After, WWW-Authenticate, RateLimit, RateLimit-Policy, Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin";

function answerPreflight(response: HttpResponse, asked: string | undefined): void {
  response.setHeader("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE");
  if (asked !== undefined) response.setHeader("access-control-allow-headers", asked);
  response.setHeader("access-control-max-age", "7200");
  response.send(204);
}
