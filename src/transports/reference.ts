import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { HttpRoute } from "./http.ts";
import { sendRefusal } from "./http-message.ts";
import { targetOf } from "./http-target.ts";

/**
 * What Tally says of itself, as `npm run generate` has written it: the document of REST for programs, the same for
 * people, and the descriptors of all services with their comments.
 */
export function referenceRoute(): HttpRoute {
  const documents = new Map([
    ["/openapi.json", load(new URL("../../gen/openapi.json", import.meta.url), "application/json")],
    ["/docs", loadPage(new URL("../../gen/docs.html", import.meta.url))],
    [
      "/descriptors.binpb",
      load(new URL("../../gen/descriptors.binpb", import.meta.url), "application/x-protobuf"),
    ],
  ]);
  return async (request, response) => {
    const document = documents.get(targetOf(request).path);
    if (document === undefined) return false;
    const { method, headers } = request;
    if (method !== "GET" && method !== "HEAD") {
      const allow = "GET, HEAD";
      sendRefusal(
        response,
        { code: "METHOD_NOT_ALLOWED", expected: "use GET", got: method ?? "none" },
        { allow },
      );
      return true;
    }
    const known = headers["if-none-match"]?.split(/, */).map((etag) => etag.replace(/^W\//, ""));
    if (known?.some((etag) => etag === "*" || etag === document.headers.etag)) {
      response.writeHead(304, { etag: document.headers.etag, "cache-control": CACHED }).end();
      return true;
    }
    response.writeHead(200, { ...document.headers, "content-length": document.bytes.length });
    response.end(method === "HEAD" ? undefined : document.bytes);
    return true;
  };
}

interface Document {
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string>> & { readonly etag: string };
}

/** Kept, and asked about each time: another version of Tally may say something else. */
const CACHED = "no-cache";

function load(file: URL, type: string): Document {
  const bytes = readFileSync(file);
  const headers = {
    "content-type": type,
    "cache-control": CACHED,
    "x-content-type-options": "nosniff",
    etag: `"${createHash("sha256").update(bytes).digest("base64url")}"`,
  };
  return { bytes, headers };
}

/** A page that runs nothing and loads nothing: all that it needs is its own style. */
function loadPage(file: URL): Document {
  const { bytes, headers } = load(file, "text/html; charset=utf-8");
  const [, style = ""] = /<style>(.*?)<\/style>/s.exec(bytes.toString()) ?? [];
  const hash = createHash("sha256").update(style).digest("base64");
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${hash}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    bytes,
    headers: {
      ...headers,
      "content-security-policy": policy.join("; "),
      "referrer-policy": "no-referrer",
    },
  };
}
