/** What Tally says of itself is served: for programs, for people, and to nobody's harm. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SERVICES } from "../../src/transports/grpc.ts";
import { type Opened, open } from "../transports/door.ts";

const DOCUMENTS = [
  ["/openapi.json", "application/json", "openapi.json"],
  ["/descriptors.binpb", "application/x-protobuf", "descriptors.binpb"],
  ["/docs", "text/html; charset=utf-8", "docs.html"],
] as const;

let opened: Opened;
beforeAll(async () => {
  opened = await open();
});
afterAll(() => opened[Symbol.asyncDispose]());

const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${opened.door.port}${path}`, init);
const generated = (name: string) => readFileSync(new URL(`../../gen/${name}`, import.meta.url));

describe.each(DOCUMENTS)("%s", (path, type, name) => {
  it("is the generated file, with its type and no guessing", async () => {
    const response = await ask(path);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": type,
      "x-content-type-options": "nosniff",
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(generated(name))).toBe(true);
  });

  it("is not sent again to who has it", async () => {
    const first = await ask(path);
    const etag = first.headers.get("etag")!;
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    await first.arrayBuffer();
    for (const sent of [etag, `"other", ${etag}`, `W/${etag}`, "*"]) {
      const again = await ask(path, { headers: { "if-none-match": sent } });
      expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, etag, ""]);
    }
    expect((await ask(path, { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  });

  it("HEAD says how long it is", async () => {
    const length = await new Promise((resolve, reject) => {
      const head = request({ port: opened.door.port, host: "127.0.0.1", path, method: "HEAD" }, (answer) => {
        answer.resume().on("end", () => resolve(answer.headers["content-length"]));
      });
      head.on("error", reject).end();
    });
    expect(length).toBe(`${generated(name).length}`);
  });

  it("takes no other method", async () => {
    const response = await ask(path, { method: "POST" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(await response.json()).toMatchObject({
      error: { code: 405, details: [{ reason: "METHOD_NOT_ALLOWED" }] },
    });
  });
});

describe("/descriptors.binpb", () => {
  it("has every service that is served, with all that it needs, its comments included", async () => {
    const bytes = new Uint8Array(await (await ask("/descriptors.binpb")).arrayBuffer());
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
    for (const { typeName, methods } of SERVICES) {
      const service = registry.getService(typeName)!;
      expect(service.methods.map((each) => each.name)).toEqual(methods.map((each) => each.name));
      for (const method of service.methods) expect(getComments(method).leading, method.name).not.toBe("");
    }
    expect(registry.getMessage("google.rpc.ErrorInfo")).toBeDefined();
  });
});

describe("/docs", () => {
  const PAGE = generated("docs.html").toString();

  it("every link within the page leads somewhere, and every place has one name", () => {
    const ids = [...PAGE.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!);
    const targets = [...PAGE.matchAll(/ href="#([^"]*)"/g)].map(([, id]) => id!);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(targets.filter((id) => !ids.includes(id))).toEqual([]);
    expect(targets.length).toBeGreaterThan(100);
  });

  it("has every operation, and a command for each", () => {
    const { paths } = JSON.parse(generated("openapi.json").toString());
    const operations = Object.values<Record<string, { operationId: string }>>(paths).flatMap((methods) =>
      Object.values(methods),
    );
    for (const { operationId } of operations) expect(PAGE).toContain(`<section id="${operationId}">`);
    expect(PAGE.match(/<pre class="copy"><code>curl /g)).toHaveLength(operations.length);
  });

  it("needs nothing from anywhere, and runs nothing", async () => {
    expect(PAGE).not.toMatch(
      /<(script|iframe|object|embed|img|form)|@import|url\(| on[a-z]+=|(src|action)=/i,
    );
    const outside = [...PAGE.matchAll(/ href="([^"]*)"/g)].filter(([, to]) => !/^(#|\/|data:,$)/.test(to!));
    expect(outside).toEqual([]);
    const style = /<style>(.*?)<\/style>/s.exec(PAGE)![1]!;
    const hash = createHash("sha256").update(style).digest("base64");
    const { headers } = await ask("/docs");
    expect(headers.get("content-security-policy")).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
  });
});
