import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { HttpRequest, HttpResponse } from "../http/engine.ts";
import { sendRefusal } from "../http/message.ts";

/** A file that was built and does not change while this process runs. */
export interface StaticFile {
  readonly bytes: Buffer;
  /** Of the bytes as they are, without quotes; made when it is first asked for, as what is packed is. */
  etag(): string;
  readonly headers: Readonly<Record<string, string>>;
  /** Packed when it is first asked for, so that a start does not wait for it. */
  gzipped(): Promise<Buffer>;
}

/**
 * How long others may keep it: "fresh" is kept, and asked about each time; "forever" is for a file whose name changes
 * with what is in it; "never" for one that is not for everybody.
 */
export type Kept = "fresh" | "forever" | "never";

const CACHE_CONTROL: Readonly<Record<Kept, string>> = {
  fresh: "no-cache",
  forever: "public, max-age=31536000, immutable",
  never: "no-store",
};

/**
 * @param headers  of every answer with it, beside those that this file sees to
 * @param edit     makes what is handed out of what stands there
 */
export function loadFile(
  path: URL | string,
  type: string,
  kept: Kept,
  headers: Readonly<Record<string, string>> = {},
  edit: (bytes: Buffer) => Buffer = (bytes) => bytes,
): StaticFile {
  const bytes = edit(readFileSync(path));
  let etag: string | undefined;
  let gzipped: Promise<Buffer> | undefined;
  return {
    bytes,
    etag: () => (etag ??= createHash("sha256").update(bytes).digest("base64url")),
    headers: {
      ...headers,
      "content-type": type,
      "cache-control": CACHE_CONTROL[kept],
      "x-content-type-options": "nosniff",
    },
    gzipped: () => (gzipped ??= promisify(gzip)(bytes, { level: 9 })),
  };
}

/** Answer with a file: packed for who can unpack it, and not again to who has it. Other methods are refused. */
export async function sendFile(
  request: HttpRequest,
  response: HttpResponse,
  file: StaticFile,
): Promise<void> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") {
    const refusal = { code: "METHOD_NOT_ALLOWED", expected: "use GET", got: method } as const;
    sendRefusal(response, refusal, { allow: "GET, HEAD" });
    return;
  }
  const packed = /\bgzip\b(?! *; *q=0(\.0*)? *(,|$))/i.test(request.header("accept-encoding") ?? "");
  const etag = `"${file.etag()}${packed ? "-gzip" : ""}"`; // Of these bytes: an etag of another coding is another one.
  response.appendHeader("vary", "Accept-Encoding");
  for (const [name, value] of Object.entries(file.headers)) response.setHeader(name, value);
  response.setHeader("etag", etag);
  if (hasIt(request.header("if-none-match"), etag)) {
    response.send(304);
    return;
  }
  const body = packed ? await file.gzipped() : file.bytes;
  if (packed) response.setHeader("content-encoding", "gzip");
  response.send(200, { "content-length": body.length }, method === "HEAD" ? undefined : body);
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#field.if-none-match */
function hasIt(ifNoneMatch: string | undefined, etag: string): boolean {
  const etags = ifNoneMatch?.split(",").map((each) => each.trim().replace(/^W\//, "")) ?? [];
  return etags.includes(etag) || etags.includes("*");
}
