import { isIP, isIPv6 } from "node:net";
import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import type { HttpRequest, HttpRoute } from "./engine.ts";
import { otherMethod } from "./header-fields.ts";
import { sendRefusal } from "./message.ts";

/** Whom a request is for: what its Host header says, or its target. */
export interface Host {
  /** In lower case, without the dot that may stand at its end; of IPv6 without brackets. */
  readonly name: string;
  /** In digits; "" when it is not given. */
  readonly port: string;
}

/**
 * @returns  undefined for what is no `host [ ":" port ]` (RFC 9110, section 7.2). A zone (`[fe80::1%25eth0]`) is none: it
 *           means nothing to the other side, and clients leave it out
 */
export function parseHost(text: string): Host | undefined {
  const match = HOST.exec(text);
  if (match === null) return undefined;
  const [, address, name, port = ""] = match;
  if (Number(port) > 65_535 || (address !== undefined && !isIPv6(address))) return undefined;
  return { name: (address ?? name)!.toLowerCase(), port };
}

/** Names of DNS may have underscores where people gave them some, as with Docker. */
const HOST = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?)(?::([0-9]{0,5}))?$/i;

/** Whether nobody else can have this name: a page of a stranger cannot have been asked for by it. */
export function isOwnName(name: string, listed: ReadonlySet<string> | undefined): boolean {
  if (isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost")) return true;
  // What ends in a number is an address, however it is written ("127.1"): browsers have no other use for it.
  return listed?.has(name) === true || isIP(URL.parse(`http://${name}`)?.hostname ?? "") !== 0;
}

/** Headers of which an engine gives the first; it joins others, so that they are refused for what they say then. */
const SINGLE: ReadonlyMap<string, string> = new Map([
  ["host", "Host"],
  ["content-type", "Content-Type"],
]);

const LENGTHS: ReadonlySet<number> = new Set([...SINGLE.keys()].map((name) => name.length));

/**
 * Refuse requests that leave open whom they are for, or what they say: two Hosts, two content types, a Host that is
 * none, another method in a header. Proxies and servers read such differently.
 */
export function wellFormedRoute(): HttpRoute {
  return (request, response) => {
    const fault =
      doubledHeader(request) ??
      hostFault(request) ??
      otherMethod(request.method, (name) => request.header(name)) ??
      otherCoding(request.header("transfer-encoding"));
    if (fault === undefined) return false;
    sendRefusal(response, fault, { connection: "close" }); // Whatever stands behind it is as doubtful.
    return true;
  };
}

function doubledHeader({ rawHeaders }: HttpRequest): Refusal | undefined {
  let seen = "";
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!LENGTHS.has(rawHeaders[at]!.length)) continue; // As nearly all.
    const name = SINGLE.get(rawHeaders[at]!.toLowerCase());
    if (name === undefined) continue;
    if (seen.includes(name)) return invalidField(name, "must be given once", undefined);
    seen += name;
  }
  return undefined;
}

const EXPECTED = "must be a name or an IP address, and a port if need be, such as localhost:8080";

function hostFault(request: HttpRequest): Refusal | undefined {
  const { version, target } = request;
  const text = request.header("host");
  const host = text === undefined ? undefined : parseHost(text);
  if (host === undefined && (text !== undefined || version !== "1.0")) {
    return invalidField("Host", EXPECTED, text);
  }
  const named = serverIn(target);
  if (named === undefined) return undefined;
  const { scheme, authority } = named;
  const inTarget = parseHost(authority);
  if (inTarget === undefined) return invalidField("the request target's host", EXPECTED, authority);
  if (host === undefined || isSame(host, inTarget, scheme)) return undefined;
  return invalidField("Host", `must be that of the request target (${authority.slice(0, 60)})`, text);
}

/** An engine takes off the chunks and leaves the rest of a coding, which somebody before us may have taken off or not. */
function otherCoding(coding = "chunked"): Refusal | undefined {
  return coding.toLowerCase() === "chunked"
    ? undefined
    : invalidField("Transfer-Encoding", "must be chunked, and nothing beside it", coding);
}

/** @returns  undefined of a target that names no server, as most */
function serverIn(target: string): { readonly scheme: string; readonly authority: string } | undefined {
  if (target.startsWith("/")) return undefined;
  const [, scheme, authority] = TARGET.exec(target) ?? [];
  return scheme === undefined ? undefined : { scheme, authority: authority! };
}

/** A target that names the server, as requests to proxies do. */
const TARGET = /^(https?):\/\/([^/?#]*)/i;

/** @param scheme  whose port is meant where none is given */
export function isSame(one: Host, other: Host, scheme: string): boolean {
  const byDefault = scheme.toLowerCase() === "https" ? "443" : "80";
  const port = (host: Host) => (host.port === "" ? byDefault : host.port);
  return one.name === other.name && port(one) === port(other);
}

/**
 * Refuse a request for a server of another name. A page of evil.example whose name was made to lead here (DNS
 * rebinding) is of the same origin as what it asks, so that its browser would let it read.
 *
 * @param names  those that are ours, beside IP addresses, `localhost` and `*.localhost`; with "*" every name is answered
 */
export function hostNameRoute(names: ReadonlySet<string>): HttpRoute {
  if (names.has("*")) return () => false;
  let last: string | undefined; // Nearly every request asks by the same.
  return (request, response) => {
    // HTTP/1.0 need not have a Host, and still can name a server in its target. Where both do they say the same.
    const text = request.header("host") ?? serverIn(request.target)?.authority;
    if (text === undefined || text === last) return false;
    const { name } = parseHost(text)!; // Well-formed, or it would not have come here.
    if (isOwnName(name, names)) {
      last = text;
      return false;
    }
    sendRefusal(response, { code: "HOST_NOT_ALLOWED", got: name.slice(0, 60) });
    return true;
  };
}
