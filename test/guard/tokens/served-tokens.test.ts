/** Capability tokens, access tokens of an issuer and certificates, at a server that is really started. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { apiKeyFromText } from "../../../src/guard/api-key.ts";
import { mintCapability } from "../../../src/guard/tokens/mint.ts";
import type { CertificateFiles } from "../../../src/transports/tls/pair.ts";
import { authority } from "../../support/certificates.ts";
import { ENGINES } from "../../transports/engine.ts";
import { type Served, serve } from "../server.ts";
import { Issuer } from "./issuer.ts";

const ROOT = "root-key-of-this-test-0123456789-0123456789";
const { increment, getCounter, deleteCounter } = CounterService.method;

let dir: string;
let flags: Record<string, string>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tally-tokens-"));
  await writeFile(join(dir, "root"), `${ROOT}\n`);
  flags = { store: "memory:", auth: "required", "root-key-file": join(dir, "root") };
});
afterEach(() => rm(dir, { recursive: true }));

/** A principal with grants, and its key. */
async function made(served: Served, name: string, ...grants: string[]): Promise<string> {
  const path = "/v1/admin/principals";
  await served.rest({ path, key: ROOT, body: { name, grants } });
  const answer = await served.rest({ path: `${path}/${name}/keys`, key: ROOT, body: {} });
  return (answer.json as { key: string }).key;
}

it("a page's token counts what it is for, and nothing else, until its key is revoked", async () => {
  await using served = await serve(flags);
  const key = await made(served, "shop", "all@page.");
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  const claims = {
    iss: "tally",
    exp,
    allow: ["read,increment@page."],
    max_amount: 2,
    rate: { per_second: 1_000 },
  };
  const apiKey = apiKeyFromText(key)!;
  const token = await mintCapability(apiKey, { ...claims, sub: "v1", origins: ["https://shop.example"] });

  expect(await served.grpc(increment, { name: "page.views" }, token)).toBe("COUNTER_NOT_FOUND"); // It may make none.
  await served.grpc(increment, { name: "page.views" }, key);
  expect(await served.grpc(increment, { name: "page.views", amount: 2n }, token)).toMatchObject({
    outcome: { value: 3n },
  });
  const path = "/v1/counters/page.views:increment";
  const origin = "https://shop.example";
  expect((await served.rest({ path, key: token, body: {}, headers: { origin } })).reason).toBe(
    "ORIGIN_NOT_ALLOWED",
  );
  expect(await served.rest({ path, key: token, body: {} })).toMatchObject({ status: 200 });
  expect(await served.grpc(increment, { name: "page.views", amount: 3n }, token)).toBe("PERMISSION_DENIED");
  expect(await served.grpc(getCounter, { name: "other" }, token)).toBe("PERMISSION_DENIED");
  expect(await served.grpc(deleteCounter, { name: "page.views" }, token)).toBe("PERMISSION_DENIED");
  const who = await served.rest({ path: "/v1/admin/whoami", key: token });
  expect(who.json).toMatchObject({
    name: "shop/v1",
    credential: "capability",
    keyId: apiKey.id,
    grants: ["read,increment@page."],
  });
  const path2 = `/v1/admin/keys/${apiKey.id}:revoke`;
  expect(await served.rest({ path: path2, key: ROOT, body: {} })).toMatchObject({ status: 200 });
  expect(await served.grpc(increment, { name: "page.views" }, token)).toBe("CREDENTIAL_REVOKED");
  expect((await served.grpc(getCounter, { name: "page.views" }, ROOT)) as object).toMatchObject({
    counter: { value: 4n },
  });
});

it("two visitors' request ids do not meet, and one visitor's are counted once", async () => {
  await using served = await serve(flags);
  const apiKey = apiKeyFromText(await made(served, "shop", "all@"))!;
  const claims = { iss: "tally", exp: Math.floor(Date.now() / 1_000) + 60, allow: ["increment,create@=a"] };
  const [one, two] = await Promise.all(["v1", "v2"].map((sub) => mintCapability(apiKey, { ...claims, sub })));
  const values = [];
  for (const token of [one, one, two]) {
    const answer = await served.grpc(increment, { name: "a", requestId: "r-1" }, token);
    values.push((answer as { outcome?: { value: bigint } }).outcome?.value);
  }
  expect(values).toEqual([1n, 1n, 2n]);
});

it("people of an issuer may what their groups may, and who is bound is its principal", async () => {
  await using issuer = await Issuer.open();
  const config = join(dir, "tally.toml");
  await writeFile(
    config,
    `[[oidc]]
     alias = "corp"
     issuer = "${issuer.url}"
     audience = "tally"
       [[oidc.grant]]
       claim = "groups"
       has = "counters"
       grants = ["read,increment,create@team."]`,
  );
  await using served = await serve({ ...flags, config });
  await made(served, "shop", "read@");
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const token = (more: object) => issuer.token({ iss: issuer.url, aud: "tally", exp, ...more });
  const [ann, bob] = [await token({ sub: "ann", groups: ["counters"] }), await token({ sub: "bob" })];
  expect(await served.grpc(increment, { name: "team.a" }, ann)).toMatchObject({ outcome: { value: 1n } });
  expect(await served.grpc(increment, { name: "other" }, ann)).toBe("PERMISSION_DENIED");
  expect(await served.grpc(getCounter, { name: "team.a" }, bob)).toBe("PERMISSION_DENIED");
  const body = { principal: "shop", oidc: "corp:bob" };
  await served.rest({ path: "/v1/admin/bindings", key: ROOT, body });
  expect(await served.rest({ path: "/v1/counters/team.a", key: bob })).toMatchObject({ status: 200 });
  expect((await served.rest({ path: "/v1/admin/whoami", key: bob })).json).toMatchObject({
    name: "shop",
    credential: "oidc",
  });
  expect((await served.rest({ path: "/v1/admin/whoami", key: ann })).json).toMatchObject({
    name: "oidc:corp:ann",
  });
});

describe.each(ENGINES)("certificates of clients (%s)", (engine) => {
  it("say who calls, over gRPC and HTTPS; one that is not bound is nobody's, and a key counts before it", async () => {
    using signing = authority();
    const server = signing.issue();
    const tls = {
      ...{ "tls-cert-file": server.certFile, "tls-key-file": server.keyFile, "http2-engine": engine },
      ...{ "tls-client-ca-file": signing.caFile, "tls-client-auth": "optional" },
    };
    await using served = await serve({ ...flags, ...tls });
    const { port } = served.server.address;
    const shop = signing.issue("URI:spiffe://example.org/shop");
    const other = signing.issue("URI:spiffe://example.org/other");
    const rest = (path: string, shows?: CertificateFiles, key?: string, body?: object) =>
      asked(port, path, { ca: signing.ca, ...certified(shows) }, key, body);
    await rest("/v1/admin/principals", undefined, ROOT, {
      name: "shop",
      grants: ["read,increment,create@shop."],
    });
    await rest("/v1/admin/bindings", undefined, ROOT, {
      principal: "shop",
      certificate: "spiffe://example.org/shop",
    });

    expect(await rest("/v1/admin/whoami", shop)).toMatchObject({ name: "shop", credential: "certificate" });
    expect(await rest("/v1/admin/whoami", shop, ROOT)).toMatchObject({ name: "root", credential: "root" });
    expect(JSON.stringify(await rest("/v1/admin/whoami", other))).toContain("CREDENTIAL_INVALID");
    expect(JSON.stringify(await rest("/v1/counters/shop.a", undefined))).toContain("CREDENTIAL_MISSING");

    const call = (shows: CertificateFiles) => {
      const { cert, key } = certified(shows);
      const client = new grpc.Client(
        `localhost:${port}`, // From Node.js 26 on grpc-js's client cannot take an address over TLS.
        grpc.credentials.createSsl(Buffer.from(signing.ca), key!, cert!),
      );
      const path = `/${increment.parent.typeName}/${increment.name}`;
      const asIs = (buffer: Buffer) => buffer;
      const name = Buffer.from([0x0a, 6, ...Buffer.from("shop.a")]);
      return new Promise<string>((resolve) => {
        client.makeUnaryRequest(path, asIs, asIs, name, (error) => {
          client.close();
          resolve(error === null ? "OK" : grpc.status[error.code]);
        });
      });
    };
    expect([await call(shop), await call(shop), await call(other)]).toEqual(["OK", "OK", "UNAUTHENTICATED"]);
    expect(await rest("/v1/counters/shop.a", shop)).toMatchObject({ counter: { value: "2" } });
  });
});

function certified(files: CertificateFiles | undefined): { cert?: Buffer; key?: Buffer } {
  return files === undefined ? {} : { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) };
}

/** Over HTTPS: the body of what is answered. */
function asked(
  port: number,
  path: string,
  tls: { readonly ca: string; readonly cert?: Buffer; readonly key?: Buffer },
  apiKey: string | undefined,
  body: object | undefined,
): Promise<object> {
  const headers = {
    ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    ...(body !== undefined && { "content-type": "application/json" }),
  };
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const sent = request(
      { host: "localhost", port, path, method, headers, agent: false, ...tls },
      async (response) => {
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        resolve(JSON.parse(text));
      },
    );
    sent.on("error", reject);
    sent.end(body && JSON.stringify(body));
  });
}
