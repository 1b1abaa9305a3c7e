import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { HttpRoute } from "./http.ts";
import { sendRefusal } from "./http-message.ts";
import { targetOf } from "./http-target.ts";

/** Where `npm run generate` puts the page, which is committed: it is there without a build. */
const FOLDER = join(import.meta.dirname, "../../gen/console");

/** The page for people at `/`, and what it is made of. Who does not want HTML there is told what else there is. */
export function consoleRoute(folder = FOLDER): HttpRoute {
  const page = fileOf(folder, "index.html");
  const assets = readdirSync(join(folder, "assets")).map((name) => fileOf(folder, `assets/${name}`));
  const files = new Map([page, ...assets].map((file) => [file.path, file]));
  return async (request, response) => {
    const path = targetOf(request).path;
    const file = path === "/" ? page : files.get(path);
    if (file === undefined) return false;
    const { method, headers } = request;
    if (method !== "GET" && method !== "HEAD") {
      const refusal = { code: "METHOD_NOT_ALLOWED", expected: "use GET", got: `${method}` } as const;
      sendRefusal(response, refusal, { allow: "GET, HEAD" });
    } else if (file === page && !/\btext\/html\b/i.test(headers.accept ?? "")) {
      sendHint(request, response);
    } else {
      sendFile(request, response, file);
    }
    return true;
  };
}

/** Of a file that is served. */
interface Served {
  /** Where: as a path of a URL. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

function fileOf(folder: string, name: string): Served {
  const bytes = readFileSync(join(folder, name));
  const type = TYPES[extname(name)];
  if (type === undefined) throw new TypeError(`expected one of ${Object.keys(TYPES)}, got ${name}`);
  let gzipped: Buffer | undefined;
  return {
    path: `/${name}`,
    bytes,
    get gzipped() {
      gzipped ??= gzipSync(bytes, { level: 9 }); // When it is first asked for: a start does not wait for it.
      return gzipped;
    },
    etag: createHash("sha256").update(bytes).digest("base64url").slice(0, 22),
    headers: { ...SECURITY, "content-type": type, "cache-control": name === "index.html" ? FRESH : FOREVER },
  };
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const FRESH = "no-cache";
/** The name of an asset has a hash of what is in it. */
const FOREVER = "public, max-age=31536000, immutable";

/** The page runs what came with it and calls who gave it out, and nobody else; nobody can put it into theirs. */
const SECURITY: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

function sendFile(request: IncomingMessage, response: ServerResponse, file: Served): void {
  const gzip = /\bgzip\b(?! *; *q=0(\.0*)? *(,|$))/i.test(`${request.headers["accept-encoding"] ?? ""}`);
  const body = gzip ? file.gzipped : file.bytes;
  const etag = `"${file.etag}${gzip ? "-gzip" : ""}"`; // Of these bytes: an etag of another coding is another one.
  response.appendHeader("vary", "Accept-Encoding");
  if (file.path === "/index.html") response.appendHeader("vary", "Accept");
  for (const [name, value] of Object.entries({ ...file.headers, etag })) response.setHeader(name, value);
  if (known(request.headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  if (gzip) response.setHeader("content-encoding", "gzip");
  response
    .writeHead(200, { "content-length": body.length })
    .end(request.method === "HEAD" ? undefined : body);
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#field.if-none-match */
function known(ifNoneMatch: string | undefined, etag: string): boolean {
  const etags = ifNoneMatch?.split(",").map((each) => each.trim().replace(/^W\//, "")) ?? [];
  return etags.includes(etag) || etags.includes("*");
}

/** For curl and the like: what this is, and what to type next. */
function sendHint({ headers: { host = "127.0.0.1:8080" } }: IncomingMessage, response: ServerResponse): void {
  response.appendHeader("vary", "Accept");
  const text = `Tally counts things.

Count:  curl -X POST http://${host}/v1/counters/visits:increment
Read:   curl http://${host}/v1/counters/visits
List:   curl http://${host}/v1/counters
More:   http://${host}/docs in a browser; /openapi.json; gRPC on the same port
`;
  response
    .writeHead(200, {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": FRESH,
      "x-content-type-options": "nosniff",
    })
    .end(text);
}
