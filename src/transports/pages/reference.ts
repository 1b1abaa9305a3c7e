import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { HttpRoute } from "../http/engine.ts";
import type { Entry } from "../http/entry.ts";
import { targetOf } from "../http/target.ts";
import { type Kept, loadFile, type StaticFile, sendFile } from "./static-file.ts";

/**
 * What Tally says of itself, as `npm run generate` has written it: the document of REST for programs, the same for
 * people, and the descriptors of all services with their comments. Another version of Tally may say something else.
 *
 * @param entry  who may have it; undefined: everybody
 */
export function referenceRoute(entry?: Entry): HttpRoute {
  const kept = entry === undefined ? "fresh" : "never";
  const documents = new Map([
    ["/openapi.json", loadFile(generated("openapi.json"), "application/json", kept)],
    ["/docs", loadPage(generated("docs.html"), kept)],
    ["/descriptors.binpb", loadFile(generated("descriptors.binpb"), "application/x-protobuf", kept)],
  ]);
  return (request, response) => {
    const document = documents.get(targetOf(request).path);
    if (document === undefined) return false;
    const send = () => sendFile(request, response, document).then(() => true);
    return entry === undefined ? send() : entry(request, response).then((isIn) => !isIn || send());
  };
}

function generated(name: string): URL {
  return new URL(`../../../gen/${name}`, import.meta.url);
}

/** A page that runs nothing and loads nothing: all that it needs is its own style. */
function loadPage(file: URL, kept: Kept): StaticFile {
  const [, style = ""] = /<style>(.*?)<\/style>/s.exec(readFileSync(file, "utf8")) ?? [];
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return loadFile(file, "text/html; charset=utf-8", kept, {
    "content-security-policy": policy.join("; "),
    "referrer-policy": "no-referrer",
  });
}
