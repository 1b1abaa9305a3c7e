import { readdirSync } from "node:fs";
import { extname, join } from "node:path";
import type { HttpRequest, HttpResponse, HttpRoute } from "../http/engine.ts";
import type { Entry } from "../http/entry.ts";
import { targetOf } from "../http/target.ts";
import { type Kept, loadFile, type StaticFile, sendFile } from "./static-file.ts";

/** Where `npm run generate` puts the page, which is committed: it is there without a build. */
const FOLDER = join(import.meta.dirname, "../../../gen/console");

/**
 * The page for people at `/`, and what it is made of. Who does not want HTML there is told what else there is.
 *
 * @param entry         who may have it; undefined: everybody
 * @param asksWhoCalls  whether callers show credentials. Where nobody is asked, the page is told so: it need not ask who it is,
 *                      which would be an error in the browser's console each time
 */
export function consoleRoute(entry: Entry | undefined, asksWhoCalls: boolean, folder = FOLDER): HttpRoute {
  const page = load(folder, "index.html", entry === undefined ? "fresh" : "never", (bytes) =>
    asksWhoCalls ? bytes : Buffer.from(bytes.toString().replace(ASKED, ASKS_NOBODY)),
  );
  const kept = entry === undefined ? "forever" : "never"; // Named by what is in them.
  const assets = readdirSync(join(folder, "assets")).map(
    (name) => [`/assets/${name}`, load(folder, `assets/${name}`, kept)] as const,
  );
  const files = new Map([["/", page], ["/index.html", page], ...assets]);
  return (request, response) => {
    const file = files.get(targetOf(request).path);
    if (file === undefined) return false;
    return answer(file === page, file, request, response, entry).then(() => true);
  };
}

/** As src/console/index.html has it. */
const ASKED = '<meta name="tally-auth" content="asked" />';
const ASKS_NOBODY = '<meta name="tally-auth" content="off" />';

async function answer(
  isPage: boolean,
  file: StaticFile,
  request: HttpRequest,
  response: HttpResponse,
  entry: Entry | undefined,
): Promise<void> {
  if (entry !== undefined && !(await entry(request, response))) return;
  if (isPage) response.appendHeader("vary", "Accept");
  const { method } = request;
  const reads = method === "GET" || method === "HEAD";
  const wantsPage = /\btext\/html\b/i.test(request.header("accept") ?? "");
  if (!reads || !isPage || wantsPage) await sendFile(request, response, file);
  else sendHint(request, response);
}

function load(folder: string, name: string, kept: Kept, edit?: (bytes: Buffer) => Buffer): StaticFile {
  const type = TYPES[extname(name)];
  if (type === undefined) throw new TypeError(`expected one of ${Object.keys(TYPES)}, got ${name}`);
  return loadFile(join(folder, name), type, kept, SECURITY, edit);
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

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
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** For curl and the like: what this is, and what to type next. */
function sendHint(request: HttpRequest, response: HttpResponse): void {
  const host = request.header("host") ?? "127.0.0.1:8080";
  const text = `Tally counts things.

Count:  curl -X POST http://${host}/v1/counters/visits:increment
Read:   curl http://${host}/v1/counters/visits
List:   curl http://${host}/v1/counters
More:   http://${host}/docs in a browser; /openapi.json; gRPC on the same port
`;
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  response.send(200, headers, text);
}
