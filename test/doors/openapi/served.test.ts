/** What Tally says of itself is served: for programs, for people, and to nobody's harm. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SERVICES } from "../../../src/transports/grpc/services.ts";
import { type Opened, open } from "../../transports/door.ts";

const DOCUMENTS = [
  ["/openapi.json", "openapi.json"],
  ["/descriptors.binpb", "descriptors.binpb"],
  ["/docs", "docs.html"],
] as const;

let opened: Opened;
beforeAll(async () => {
  opened = await open();
});
afterAll(() => opened[Symbol.asyncDispose]());

const ask = (path: string) => fetch(`http://127.0.0.1:${opened.door.port}${path}`);
const generated = (name: string) => readFileSync(new URL(`../../../gen/${name}`, import.meta.url));

it.each(DOCUMENTS)("%s is the generated file", async (path, name) => {
  const response = await ask(path);
  expect(response.status).toBe(200);
  expect(Buffer.from(await response.arrayBuffer()).equals(generated(name))).toBe(true);
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

it("every service of the package is served", () => {
  const bytes = new Uint8Array(generated("descriptors.binpb"));
  const files = [...createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes)).files];
  const services = files.filter(({ proto }) => proto.package === "tally.v1").flatMap((file) => file.services);
  expect(services.length).toBeGreaterThan(0);
  const served = SERVICES.map(({ typeName }) => typeName);
  expect(served).toEqual(expect.arrayContaining(services.map(({ typeName }) => typeName)));
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
