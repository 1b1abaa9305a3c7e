/** From the root key to a counter: with a server that is really started, over gRPC and REST. */
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AdminService } from "../../gen/tally/v1/admin_service_pb.ts";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { Permission } from "../../gen/tally/v1/permission_pb.ts";
import { apiKeyFromText } from "../../src/guard/api-key.ts";
import { mintCapability } from "../../src/guard/tokens/mint.ts";
import { sampleIn } from "../support/exposition.ts";
import { type Served, serve } from "./server.ts";

const ROOT = "root-key-of-this-test-0123456789-0123456789";
const { increment, getCounter } = CounterService.method;
const admin = AdminService.method;

let dir: string;
let flags: Record<string, string>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tally-guard-"));
  await writeFile(join(dir, "root"), `${ROOT}\n`);
  const store = `sqlite:${join(dir, "tally.db")}`;
  flags = { store, auth: "required", "root-key-file": join(dir, "root") };
});
afterEach(() => rm(dir, { recursive: true }));

describe("a server with auth = required", () => {
  it("counts for who has a key, until it is revoked: at once, and after a restart", async () => {
    let key = "";
    let id = "";
    {
      await using served = await serve(flags);
      expect(await served.grpc(increment, { name: "shop.a" })).toBe("CREDENTIAL_MISSING");
      expect(await served.rest({ path: "/v1/counters/shop.a" })).toMatchObject({ status: 401 });
      const made = await served.grpc(
        admin.createPrincipal,
        { name: "shop", grants: ["read,increment,create@shop."] },
        ROOT,
      );
      expect(made).toMatchObject({ principal: { name: "shop", grants: ["read,increment,create@shop."] } });
      key = await keyOf(served, "shop");
      id = key.slice(6, 18);
      expect(await served.grpc(increment, { name: "shop.a" }, key)).toMatchObject({ outcome: { value: 1n } });
      expect(await served.rest({ path: "/v1/counters/shop.a", key })).toMatchObject({ status: 200 });
      expect(await served.rest({ path: "/v1/counters/shop.a", headers: { "x-api-key": key } })).toMatchObject(
        {
          status: 200,
        },
      );
      expect(await served.grpc(increment, { name: "shopping.a" }, key)).toBe("PERMISSION_DENIED");
      expect(await served.grpc(admin.createPrincipal, { name: "mine" }, key)).toBe("PERMISSION_DENIED");
    }
    {
      await using served = await serve(flags);
      const keys = await served.rest({ path: "/v1/admin/principals/shop/keys", key: ROOT });
      expect(keys.json, "as it was written down at the stop").toMatchObject({
        apiKeys: [{ id, lastUseTime: expect.stringMatching(/T\d\d:00:00Z$/) }],
      });
      expect(await served.grpc(increment, { name: "shop.a" }, key)).toMatchObject({ outcome: { value: 2n } });
      expect(await served.rest({ path: `/v1/admin/keys/${id}:revoke`, key: ROOT, body: {} })).toMatchObject({
        status: 200,
        json: { apiKey: { id, principal: "shop" } },
      });
      expect(await served.grpc(increment, { name: "shop.a" }, key)).toBe("CREDENTIAL_REVOKED");
      expect(await served.rest({ path: "/v1/counters/shop.a", key })).toMatchObject({
        status: 401,
        reason: "CREDENTIAL_REVOKED",
      });
    }
    await using served = await serve(flags);
    expect(await served.grpc(increment, { name: "shop.a" }, key)).toBe("CREDENTIAL_REVOKED");
    expect(await served.grpc(getCounter, { name: "shop.a" }, ROOT)).toMatchObject({ counter: { value: 2n } });
  });

  it.each(["own", "grpc-js"])(
    "callers on one connection of %s are told apart, call by call",
    async (engine) => {
      await using served = await serve({ ...flags, "http2-engine": engine });
      await served.grpc(admin.createPrincipal, { name: "a", grants: ["increment,create@a."] }, ROOT);
      await served.grpc(admin.createPrincipal, { name: "b", grants: ["increment,create@b."] }, ROOT);
      const [a, b] = [await keyOf(served, "a"), await keyOf(served, "b")];
      const counts = async (name: string, key: string) => {
        const answer = await served.grpc(increment, { name }, key);
        return typeof answer === "object" ? answer.outcome?.value : answer;
      };
      for (const value of [1n, 2n, 3n]) {
        expect([await counts("a.n", a), await counts("b.n", b)]).toEqual([value, value]);
        expect([await counts("a.n", b), await counts("b.n", a)]).toEqual(Array(2).fill("PERMISSION_DENIED"));
      }
      await served.grpc(admin.revokeApiKey, { id: a.slice(6, 18) }, ROOT);
      expect([await counts("a.n", a), await counts("b.n", b)]).toEqual(["CREDENTIAL_REVOKED", 4n]);
    },
  );

  it.each(["own", "grpc-js"])(
    "what becomes of a caller is so with the next call on a connection of %s that goes on",
    async (engine) => {
      let laterMs = 0; // Than the system has it: by the one clock alone, so that nothing is stale.
      const clock = { now: () => Date.now() + laterMs, monotonic: () => performance.now() };
      await using served = await serve({ ...flags, "http2-engine": engine }, clock);
      const grants = ["increment,create@a."];
      await served.grpc(admin.createPrincipal, { name: "a", grants }, ROOT);
      const key = await keyOf(served, "a");
      const made = await served.grpc(admin.createApiKey, { principal: "a", ttl: { seconds: 60n } }, ROOT);
      const { key: short } = made as { key: string };
      const exp = Math.floor(clock.now() / 1_000) + 120;
      const token = await mintCapability(apiKeyFromText(key)!, {
        ...{ iss: "tally", exp, allow: ["increment@a."], rate: { per_second: 1, burst: 5 } },
      });
      let value = 0n;
      const count = async (by: string, name = "a.n") => {
        const answer = await served.grpc(increment, { name }, by);
        return typeof answer === "object" ? answer.outcome!.value : answer;
      };
      const counts = async (by: string) => expect(await count(by)).toBe(++value);
      const update = (paths: string[], principal: object) =>
        served.grpc(admin.updatePrincipal, { name: "a", principal, updateMask: { paths } }, ROOT);
      for (let i = 0; i < 3; i++) for (const by of [key, short, token]) await counts(by);

      await update(["grants"], { grants: ["increment,create@b."] });
      for (const by of [key, short, token]) expect(await count(by)).toBe("PERMISSION_DENIED");
      expect(await count(key, "b.n")).toBe(1n);
      await update(["grants"], { grants });
      await counts(token); // Its fifth at once, with the one that was denied.
      expect(await count(token)).toBe("RATE_LIMITED");

      await update(["rate"], { rate: { calls: 1, callsBurst: 2 } });
      await counts(key);
      await counts(short);
      expect([await count(key), await count(short)]).toEqual(["RATE_LIMITED", "RATE_LIMITED"]);
      await update(["rate"], {});
      await counts(key);

      laterMs = 60_000;
      expect(await count(short)).toBe("CREDENTIAL_EXPIRED");
      await counts(key);
      laterMs = 120_000;
      expect(await count(token)).toBe("CREDENTIAL_EXPIRED");
      await update(["disabled"], { disabled: true });
      expect(await count(key)).toBe("CREDENTIAL_REVOKED");
      await update(["disabled"], { disabled: false });
      await counts(key);
      await served.grpc(admin.revokeApiKey, { id: key.slice(6, 18) }, ROOT);
      expect(await count(key)).toBe("CREDENTIAL_REVOKED");

      const denied = await served.grpc(admin.listDenied, {}, ROOT);
      const told = (denied as { denied: { reason: string; count: bigint }[] }).denied;
      const total = (reason: string) =>
        told.filter((each) => each.reason === reason).reduce((sum, each) => sum + each.count, 0n);
      const reasons = ["PERMISSION_DENIED", "RATE_LIMITED", "CREDENTIAL_EXPIRED", "CREDENTIAL_REVOKED"];
      expect(reasons.map(total)).toEqual([3n, 3n, 2n, 2n]);
      const metrics = await fetch(`http://127.0.0.1:${served.server.address.port}/metrics`, {
        headers: { authorization: `Bearer ${ROOT}` },
      });
      const text = await metrics.text();
      expect(reasons.map((reason) => sampleIn(text, "tally_denied_total", { reason }))).toEqual([3, 3, 2, 2]);
      const keys = await served.grpc(admin.listApiKeys, { principal: "a" }, ROOT);
      for (const { lastUseTime } of (keys as { apiKeys: { lastUseTime?: object }[] }).apiKeys)
        expect(lastUseTime).toBeDefined();
    },
  );

  it("tells everybody who they are, and an administrator who may do what, and who was refused", async () => {
    await using served = await serve(flags);
    await served.grpc(admin.createPrincipal, { name: "shop", grants: ["increment@shop."] }, ROOT);
    const key = await keyOf(served, "shop");
    expect(await served.rest({ path: "/v1/admin/whoami", key })).toMatchObject({
      json: { name: "shop", grants: ["increment@shop."], credential: "key", keyId: key.slice(6, 18) },
    });
    expect(await served.rest({ path: "/v1/admin/whoami", key: ROOT })).toMatchObject({
      json: { name: "root", grants: ["all@"], credential: "root" },
    });
    const can = (principal: string, permission: Permission, name: string) =>
      served.grpc(admin.checkAccess, { principal, permission, target: { case: "name", value: name } }, ROOT);
    expect(await can("shop", Permission.INCREMENT, "shop.a")).toMatchObject({
      allowed: true,
      grant: "increment@shop.",
    });
    expect(await can("shop", Permission.READ, "shop.a")).toMatchObject({ allowed: false, grant: "" });
    expect(await can("root", Permission.ADMIN, "shop.a")).toMatchObject({ allowed: true, grant: "all@" });
    expect(await can("anonymous", Permission.READ, "shop.a")).toMatchObject({ allowed: false });
    expect(await can("nobody", Permission.READ, "shop.a")).toBe("PRINCIPAL_NOT_FOUND");
    expect(await can("shop", Permission.ANYBODY, "shop.a")).toBe("INVALID_FIELD");
    await served.grpc(increment, { name: "other" }, key);
    await served.grpc(increment, { name: "other" }, "tally_wrong");
    const denied = await served.grpc(admin.listDenied, {}, ROOT);
    const method = "tally.v1.CounterService/Increment";
    expect(denied).toMatchObject({
      denied: [
        { reason: "CREDENTIAL_INVALID", caller: "", method, count: 1n },
        {
          reason: "PERMISSION_DENIED",
          caller: "shop",
          method,
          permission: Permission.INCREMENT,
          target: "other",
        },
      ],
    });
    const by = { rpc: "Increment", door: "grpc", address: expect.any(String) };
    const keyId = key.slice(6, 18);
    expect(served.logged.filter(({ event }) => event === "call.denied").map(({ fields }) => fields)).toEqual([
      { ...by, reason: "PERMISSION_DENIED", by: "shop", key_id: keyId, permission: "increment" },
      { ...by, reason: "CREDENTIAL_INVALID", by: "" },
    ]);
  });

  it("manages principals, and each change is in the log, and no secret", async () => {
    await using served = await serve(flags);
    const principals = "/v1/admin/principals";
    const made = await served.rest({
      path: principals,
      key: ROOT,
      body: { name: "shop", description: "The shop.", grants: ["read@shop."], rate: { calls: 10 } },
    });
    const principal = { name: "shop", description: "The shop.", grants: ["read@shop."], rate: { calls: 10 } };
    expect(made.json).toMatchObject({ principal });
    const { etag } = (made.json as { principal: { etag: string } }).principal;
    expect(await served.rest({ path: principals, key: ROOT, body: { name: "shop" } })).toMatchObject({
      status: 409,
      reason: "PRINCIPAL_EXISTS",
    });
    for (const name of ["root", "anonymous"])
      expect(await served.rest({ path: principals, key: ROOT, body: { name } })).toMatchObject({
        reason: "INVALID_FIELD",
      });
    expect(
      await served.rest({ path: principals, key: ROOT, body: { name: "x", grants: ["read@", "read@shop"] } }),
    ).toMatchObject({ status: 400, json: { error: { message: expect.stringContaining("grants[1] must") } } });
    const update = (body: object) =>
      served.rest({ path: `${principals}/shop`, method: "PATCH", key: ROOT, body });
    const changed = { grants: ["set@shop."], disabled: true };
    expect(await update({ principal: changed, updateMask: "grants,disabled", etag })).toMatchObject({
      json: { principal: { ...principal, ...changed } },
    });
    expect(await update({ principal: {}, updateMask: "rate", etag })).toMatchObject({
      status: 409,
      reason: "ETAG_MISMATCH",
    });
    expect(await update({ principal: {}, updateMask: "name" })).toMatchObject({ reason: "INVALID_FIELD" });
    const key = await keyOf(served, "shop");
    const keys = await served.rest({ path: `${principals}/shop/keys`, key: ROOT });
    expect(keys.json).toMatchObject({ apiKeys: [{ id: key.slice(6, 18), principal: "shop" }] });
    expect(JSON.stringify(keys.json)).not.toContain(key.slice(19, 62));
    const bound = { principal: "shop", certificate: "spiffe://example.org/shop" };
    expect(await served.rest({ path: "/v1/admin/bindings", key: ROOT, body: bound })).toMatchObject({
      status: 200,
    });
    expect((await served.rest({ path: "/v1/admin/bindings?principal=shop", key: ROOT })).json).toMatchObject({
      bindings: [bound],
    });
    const listed = await served.rest({ path: `${principals}?page_size=1`, key: ROOT });
    expect(listed.json).toMatchObject({ principals: [{ name: "shop" }], nextPageToken: "" });
    expect(await served.rest({ path: `${principals}/shop`, method: "DELETE", key: ROOT })).toMatchObject({
      status: 200,
      json: {},
    });
    expect((await served.rest({ path: "/v1/admin/bindings", key: ROOT })).json).toEqual({ bindings: [] });
    expect(await served.rest({ path: `${principals}/shop`, key: ROOT })).toMatchObject({ status: 404 });
    const audited = served.logged
      .filter(({ event }) => event === "audit.changed")
      .map(({ fields }) => fields!);
    const by = { by: "root", credential: "root", address: expect.any(String) };
    expect(audited[0]).toEqual({
      ...by,
      key_id: undefined,
      did: "CreatePrincipal",
      about: "shop: read@shop.",
      outcome: "OK",
    });
    expect(audited.map(({ did, outcome }) => `${did} ${outcome}`)).toEqual([
      "CreatePrincipal OK",
      "CreatePrincipal PRINCIPAL_EXISTS",
      "CreatePrincipal INVALID_FIELD",
      "CreatePrincipal INVALID_FIELD",
      "CreatePrincipal INVALID_FIELD",
      "UpdatePrincipal OK",
      "UpdatePrincipal ETAG_MISMATCH",
      "UpdatePrincipal INVALID_FIELD",
      "CreateApiKey OK",
      "CreateBinding OK",
      "DeletePrincipal OK",
    ]);
    for (const secret of [ROOT, key.slice(19, 62)])
      expect(JSON.stringify(served.logged)).not.toContain(secret);
  });

  it("is not started while nobody could administrate, and its store not without it", async () => {
    const { "root-key-file": _, ...without } = flags;
    await expect(serve(without)).rejects.toMatchObject({
      reason: "CREDENTIALS_UNUSABLE",
      message: expect.stringContaining("tally auth init --store sqlite:"),
    });
    await expect(serve({ ...without, store: "memory:" })).rejects.toMatchObject({
      reason: "CREDENTIALS_UNUSABLE",
      message: expect.stringMatching(/Give root-key-file/),
    });
    {
      await using served = await serve(flags);
      await served.grpc(admin.createPrincipal, { name: "boss", grants: ["admin@"] }, ROOT);
    }
    await (await serve(without))[Symbol.asyncDispose]();
    const off = { store: flags.store! };
    await expect(serve(off)).rejects.toMatchObject({
      reason: "CREDENTIALS_UNUSABLE",
      message: expect.stringContaining("auth is off"),
    });
    await (await serve({ ...off, auth: "optional" }))[Symbol.asyncDispose]();
  });

  it("is not started while what says who may call is damaged: that is the store's fault, not the settings'", async () => {
    const path = flags.store!.slice("sqlite:".length);
    {
      await using served = await serve(flags);
      await served.grpc(admin.createPrincipal, { name: "boss", grants: ["admin@"] }, ROOT);
      await keyOf(served, "boss");
    }
    const { "root-key-file": _, ...without } = flags;
    change(path, "UPDATE catalogue SET body = replace(body, 'admin', 'observe') WHERE kind = 'principal'");
    const refused = { reason: "STORE_UNUSABLE", message: expect.stringContaining("estore") };
    await expect(serve(without), "its only admin").rejects.toMatchObject(refused);
    {
      await using served = await serve(flags); // Who has the root key gets in, and is told what is wrong.
      expect(served.logged).toContainEqual({
        event: "auth.unreadable",
        fields: { kind: "principal", key: "boss" },
      });
    }
    change(path, "DELETE FROM catalogue WHERE kind = 'key'");
    for (const auth of ["required", "optional", "off"])
      await expect(serve({ store: flags.store!, auth }), auth).rejects.toMatchObject(refused);
  });

  it.each(["off", "optional"])(
    "while auth is %s principals are not made by who has shown nothing",
    async (auth) => {
      await using served = await serve({ store: "memory:", auth });
      const refused = auth === "off" ? "AUTH_OFF" : "CREDENTIAL_MISSING";
      expect(await served.grpc(admin.createPrincipal, { name: "mine", grants: ["all@"] })).toBe(refused);
      expect(await served.grpc(admin.listPrincipals, {})).toBe(refused);
      expect(await served.grpc(increment, { name: "a" })).toMatchObject({ outcome: { value: 1n } });
      const who = auth === "off" ? "AUTH_OFF" : { name: "anonymous", credential: "none" };
      expect(await served.grpc(admin.whoAmI, {})).toEqual(
        typeof who === "string" ? who : expect.objectContaining(who),
      );
    },
  );
});

/** Damage a data file that no server has. */
function change(path: string, sql: string): void {
  const db = new Database(path);
  try {
    expect(db.prepare(sql).run().changes).toBe(1);
  } finally {
    db.close();
  }
}

async function keyOf(served: Served, principal: string): Promise<string> {
  const made = await served.rest({ path: `/v1/admin/principals/${principal}/keys`, key: ROOT, body: {} });
  return (made.json as { key: string }).key;
}

describe("GetServerInfo", () => {
  it("is for who may observe, and tells what the process is", async () => {
    await using served = await serve({ ...flags, "queue-wait-max": "300ms" });
    await served.grpc(admin.createPrincipal, { name: "watcher", grants: ["observe@"] }, ROOT);
    const key = await keyOf(served, "watcher");
    expect(await served.grpc(admin.getServerInfo, {})).toBe("CREDENTIAL_MISSING");
    expect(await served.grpc(admin.getServerInfo, {}, key)).toMatchObject({
      nodeVersion: process.version,
      store: served.server.store.title,
      promise: served.server.store.promise,
      durability: "fsync",
      auth: "required",
      limits: expect.objectContaining({ "queue-wait-max": "300ms", "change-log-bytes-max": "1073741824" }),
      warnings: [],
      counters: 0n,
      storeBytes: expect.any(BigInt),
      roomBytes: expect.any(BigInt),
      instance: expect.stringMatching(/^.+:\d+$/),
      lastMinute: expect.objectContaining({ refusedCalls: 1n }),
      threads: ["main", "write", "read", "history"].map((name) => expect.objectContaining({ name })),
    });
    const got = await served.rest({ path: "/v1/admin/server", key });
    const { startTime } = got.json as { startTime: string };
    expect(Date.now() - Date.parse(startTime)).toBeLessThan(60_000);
  });

  it("is there while nobody has to say who they are, and tells what the store warns of", async () => {
    const store = `sqlite:${join(dir, "old.db")}`;
    await copyFile(new URL("../stores/golden/schema-7.sqlite", import.meta.url), join(dir, "old.db"));
    await using served = await serve({ store });
    expect(await served.grpc(admin.getServerInfo, {})).toMatchObject({
      auth: "off",
      warnings: [expect.stringContaining("The file was of schema")],
    });
    expect(await served.grpc(admin.listDenied, {})).toBe("AUTH_OFF");
  });
});

describe("/metrics", () => {
  const scraped = (served: Served, key?: string) => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    return fetch(`http://127.0.0.1:${served.server.address.port}/metrics`, { headers });
  };

  it("is for who may observe, and for them no count is", async () => {
    await using served = await serve(flags);
    await served.grpc(admin.createPrincipal, { name: "scraper", grants: ["observe@"] }, ROOT);
    await served.grpc(admin.createPrincipal, { name: "reader", grants: ["read@"] }, ROOT);
    const [scraper, reader] = [await keyOf(served, "scraper"), await keyOf(served, "reader")];
    expect((await scraped(served)).status).toBe(401);
    expect((await scraped(served, "wrong")).status).toBe(401);
    expect((await scraped(served, reader)).status).toBe(403);
    expect(await served.grpc(getCounter, { name: "a" }, scraper)).toBe("PERMISSION_DENIED");
    const got = await scraped(served, scraper);
    expect([got.status, got.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const told = await got.text();
    expect(sampleIn(told, "tally_refusals_total", { reason: "PERMISSION_DENIED" })).toBe(1);
    expect(sampleIn(told, "tally_denied_total", { reason: "PERMISSION_DENIED" })).toBe(2); // With that of /metrics.
    expect(sampleIn(told, "tally_denied_total", { reason: "CREDENTIAL_MISSING" })).toBe(1);
    expect(sampleIn(told, "tally_catalogue_age_seconds")).toBeLessThan(10);
    expect(sampleIn(told, "tally_ready", { what: "writes" })).toBe(1);
    const now = Date.now() / 1_000;
    expect(sampleIn(told, "tally_start_time_seconds")).toBeGreaterThan(now - 60);
    expect(sampleIn(told, "tally_resident_bytes")).toBeGreaterThan(2 ** 20);
    expect(sampleIn(told, "tally_cpu_seconds_total")).toBeGreaterThan(0);
    expect(sampleIn(told, "tally_heap_bytes", { thread: "main" })).toBeGreaterThan(2 ** 20);
    expect(sampleIn(told, "tally_event_loop_active_seconds_total", { thread: "main" })).toBeGreaterThan(0);
    expect(await served.grpc(admin.listDenied, {}, ROOT)).toMatchObject({
      denied: expect.arrayContaining([
        expect.objectContaining({ caller: "reader", reason: "PERMISSION_DENIED" }),
      ]),
    });
  });

  it("has values of counters for who may read their prefix, and for them alone", async () => {
    await using served = await serve(flags);
    await served.grpc(admin.createPrincipal, { name: "scraper", grants: ["observe@"] }, ROOT);
    await served.grpc(admin.createPrincipal, { name: "reader", grants: ["read@shop."] }, ROOT);
    const [scraper, reader] = [await keyOf(served, "scraper"), await keyOf(served, "reader")];
    await served.grpc(increment, { name: "shop.a" }, ROOT);
    const got = async (query: string, key?: string) => {
      const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
      const url = `http://127.0.0.1:${served.server.address.port}/metrics/counters${query}`;
      const response = await fetch(url, { headers });
      return [response.status, await response.text()] as const;
    };
    expect((await got("?prefix=shop."))[0]).toBe(401);
    expect((await got("?prefix=shop.", scraper))[0]).toBe(403);
    expect((await got("", reader))[0]).toBe(403);
    const [status, text] = await got("?prefix=shop.", reader);
    expect([status, sampleIn(text, "tally_counter_value", { name: "shop.a" })]).toEqual([200, 1]);
  });

  it("is for everybody where auth-open has it", async () => {
    await using served = await serve({ ...flags, "auth-open": "metrics" });
    expect((await scraped(served)).status).toBe(200);
  });

  it("has calls without a credential while one is optional, by how they came", async () => {
    await using served = await serve({ ...flags, auth: "optional" });
    await served.grpc(increment, { name: "a" });
    await served.rest({ path: "/v1/counters/a" });
    await served.rest({ path: "/v1/counters/a", key: ROOT });
    const told = await (await scraped(served, ROOT)).text();
    expect(sampleIn(told, "tally_calls_without_credential_total", { door: "grpc" })).toBe(1);
    expect(sampleIn(told, "tally_calls_without_credential_total", { door: "http" })).toBe(1);
  });
});
