import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { TallyError } from "../../src/core/errors.ts";
import { Permission } from "../../src/core/permissions.ts";
import { CallerRates } from "../../src/guard/caller-rates.ts";
import type { FormerIds } from "../../src/guard/former-ids.ts";
import { createKey, revokeKey } from "../../src/guard/keys.ts";
import { deletePrincipal, updatePrincipal } from "../../src/guard/principals.ts";
import { RootKeyError } from "../../src/guard/root-key.ts";
import { CatalogueInMemory } from "../../src/stores/memory/catalogue.ts";
import { CallParts } from "../../src/telemetry/call-parts.ts";
import type { CallSpan } from "../../src/telemetry/tracing.ts";
import type { Permit } from "../../src/transports/calls/authorise.ts";
import { HandClock } from "../support/clock.ts";
import { bearer, grantsOf, guarded, type Headers, headOf, keptOf, NO_END, ok } from "./guarded.ts";

const ROOT = "r".repeat(32);

describe("who it is", () => {
  it("the holder of a key is its principal, by either header", async () => {
    using it = await guarded();
    const { key, id, keyId } = await it.principal("shop", "read@shop.");
    for (const headers of [bearer(key), { authorization: `bEaReR  ${key}` }, { "x-api-key": key }])
      expect(await it.ask(headers)).toBe("shop");
    const permit = await it.permit(bearer(key));
    expect(permit).toMatchObject({ caller: id, callerName: "shop" });
    expect(permit.access!.identity).toMatchObject({ name: "shop", credential: "key", keyId });
  });

  // Were it left out of account there, its sender would be nobody, who may do everything while it is optional.
  it.each(["optional", "required"] as const)(
    "while it is %s x-api-key counts over gRPC too",
    async (mode) => {
      using it = await guarded({ mode });
      const { key } = await it.principal("shop", "read@shop.");
      const ask = (headers: Headers) => it.ask(headers, { overGrpc: true });
      expect(await ask({ "x-api-key": key })).toBe("shop");
      expect(await ask({ "x-api-key": "other" })).toBe("CREDENTIAL_INVALID");
      expect(await ask({ "x-api-key": "" })).toBe("CREDENTIAL_INVALID");
      expect(await ask({ "x-api-key": [key, key] })).toBe("CREDENTIAL_AMBIGUOUS");
      expect(await ask({ ...bearer(key), "x-api-key": "other" })).toBe("CREDENTIAL_AMBIGUOUS");
    },
  );

  it("two credentials are none, whichever they are, and one twice as well", async () => {
    using it = await guarded();
    const { key } = await it.principal("shop", "read@shop.");
    for (const headers of [
      { ...bearer(key), "x-api-key": key },
      { authorization: [`Bearer ${key}`, `Bearer ${key}`] },
      { authorization: `Bearer ${key}, Bearer ${key}` },
      { "x-api-key": [key, key] },
      { "x-api-key": `${key},${key}` },
    ])
      expect(await it.ask(headers), JSON.stringify(headers)).toBe("CREDENTIAL_AMBIGUOUS");
  });

  it("what is no credential here is refused alike, whatever is wrong with it", async () => {
    using it = await guarded();
    const { key } = await it.principal("shop", "read@shop.");
    const other = `${key.slice(0, 19)}${key[19] === "0" ? "1" : "0"}${key.slice(20)}`;
    for (const headers of [
      { authorization: "" },
      { authorization: "Bearer" },
      { authorization: "Bearer " },
      { authorization: `Bearer\t${key}` },
      { authorization: `Bearer \t${key}` },
      { authorization: `Bearer \v${key}` },
      { authorization: `Bearer \xa0${key}` },
      { authorization: `Basic ${key}` },
      { authorization: key },
      bearer(other),
      bearer(`${key}x`),
      bearer(`${key} x`),
      bearer("a.b.c"),
      bearer("x".repeat(8_193)),
      bearer("é"),
      { "x-api-key": "" },
      { "x-api-key": `Bearer ${key}` },
    ])
      expect(await it.ask(headers), JSON.stringify(headers)).toBe("CREDENTIAL_INVALID");
  });

  it("a key that was never made is refused as one with another secret", async () => {
    using here = await guarded();
    using elsewhere = await guarded();
    const { key } = await elsewhere.principal("shop", "all@");
    expect(await here.ask(bearer(key))).toBe("CREDENTIAL_INVALID");
  });
});

describe("who may come", () => {
  it("without a credential nobody may, unless something is granted to anonymous", async () => {
    using it = await guarded();
    expect(await it.ask()).toBe("CREDENTIAL_MISSING");
    ok(await updatePrincipal(it.changes, "anonymous", { grants: grantsOf("read@public.") }));
    const permit = await it.permit();
    // Not under nobody, where ids of before are: what strangers count must not answer for others.
    expect(permit).toMatchObject({ caller: "anonymous", callerName: "anonymous" });
    expect(permit.access!.denial(Permission.READ, { name: "public.a" })).toBeUndefined();
    expect(permit.access!.denial(Permission.READ, { name: "private" })).toMatchObject({
      code: "PERMISSION_DENIED",
      permission: "read",
    });
    ok(await updatePrincipal(it.changes, "anonymous", { disabled: true }));
    expect(await it.ask()).toBe("CREDENTIAL_MISSING");
  });

  it("nobody in particular is never to administrate or to observe", async () => {
    using it = await guarded();
    for (const grants of [grantsOf("all@"), grantsOf("admin@"), grantsOf("read@", "observe@")])
      expect(await updatePrincipal(it.changes, "anonymous", { grants })).toMatchObject({
        code: "INVALID_FIELD",
        field: "grants",
      });
    ok(await updatePrincipal(it.changes, "anonymous", { grants: grantsOf("all@public.") }));
  });

  it("whose request takes its time is judged again when it is there", async () => {
    using it = await guarded();
    const { key, keyId } = await it.principal("shop", "read,increment@shop.");
    const [first, second] = [await it.permit(bearer(key)), await it.permit(bearer(key))];
    expect([first.lapsed!(), second.lapsed!()]).toEqual([undefined, undefined]);
    ok(await updatePrincipal(it.changes, "shop", { grants: grantsOf("read@shop.") }));
    expect(first.lapsed!()).toBeUndefined();
    expect(first.access!.allows(Permission.INCREMENT, { name: "shop.a" })).toBe(false);
    expect(first.access!.everywhere).toBe(0);
    ok(await revokeKey(it.changes, keyId));
    expect([first.lapsed!(), second.lapsed!()]).toEqual([
      { code: "CREDENTIAL_REVOKED" },
      { code: "CREDENTIAL_REVOKED" },
    ]);
  });

  it("headers that are kept are looked at once, and who they are of is judged with each call", async () => {
    using it = await guarded();
    const { key } = await it.principal("shop", "read@shop.");
    const { text } = ok(await createKey(it.changes, "shop", { description: "", ttlMs: 60_000 }, randomBytes));
    let looked = 0;
    const caller = (credential: string) => {
      const headerOf = (name: string) => {
        looked++;
        return name === "authorization" ? `Bearer ${credential}` : undefined;
      };
      const headers = { headerOf, countOf: () => 1 };
      const about = { ...headers, kept: headers };
      return () => it.ask({}, about);
    };
    const [first, second, none] = [caller(key), caller(text), caller("other")];
    const all = async () => [await first(), await second(), await none()];
    expect(await all()).toEqual(["shop", "shop", "CREDENTIAL_INVALID"]);
    looked = 0;
    expect([await first(), await second()]).toEqual(["shop", "shop"]);
    expect(looked).toBe(0);
    it.clock.wallMs += 60_000;
    expect(await all()).toEqual(["shop", "CREDENTIAL_EXPIRED", "CREDENTIAL_INVALID"]);
    ok(await updatePrincipal(it.changes, "shop", { disabled: true }));
    expect(await all()).toEqual(["CREDENTIAL_REVOKED", "CREDENTIAL_REVOKED", "CREDENTIAL_INVALID"]);
    ok(await updatePrincipal(it.changes, "shop", { disabled: false }));
    expect(await first()).toBe("shop");
    ok(await revokeKey(it.changes, key.slice(6, 18)));
    expect(await first()).toBe("CREDENTIAL_REVOKED");
    it.guard.current.distrust();
    expect(await all()).toEqual(Array(3).fill("AUTH_STALE"));
  });

  it("calls with the same headers share what they are permitted, and each is judged first", async () => {
    const none = { principal: undefined, anonymous: undefined, tokens: undefined };
    const rates = new CallerRates(new HandClock(), none, 1); // Calls are counted by the clock that the guard has read.
    using it = await guarded({ rates });
    const { key, keyId } = await it.principal("shop", "read@shop.");
    const { key: otherKey } = await it.principal("other", "read@");
    const kept = keptOf(bearer(key));
    const call = async () => ok(await it.guard.authorise({ ...headOf(bearer(key)), kept }));
    const may = ({ access }: Permit) => access!.allows(Permission.SET, { name: "shop.a" });

    const first = await call();
    expect(await call()).toBe(first);
    expect(await it.permit(bearer(key)), "of other headers").not.toBe(first);
    expect(await it.permit(bearer(key), { kept, method: CounterService.method.set })).not.toBe(first);
    const again = await call();
    kept.shown = undefined;
    expect(await it.ask(bearer(otherKey), { kept }), "of another caller").toBe("other");
    kept.shown = undefined;
    const before = await call();
    expect(before).not.toBe(again);
    ok(await updatePrincipal(it.changes, "other", { disabled: true }));
    expect(await call(), "of a directory that is another").not.toBe(before);

    expect(may(await call())).toBe(false);
    ok(await updatePrincipal(it.changes, "shop", { grants: grantsOf("set@shop.") }));
    expect([may(await call()), may(first)]).toEqual([true, false]);
    expect([first.lapsed!(true), may(first)]).toEqual([undefined, true]); // Of a call that goes on.
    ok(await updatePrincipal(it.changes, "shop", { grants: grantsOf("read@shop.") }));
    expect(may(await call())).toBe(false);

    ok(await updatePrincipal(it.changes, "shop", { rate: { calls: 1, callsBurst: 2 } }));
    const limited = () => it.ask({}, { ...headOf(bearer(key)), kept });
    expect([await limited(), await limited(), await limited()]).toEqual(["shop", "shop", "RATE_LIMITED"]);
    it.clock.advance(1_000);
    expect([await limited(), await limited()]).toEqual(["shop", "RATE_LIMITED"]);
    ok(await updatePrincipal(it.changes, "shop", { rate: undefined }));
    expect([await limited(), await limited(), await limited()]).toEqual(Array(3).fill("shop"));

    const last = await call();
    ok(await revokeKey(it.changes, keyId));
    expect(await limited()).toBe("CREDENTIAL_REVOKED");
    expect(last.lapsed!(true)).toEqual({ code: "CREDENTIAL_REVOKED" });
  });

  it("a connection that shows one credential after another is told apart with each call", async () => {
    using it = await guarded();
    const [a, b] = [await it.principal("a", "read@"), await it.principal("b", "read@")];
    const peer = { address: "192.0.2.1", certificate: undefined };
    const ask = (headers: Headers) => it.ask(headers, { peer: () => peer });
    const both = async () => [
      await ask(bearer(a.key)),
      await ask({ "x-api-key": b.key }),
      await ask(bearer(b.key)),
    ];
    expect([...(await both()), ...(await both())]).toEqual(["a", "b", "b", "a", "b", "b"]);
    expect(await ask({ ...bearer(b.key), "x-api-key": b.key })).toBe("CREDENTIAL_AMBIGUOUS");
    expect([await ask(bearer(`${b.key}x`)), await ask({})]).toEqual([
      "CREDENTIAL_INVALID",
      "CREDENTIAL_MISSING",
    ]);
    ok(await revokeKey(it.changes, b.keyId));
    expect(await both()).toEqual(["a", "CREDENTIAL_REVOKED", "CREDENTIAL_REVOKED"]);
  });

  it("what is denied to one of them is told as of each, and traced ones as themselves", async () => {
    using it = await guarded();
    const { key } = await it.principal("shop", "read@shop.");
    const headers = { ...bearer(key), traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-00` };
    const head = { ...headOf(headers), kept: keptOf(headers) };
    const call = async (parts?: CallParts) => ok(await it.guard.authorise({ ...head, parts }));
    for (const parts of [
      undefined,
      undefined,
      new CallParts({ traceId: "c".repeat(32) } as CallSpan),
      undefined,
    ])
      (await call(parts)).access!.denial(Permission.SET, { name: "shop.a" });
    expect(it.guard.administration.denials()).toMatchObject([{ caller: "shop", count: 4 }]);
    expect(it.denied.map(({ trace_id }) => trace_id)).toEqual(
      ["a", "a", "c", "a"].map((id) => id.repeat(32)),
    );
  });

  it("a request that was there at once is asked for what has changed alone, and for no clock", async () => {
    using it = await guarded();
    await it.principal("shop", "read@");
    const { text } = ok(await createKey(it.changes, "shop", { description: "", ttlMs: 60_000 }, randomBytes));
    const { lapsed } = await it.permit(bearer(text));
    it.clock.advance(60_000);
    expect(lapsed!(true)).toBeUndefined();
    expect(lapsed!(false)).toMatchObject({ code: "AUTH_STALE" });
    await it.guard.current.refresh();
    expect(lapsed!(false)).toMatchObject({ code: "CREDENTIAL_EXPIRED" });
    it.guard.current.distrust();
    expect(lapsed!(true), "what must not be trusted is another").toMatchObject({ code: "AUTH_STALE" });
  });

  it("is judged by the clocks as who answers has read them, and again by what they are then", async () => {
    using it = await guarded();
    await it.principal("shop", "read@");
    const { text } = ok(await createKey(it.changes, "shop", { description: "", ttlMs: 60_000 }, randomBytes));
    const judge = async (timeMs: number, monotonicMs: number) => {
      const said = await it.guard.authorise(headOf(bearer(text)), { timeMs, monotonicMs });
      return "code" in said ? said.code : said;
    };
    const { wallMs, runMs } = it.clock;
    expect(await judge(wallMs + 60_000, runMs)).toBe("CREDENTIAL_EXPIRED");
    expect(await judge(wallMs, runMs + 10_001)).toBe("AUTH_STALE");
    const permit = await judge(wallMs + 59_999, runMs + 10_000);
    it.clock.wallMs += 60_000;
    expect((permit as Permit).lapsed!()).toEqual({ code: "CREDENTIAL_EXPIRED" });
  });

  it("whose ids from before are over has none in what calls share", async () => {
    const formerIds = { of: () => former } as unknown as FormerIds;
    let former: string | undefined = "";
    using it = await guarded({ formerIds });
    const { key } = await it.principal("shop", "read@");
    const head = { ...headOf(bearer(key)), kept: keptOf(bearer(key)) };
    const call = async () => ok(await it.guard.authorise(head)).formerCaller;
    expect([await call(), await call()]).toEqual(["", ""]);
    former = undefined;
    expect(await call()).toBeUndefined();
  });

  it("a key that expires meanwhile is no more", async () => {
    using it = await guarded();
    await it.principal("shop", "read@");
    const { text } = ok(await createKey(it.changes, "shop", { description: "", ttlMs: 60_000 }, randomBytes));
    const permit = await it.permit(bearer(text));
    it.clock.wallMs += 59_999;
    expect(permit.lapsed!()).toBeUndefined();
    it.clock.wallMs += 1;
    expect(permit.lapsed!()).toEqual({ code: "CREDENTIAL_EXPIRED" });
  });

  it("while it is optional everybody may do everything without one, but administrate, and is counted", async () => {
    using it = await guarded({ mode: "optional" });
    const { access } = await it.permit();
    await it.permit({}, { overGrpc: true });
    expect(access!.everywhere & Permission.ADMIN).toBe(0);
    expect(access!.denial(Permission.MANAGE | Permission.OBSERVE, { prefix: "" })).toBeUndefined();
    expect(access!.denial(Permission.ADMIN, { prefix: "" })).toEqual({ code: "CREDENTIAL_MISSING" });
    expect(it.guard.callsWithoutCredential).toEqual({ grpc: 1, http: 1 });
    expect(await it.ask(bearer("wrong")), "one that is given must be good").toBe("CREDENTIAL_INVALID");
  });

  it("a key is good until it is revoked, or has expired, or its principal is disabled or deleted", async () => {
    using it = await guarded();
    const { key, keyId } = await it.principal("shop", "read@shop.");
    const short = ok(await createKey(it.changes, "shop", { description: "", ttlMs: 60_000 }, randomBytes));
    const expectBoth = async (first: string, second: string) => {
      expect(await it.ask(bearer(key))).toBe(first);
      expect(await it.ask(bearer(short.text))).toBe(second);
    };
    await expectBoth("shop", "shop");
    it.clock.wallMs += 59_999;
    await expectBoth("shop", "shop");
    it.clock.wallMs += 1;
    await expectBoth("shop", "CREDENTIAL_EXPIRED");
    await updatePrincipal(it.changes, "shop", { disabled: true });
    await expectBoth("CREDENTIAL_REVOKED", "CREDENTIAL_REVOKED");
    await updatePrincipal(it.changes, "shop", { disabled: false });
    await expectBoth("shop", "CREDENTIAL_EXPIRED");
    await revokeKey(it.changes, keyId);
    await expectBoth("CREDENTIAL_REVOKED", "CREDENTIAL_EXPIRED");
    await deletePrincipal(it.changes, "shop");
    await expectBoth("CREDENTIAL_INVALID", "CREDENTIAL_INVALID"); // Its keys are gone with it.
  });

  it("a principal that is deleted and made again meets nothing of the former one", async () => {
    using it = await guarded();
    const before = await it.principal("shop", "all@");
    await deletePrincipal(it.changes, "shop");
    const after = await it.principal("shop", "all@");
    expect(after.id).not.toBe(before.id);
    expect(await it.ask(bearer(before.key))).toBe("CREDENTIAL_INVALID");
    expect(await it.ask(bearer(after.key))).toBe("shop");
  });

  it("what changes for one caller is in effect at once, and leaves the others as they were", async () => {
    using it = await guarded();
    const [shop, other] = [await it.principal("shop", "read@"), await it.principal("other", "read@")];
    const may = async ({ key }: { key: string }) =>
      (await it.permit(bearer(key))).access!.allows(Permission.SET, { name: "a" });
    expect([await may(shop), await may(other)]).toEqual([false, false]);
    await updatePrincipal(it.changes, "shop", { grants: grantsOf("set@") });
    expect([await may(shop), await may(other)]).toEqual([true, false]);
    await updatePrincipal(it.changes, "shop", { grants: grantsOf() });
    expect([await may(shop), await may(other)]).toEqual([false, false]);
  });
});

describe("the root key", () => {
  it("lets its holder do everything, and two are good while it is changed", async () => {
    await inFolder(async (dir) => {
      const rootKeyFile = join(dir, "root");
      await writeFile(rootKeyFile, `${ROOT}\n`);
      using it = await guarded({ rootKeyFile });
      const [second, third] = ["s".repeat(40), "t".repeat(40)];
      const kept = new Map([ROOT, second, third].map((key) => [key, keptOf(bearer(key))])); // As of calls with the same headers.
      const who = () => Promise.all([...kept].map(([key, each]) => it.ask(bearer(key), { kept: each })));
      expect(await who()).toEqual(["root", "CREDENTIAL_INVALID", "CREDENTIAL_INVALID"]);
      const { caller, access } = await it.permit(bearer(ROOT));
      expect([caller, access!.everywhere]).toEqual(["root", 255]);
      await writeFile(rootKeyFile, `${ROOT}\r\n\n  ${second} \n`);
      await it.guard.renewRootKey();
      expect(await who()).toEqual(["root", "root", "CREDENTIAL_INVALID"]);
      await writeFile(rootKeyFile, second);
      await it.guard.renewRootKey();
      expect(await who()).toEqual(["CREDENTIAL_INVALID", "root", "CREDENTIAL_INVALID"]);
      await writeFile(rootKeyFile, "short");
      await it.guard.renewRootKey();
      expect(await who(), "the one before stays").toEqual([
        "CREDENTIAL_INVALID",
        "root",
        "CREDENTIAL_INVALID",
      ]);
      expect(it.logged).toEqual(["auth.root_key_read", "auth.root_key_read", "auth.root_key_unusable"]);
    });
  });

  it.each([
    ["nothing", ""],
    ["a short line", "r".repeat(31)],
    ["three lines", `${ROOT}\n${ROOT}\n${ROOT}`],
    ["a space", `${"r".repeat(32)} r`],
  ])("a file with %s is refused, and not shown", async (_, text) => {
    await inFolder(async (dir) => {
      const rootKeyFile = join(dir, "root");
      await writeFile(rootKeyFile, text);
      const refused = await guarded({ rootKeyFile }).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(RootKeyError);
      if (text !== "") expect(`${refused}`).not.toContain(text);
    });
  });
});

describe("what others change, and what cannot be read", () => {
  it("a key that another process has revoked is refused once that was read", async () => {
    using here = await guarded();
    const { key, keyId } = await here.principal("shop", "all@");
    using there = await guarded({}, here.catalogue);
    expect(await there.ask(bearer(key))).toBe("shop");
    await revokeKey(here.changes, keyId);
    expect(await there.ask(bearer(key)), "not yet").toBe("shop");
    await there.guard.current.refresh();
    expect(await there.ask(bearer(key))).toBe("CREDENTIAL_REVOKED");
  });

  it("is not trusted any more once it could not be read for ten seconds, until it can", async () => {
    const catalogue = new Failing();
    using it = await guarded({}, catalogue);
    const { key } = await it.principal("shop", "all@");
    catalogue.fails = true;
    it.clock.advance(10_000);
    await it.guard.current.refresh().catch(() => {});
    expect(await it.ask(bearer(key))).toBe("shop");
    it.clock.advance(1);
    expect(await it.ask(bearer(key))).toBe("AUTH_STALE");
    expect(await it.ask()).toBe("AUTH_STALE");
    catalogue.fails = false;
    await it.guard.current.refresh();
    expect(await it.ask(bearer(key))).toBe("shop");
    expect(it.logged).toEqual(["auth.unread", "auth.read_again"]);
  });

  it("while it is optional, who has no credential does not notice", async () => {
    const catalogue = new Failing();
    using it = await guarded({ mode: "optional" }, catalogue);
    it.clock.advance(10_001);
    expect(await it.ask()).toBe("anonymous");
    expect(await it.ask(bearer("x"))).toBe("AUTH_STALE");
  });

  it("a change that was written and cannot be read is not answered, and nobody is let in before it was", async () => {
    const catalogue = new Failing();
    using it = await guarded({}, catalogue);
    const { key, keyId } = await it.principal("shop", "all@");
    catalogue.failsAfterWrite = true;
    await expect(revokeKey(it.changes, keyId)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await it.ask(bearer(key))).toBe("AUTH_STALE");
    catalogue.fails = catalogue.failsAfterWrite = false;
    await it.guard.current.refresh();
    expect(await it.ask(bearer(key))).toBe("CREDENTIAL_REVOKED");
  });
});

it("who is refused is told to the operator, alike ones together, and without the credential", async () => {
  using it = await guarded();
  const { key, keyId } = await it.principal("shop", "read@shop.");
  const { access } = await it.permit(bearer(key));
  access!.denial(Permission.SET, { name: "shop.a" });
  access!.denial(Permission.SET, { name: "shop.b" });
  access!.denial(Permission.READ, { name: "shop.a" });
  await it.ask();
  const alike = { address: "192.0.2.1", method: "tally.v1.CounterService/Increment" };
  expect(it.guard.administration.denials()).toMatchObject([
    { ...alike, reason: "CREDENTIAL_MISSING", caller: "", keyId: "", count: 1 },
    {
      ...alike,
      reason: "PERMISSION_DENIED",
      caller: "shop",
      keyId,
      permission: 8,
      target: "shop.b",
      count: 2,
    },
  ]);
  await revokeKey(it.changes, keyId);
  await it.ask(bearer(key));
  expect(it.guard.administration.denials()[0]).toMatchObject({
    reason: "CREDENTIAL_REVOKED",
    caller: "shop",
    keyId,
  });
  expect(JSON.stringify(it.guard.administration.denials())).not.toContain(key.slice(19, 62));
});

it("who asks for more than a prefix is told their own", async () => {
  using it = await guarded();
  const { key } = await it.principal("shop", "read@shop.", "read@cart:", "set@x.", "read@=one");
  const { access } = await it.permit(bearer(key));
  expect(access!.denial(Permission.READ, { prefix: "shop.a" })).toBeUndefined();
  for (const prefix of ["", "shop", "sho", "x."])
    expect(access!.denial(Permission.READ, { prefix }), prefix).toEqual({
      code: "PERMISSION_DENIED",
      permission: "read",
      prefixes: ["cart:", "shop."],
      expected: "it lacks read on all names that begin so; ask for one of its prefixes, or less",
    });
  expect(access!.denial(Permission.ADMIN, { prefix: "" })).toEqual({
    code: "PERMISSION_DENIED",
    permission: "admin",
    expected: "it lacks admin here",
  });
});

it("a principal has fifty keys that are good at most", async () => {
  using it = await guarded();
  await it.principal("shop", "all@");
  for (let i = 1; i < 50; i++) ok(await createKey(it.changes, "shop", NO_END, randomBytes));
  expect(await createKey(it.changes, "shop", NO_END, randomBytes)).toEqual({
    code: "TOO_MANY_KEYS",
    max: 50n,
  });
});

/** A catalogue that a test has fail. */
class Failing extends CatalogueInMemory {
  fails = false;
  failsAfterWrite = false;

  constructor() {
    super(
      () => {},
      () => 0,
    );
  }

  override async read(since: number) {
    if (this.fails) throw new TallyError("STORE_UNAVAILABLE", "the test has it fail");
    return super.read(since);
  }

  override async write(entry: Parameters<CatalogueInMemory["write"]>[0]) {
    const written = await super.write(entry);
    this.fails ||= this.failsAfterWrite;
    return written;
  }
}

async function inFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "tally-guard-"));
  try {
    await run(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}
