/** What is given out as it was built: packed for who can unpack it, and not again to who has it. */
import { readdirSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Opened, open } from "./door.ts";
import { type Sent, send } from "./http.ts";

const ASSETS = readdirSync(new URL("../../gen/console/assets", import.meta.url));
const FOREVER = "public, max-age=31536000, immutable";

let opened: Opened;
beforeAll(async () => {
  opened = await open();
});
afterAll(() => opened[Symbol.asyncDispose]());

describe.each<[path: string, type: string, kept: string]>([
  ["/", "text/html; charset=utf-8", "no-cache"],
  ["/docs", "text/html; charset=utf-8", "no-cache"],
  ["/openapi.json", "application/json", "no-cache"],
  ["/descriptors.binpb", "application/x-protobuf", "no-cache"],
  ...ASSETS.map((name) => [`/assets/${name}`, typeOf(name), FOREVER] as [string, string, string]),
])("%s", (path, type, kept) => {
  const ask = ({ headers, ...rest }: Partial<Sent> = {}) =>
    send(opened.door.port, { path, headers: { accept: "text/html", ...headers }, ...rest });

  it("has its type and its length, nothing is guessed, and it is kept as long as it may be", async () => {
    const { status, headers, bytes } = await ask();
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": type,
      "content-length": `${bytes.length}`,
      "cache-control": kept,
      "x-content-type-options": "nosniff",
    });
    expect(headers.etag).toMatch(/^"[\w-]{43}"$/);
    expect(headers.vary).toContain("Accept-Encoding");
  });

  it("is the same packed and as it is, each with an etag of its own", async () => {
    const plain = await ask();
    const packed = await ask({ headers: { "accept-encoding": "deflate, gzip;q=0.5" } });
    const refused = await ask({ headers: { "accept-encoding": "br, gzip;q=0" } });
    expect(packed.headers["content-encoding"]).toBe("gzip");
    expect(packed.headers["content-length"]).toBe(`${packed.bytes.length}`);
    expect(gunzipSync(packed.bytes).equals(plain.bytes)).toBe(true);
    expect(packed.headers.etag).not.toBe(plain.headers.etag);
    expect(refused.headers["content-encoding"]).toBeUndefined();
    expect(refused.headers.etag).toBe(plain.headers.etag);
  });

  it.each(["identity", "gzip"])("is not sent again to who has it: %s", async (coding) => {
    const encoding = { "accept-encoding": coding };
    const { headers } = await ask({ headers: encoding });
    for (const known of [`${headers.etag}`, `"other", ${headers.etag}`, `W/${headers.etag}`, "*"]) {
      const again = await ask({ headers: { ...encoding, "if-none-match": known } });
      expect([again.status, again.bytes.length, again.headers.etag]).toEqual([304, 0, headers.etag]);
      expect(again.headers["cache-control"]).toBe(kept);
    }
    const other = await ask({ headers: { ...encoding, "if-none-match": '"other"' } });
    expect(other.status).toBe(200);
  });

  it.each(["identity", "gzip"])("HEAD has the headers of GET and no body: %s", async (coding) => {
    const headers = { "accept-encoding": coding };
    const [get, head] = [await ask({ headers }), await ask({ headers, method: "HEAD" })];
    expect(head.bytes.length).toBe(0);
    expect({ ...head.headers, date: "" }).toEqual({ ...get.headers, date: "" });
  });

  it("takes no other method", async () => {
    for (const method of ["POST", "DELETE"]) {
      const { status, headers, error } = await ask({ method });
      expect([status, headers.allow, error?.reason]).toEqual([405, "GET, HEAD", "METHOD_NOT_ALLOWED"]);
    }
  });
});

function typeOf(name: string): string {
  if (name.endsWith(".js")) return "text/javascript; charset=utf-8";
  return name.endsWith(".css") ? "text/css; charset=utf-8" : "image/svg+xml";
}
