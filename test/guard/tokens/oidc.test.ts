/** Access tokens of OIDC issuers: whose they are, which are refused, and keys that come and go. */
import { createHmac, createSecretKey, generateKeyPairSync, KeyObject, sign } from "node:crypto";
import { exportSPKI, generateKeyPair } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Grant } from "../../../src/core/grants.ts";
import type { OidcIssuer, OidcRule } from "../../../src/guard/tokens/oidc-settings.ts";
import { openTokens } from "../../../src/guard/tokens/verifier.ts";
import { isVerified, type TokenVerifier, type Verified } from "../../../src/guard/tokens.ts";
import type { LogFields } from "../../../src/telemetry.ts";
import { HandClock } from "../../support/clock.ts";
import { Issuer, SILENT } from "./issuer.ts";
import { grantsOf, HandKnown } from "./known.ts";

let issuer: Issuer;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  issuer = await Issuer.open();
});
afterEach(async () => {
  vi.useRealTimers();
  await issuer[Symbol.asyncDispose]();
});

const rule = (claim: string | string[], has: string, ...grants: string[]): OidcRule => ({
  claim: [claim].flat(),
  has,
  grants: grantsOf(...grants).all as Grant[],
});

/** A verifier that takes the issuer's tokens. */
function open(more: Partial<OidcIssuer> = {}) {
  const clock = new HandClock();
  const known = new HandKnown("read@shop.");
  const logged: { event: string; fields: LogFields }[] = [];
  const settings: OidcIssuer = {
    ...{ alias: "corp", issuer: issuer.url, audiences: ["tally"], clockToleranceMs: 60_000 },
    ...{ algorithms: ["RS256", "ES256", "EdDSA", "PS256"], tokenType: undefined, rules: [] },
    ...more,
  };
  const tokens: TokenVerifier = openTokens({
    ...{ known: () => known, clock, seed: 1, oidc: [settings] },
    log: (event, fields = {}) => void logged.push({ event, fields }),
  });
  const nowS = clock.now() / 1_000;
  const claims = { iss: issuer.url, aud: "tally", sub: "00u1", exp: nowS + 600 };
  const said = async (more: object = {}, header: object = {}, key?: Parameters<Issuer["token"]>[2]) =>
    tokens.verify(await issuer.token({ ...claims, ...more }, { ...header }, key), "192.0.2.1");
  return {
    ...{ clock, known, tokens, logged, claims, nowS, said },
    async good(more: object = {}): Promise<Verified> {
      const verified = await said(more);
      if (isVerified(verified)) return verified;
      throw new TypeError(`expected a token that is good, got ${JSON.stringify(logged)}`);
    },
    /** Whether it is good, or how it is refused. */
    async code(...of: Parameters<typeof said>): Promise<string> {
      const verified = await said(...of);
      return isVerified(verified) ? "good" : verified.code;
    },
    /** Have the background look after a time. */
    async pass(ms: number) {
      clock.advance(ms);
      vi.advanceTimersByTime(5_000);
      for (let i = 0; i < 3; i++) await fetch(`${issuer.url}${SILENT}`); // What it asks for by now is told of after that.
    },
    [Symbol.dispose]: () => tokens.close!(),
  };
}

/** A token as jose makes none: with a header in any words, signed by RS256 whatever it says. */
function byHand(
  header: object | string,
  claims: object,
  key: Parameters<typeof sign>[2] = KeyObject.from(issuer.pairOf("k1").privateKey),
): string {
  const text = [typeof header === "string" ? header : JSON.stringify(header), JSON.stringify(claims)]
    .map((part) => Buffer.from(part).toString("base64url"))
    .join(".");
  return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
}

describe("an access token that is good", () => {
  it("is somebody of its subject's own", async () => {
    using it = open();
    const verified = await it.good();
    expect(verified).toEqual({
      caller: expect.stringMatching(/^~[\w-]{12}$/),
      callerName: "oidc:corp:00u1",
      credential: "oidc",
      expireTimeMs: (it.nowS + 600) * 1_000 + 60_000,
      grants: grantsOf(),
      depends: { subjects: ["oidc:corp:00u1"] },
    });
    expect((await it.good()).caller).toBe(verified.caller);
    expect((await it.good({ sub: "00u2" })).caller).not.toBe(verified.caller);
    using other = open({ alias: "other" });
    expect((await other.good()).caller).not.toBe(verified.caller);
  });

  it("has a name that is bounded, one line, and another one for another subject", async () => {
    using it = open();
    const named = async (sub: string) => (await it.good({ sub })).callerName;
    expect(await named("a b:c\n☃")).toBe("oidc:corp:a%20b%3Ac%0A%E2%98%83");
    const [long, longer] = [await named("x".repeat(254)), await named("x".repeat(255))];
    expect(long).toMatch(/^oidc:corp:x{67}~[\w-]{12}$/);
    expect(longer).not.toBe(long);
  });

  it("is the principal that its subject is bound to, with its grants alone", async () => {
    using it = open({ rules: [rule("sub", "00u1", "all@")] });
    it.known.bindings.set("oidc:corp:00u1", "shop00000001");
    expect(await it.good()).toMatchObject({
      caller: "shop00000001",
      callerName: "shop",
      grants: grantsOf("read@shop."),
      depends: { principalId: "shop00000001", subjects: ["oidc:corp:00u1"] },
    });
    it.known.putPrincipal({ disabled: true });
    expect(await it.code()).toBe("CREDENTIAL_REVOKED");
    it.known.principals.clear();
    expect(await it.code()).toBe("CREDENTIAL_REVOKED");
  });

  it.each<[string, OidcRule, object, boolean]>([
    ["a text", rule("team", "a b", "read@"), { team: "a b" }, true],
    ["a part of a text", rule("team", "a", "read@"), { team: "a b" }, false],
    ["one of a list", rule("groups", "b", "read@"), { groups: ["a", "b"] }, true],
    ["none of a list", rule("groups", "c", "read@"), { groups: ["a", "b"] }, false],
    ["a part of one of a list", rule("groups", "a", "read@"), { groups: ["a b"] }, false],
    ["a scope", rule("scope", "tally.read", "read@"), { scope: "openid tally.read" }, true],
    ["a scope of Entra", rule("scp", "tally.read", "read@"), { scp: "tally.read x" }, true],
    ["half a scope", rule("scope", "tally", "read@"), { scope: "openid tally.read" }, false],
    [
      "a role below a claim",
      rule(["realm_access", "roles"], "r", "read@"),
      { realm_access: { roles: ["r"] } },
      true,
    ],
    ["a role that is not there", rule(["realm_access", "roles"], "r", "read@"), { realm_access: "r" }, false],
    [
      "a claim with dots",
      rule("https://x.example/roles", "r", "read@"),
      { "https://x.example/roles": ["r"] },
      true,
    ],
    ["a list in a list", rule("groups", "b", "read@"), { groups: [["b"]] }, false],
    ["a number", rule("n", "1", "read@"), { n: 1 }, false],
    ["what every object has", rule("constructor", "Object", "read@"), {}, false],
    ["nothing", rule("groups", "undefined", "read@"), {}, false],
  ])("may what the rules give for %s: %o", async (_, one, claims, granted) => {
    using it = open({ rules: [one, rule("never", "never", "all@")] });
    expect((await it.good(claims)).grants).toEqual(granted ? grantsOf("read@") : grantsOf());
  });

  it("is for one of the audiences, and within the clock's tolerance", async () => {
    using it = open({ audiences: ["tally", "counters"] });
    for (const more of [{ aud: ["x", "counters"] }, { exp: it.nowS - 59 }, { nbf: it.nowS + 59 }])
      expect(await it.code(more)).toBe("good");
  });

  it.each(["RS256", "PS256", "ES256", "EdDSA"])("is signed by %s", async (alg) => {
    using it = open();
    await issuer.rotate("k2", alg);
    expect(await it.code({}, { alg, kid: "k2" })).toBe("good");
  });
});

describe("an access token is refused", () => {
  it.each<[string, object, object, string]>([
    ["without exp", { exp: undefined }, {}, "CREDENTIAL_INVALID"],
    ["without aud", { aud: undefined }, {}, "CREDENTIAL_INVALID"],
    ["without iss", { iss: undefined }, {}, "CREDENTIAL_INVALID"],
    ["without sub", { sub: undefined }, {}, "CREDENTIAL_INVALID"],
    ["for a client, as ID tokens are", { aud: "web-client" }, {}, "CREDENTIAL_INVALID"],
    ["for what begins like us", { aud: "tally2" }, {}, "CREDENTIAL_INVALID"],
    ["of another issuer", { iss: "https://evil.example" }, {}, "CREDENTIAL_INVALID"],
    ["of the issuer with a slash", { iss: "SLASH" }, {}, "CREDENTIAL_INVALID"],
    ["that has expired", { exp: 1_767_225_600 - 60 }, {}, "CREDENTIAL_EXPIRED"],
    ["that is of later", { nbf: 1_767_225_600 + 61 }, {}, "CREDENTIAL_INVALID"],
    ["with an empty sub", { sub: "" }, {}, "CREDENTIAL_INVALID"],
    ["with a sub that is a number", { sub: 5 }, {}, "CREDENTIAL_INVALID"],
    ["with a long sub", { sub: "x".repeat(256) }, {}, "CREDENTIAL_INVALID"],
    ["with half of a character in its sub", { sub: "\ud800" }, {}, "CREDENTIAL_INVALID"],
    ["that would be a capability", {}, { typ: "tally-cap+jwt" }, "CREDENTIAL_INVALID"],
  ])("%s", async (_, claims, header, code) => {
    using it = open();
    const iss = "iss" in claims && claims.iss === "SLASH" ? { iss: `${issuer.url}/` } : {};
    expect(await it.code({ ...claims, ...iss }, header)).toBe(code);
    expect(await it.code()).toBe("good");
  });

  it("of another type, where one is asked for", async () => {
    using it = open({ tokenType: "at+jwt" });
    expect(await it.code({}, { typ: "at+jwt" })).toBe("good");
    expect(await it.code({}, { typ: "application/at+jwt" })).toBe("good");
    for (const typ of ["JWT", "id+jwt", undefined])
      expect(await it.code({}, { typ })).toBe("CREDENTIAL_INVALID");
  });

  it("of a type that names another use, where none is asked for", async () => {
    using it = open();
    for (const typ of [undefined, "JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"])
      expect([typ, await it.code({}, { typ })]).toEqual([typ, "good"]);
    for (const typ of [
      "logout+jwt",
      "secevent+jwt",
      "id+jwt",
      "application/id+jwt",
      "dpop+jwt",
      "at+jwt+x",
      "",
    ])
      expect([typ, await it.code({}, { typ })]).toEqual([typ, "CREDENTIAL_INVALID"]);
    using logouts = open({ tokenType: "logout+jwt" }); // Who asks for it by name gets it.
    expect(await logouts.code({}, { typ: "logout+jwt" })).toBe("good");
  });

  it.each<[string, object]>([
    ["b64", { b64: false }],
    ["b64 as is usual", { b64: true }],
    ["zip", { zip: "DEF" }],
  ])("with %s in its header, without crit too", async (_, header) => {
    using it = open();
    const token = byHand({ alg: "RS256", kid: "k1", ...header }, it.claims);
    expect(await it.tokens.verify(token, "192.0.2.1")).toEqual({ code: "CREDENTIAL_INVALID" });
  });

  it("with a name twice in its header", async () => {
    using it = open();
    const token = byHand('{"alg":"RS256","kid":"k2","kid":"k1"}', it.claims);
    expect(await it.tokens.verify(token, "192.0.2.1")).toEqual({ code: "CREDENTIAL_INVALID" });
    expect(it.logged.at(-1)).toEqual({
      event: "auth.token_refused",
      fields: { why: "its header has a name twice" },
    });
  });

  it("of a key that its issuer publishes and nobody can use; told seldom, and no defect", async () => {
    const short = generateKeyPairSync("rsa", { modulusLength: 1_024 });
    issuer.keys.push(
      { ...short.publicKey.export({ format: "jwk" }), kid: "short" },
      { kty: "EC", crv: "P-256", x: "A".repeat(43), y: "A".repeat(43), kid: "off-curve" },
      { kty: "RSA", kid: "empty" },
      { kty: "RSA", n: 5, e: ["AQAB"], kid: "numbers" },
      { ...(issuer.keys[0] as object), key_ops: ["verify", "verify"], kid: "twice" },
      { ...(issuer.keys[0] as object), kid: "same" },
      { ...(issuer.keys[0] as object), kid: "same" },
    );
    using it = open();
    const saidOf = (kid: string, alg = "RS256") =>
      it.tokens.verify(byHand({ alg, kid }, it.claims, short.privateKey), "192.0.2.1");
    for (let i = 0; i < 5; i++) expect(await saidOf("short")).toEqual({ code: "CREDENTIAL_INVALID" });
    expect(it.logged).toEqual([
      {
        event: "auth.token_refused",
        fields: { why: expect.stringMatching(/^its key cannot be used: .*2048 bits/) },
      },
    ]);
    for (const kid of ["empty", "numbers", "twice", "same"])
      expect([kid, await saidOf(kid)]).toEqual([kid, { code: "CREDENTIAL_INVALID" }]);
    expect(await saidOf("off-curve", "ES256")).toEqual({ code: "CREDENTIAL_INVALID" });
    expect(await it.code()).toBe("good");
  });

  it("with crit, b64 too", async () => {
    using it = open();
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const more of [{ crit: ["exp"], exp: 1 }, { crit: ["b64"], b64: true }, { crit: [] }]) {
      const text = `${part({ alg: "RS256", kid: "k1", ...more })}.${part(it.claims)}`;
      const signature = await crypto.subtle.sign(
        "RSASSA-PKCS1-v1_5",
        issuer.pairOf("k1").privateKey,
        Buffer.from(text),
      );
      const token = `${text}.${Buffer.from(signature).toString("base64url")}`;
      expect(await it.tokens.verify(token, "192.0.2.1")).toEqual({ code: "CREDENTIAL_INVALID" });
    }
    expect(it.logged.map(({ fields }) => fields.why)).toEqual([
      "its header has crit, and no extension is known here",
    ]);
  });

  it("by none, and by HMAC with the public key as its secret", async () => {
    using it = open();
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const pem = await exportSPKI(issuer.pairOf("k1").publicKey);
    const none = `${part({ alg: "none", kid: "k1" })}.${part(it.claims)}.`;
    const text = `${part({ alg: "HS256", kid: "k1" })}.${part(it.claims)}`;
    const mac = createHmac("sha256", pem).update(text).digest("base64url");
    for (const token of [none, `${text}.${mac}`])
      expect(await it.tokens.verify(token, "192.0.2.1")).toEqual({ code: "CREDENTIAL_INVALID" });
    issuer.keys.push({ kty: "oct", k: Buffer.from("s".repeat(32)).toString("base64url"), kid: "h1" });
    await it.pass(600_000);
    const secret = createSecretKey(Buffer.from("s".repeat(32)));
    expect(await it.code({}, { alg: "HS256", kid: "h1" }, secret)).toBe("CREDENTIAL_INVALID");
  });

  it("by an algorithm that is not set, without the issuer being asked", async () => {
    using it = open({ algorithms: ["ES256"] });
    expect(await it.code()).toBe("CREDENTIAL_INVALID");
    expect(await it.code({}, { kid: "k9" }, issuer.pairOf("k1").privateKey)).toBe("CREDENTIAL_INVALID");
    await vi.waitFor(() => expect(issuer.asked).toHaveLength(2)); // At the start.
  });

  it("by a stranger's key, wherever the token says that it is; and nobody is asked there", async () => {
    using it = open();
    await using evil = await Issuer.open("evil");
    const { privateKey } = evil.pairOf("evil");
    const [jwk] = evil.keys;
    for (const header of [
      {},
      { jku: `${evil.url}/keys` },
      { x5u: `${evil.url}/keys` },
      { jwk },
      { kid: `${evil.url}/keys` },
    ])
      expect(await it.code({}, { kid: "k1", ...header }, privateKey)).toBe("CREDENTIAL_INVALID");
    expect(evil.asked).toEqual([]);
    expect(await it.code()).toBe("good");
  });

  it("of an address that sends more than 20 in a second that are signed wrong", async () => {
    using it = open();
    const { privateKey } = await generateKeyPair("RS256");
    for (let i = 0; i < 20; i++) expect(await it.code({}, {}, privateKey)).toBe("CREDENTIAL_INVALID");
    expect(await it.code()).toBe("RATE_LIMITED");
  });
});

describe("the keys of an issuer", () => {
  it("are others when it has rotated them, twice, and those before are none", async () => {
    using it = open();
    expect(await it.code()).toBe("good");
    for (const [kid, before] of [
      ["k2", "k1"],
      ["k3", "k2"],
    ] as const) {
      await issuer.rotate(kid);
      it.clock.advance(60_000);
      expect([await it.code({}, { kid }), await it.code({}, { kid: before })]).toEqual([
        "good",
        "CREDENTIAL_INVALID",
      ]);
    }
  });

  it("are asked for once a minute by kids that are not known", async () => {
    using it = open();
    expect(await it.code()).toBe("good");
    const { privateKey } = issuer.pairOf("k1");
    const asked = () => issuer.asked.filter((path) => path === "/keys").length;
    expect(asked()).toBe(1);
    await Promise.all(Array.from({ length: 10 }, (_, i) => it.code({}, { kid: `x${i}` }, privateKey)));
    for (let i = 0; i < 5; i++) await it.code({}, { kid: `y${i}` }, privateKey);
    expect(asked()).toBe(2);
    it.clock.advance(60_000);
    await it.code({}, { kid: "z" }, privateKey);
    expect(asked()).toBe(3);
  });

  it("are renewed every ten minutes, without a token", async () => {
    using it = open();
    expect(await it.code()).toBe("good");
    await issuer.rotate("k2");
    await it.pass(599_999);
    expect(issuer.asked).toHaveLength(2);
    await it.pass(1);
    await vi.waitFor(() => expect(issuer.asked).toHaveLength(4));
    await vi.waitFor(async () => expect(await it.code({}, { kid: "k2" })).toBe("good"));
    expect(issuer.asked).toHaveLength(4);
  });

  it("stay good for as long as the issuer is away, which is told once, and so is that it is back", async () => {
    using it = open();
    expect(await it.code()).toBe("good");
    issuer.instead.set("/keys", (response) => response.writeHead(503).end());
    for (let i = 0; i < 3; i++) {
      const asked = issuer.asked.length;
      await it.pass(6 * 3_600_000);
      await vi.waitFor(() => expect(issuer.asked.length).toBe(asked + 2));
    }
    expect(await it.code({ exp: it.clock.now() / 1_000 + 600 })).toBe("good");
    issuer.instead.clear();
    await it.pass(10_000);
    await vi.waitFor(() => expect(it.logged.at(-1)!.event).toBe("auth.issuer_back"));
    expect(it.logged).toEqual([
      {
        event: "auth.issuer_away",
        fields: {
          alias: "corp",
          issuer: issuer.url,
          detail: `${issuer.url}/keys answers 503`,
          has_keys: true,
        },
      },
      { event: "auth.issuer_back", fields: { alias: "corp" } },
    ]);
  });

  it("that were never reached make its tokens AUTH_UNAVAILABLE, and no others", async () => {
    const keys = issuer.keys;
    issuer.keys = [];
    using it = open();
    expect(await it.code()).toBe("AUTH_UNAVAILABLE");
    expect(await it.code({ iss: "https://other.example" })).toBe("CREDENTIAL_INVALID");
    issuer.keys = keys;
    await it.pass(10_000);
    await vi.waitFor(async () => expect(await it.code()).toBe("good"));
  });

  it.each<[string, string, string, string]>([
    [
      "of another issuer",
      "/.well-known/openid-configuration",
      '{"issuer":"https://evil.example","jwks_uri":"URL/keys"}',
      "is of another issuer",
    ],
    [
      "elsewhere without TLS",
      "/.well-known/openid-configuration",
      '{"issuer":"URL","jwks_uri":"http://127.0.0.1:1/keys"}',
      "without https",
    ],
    ["nowhere", "/.well-known/openid-configuration", '{"issuer":"URL"}', "has no jwks_uri"],
    ["in no JSON", "/keys", "<html>", "cannot be read"],
    ["in a list", "/keys", "[]", "has no public keys"],
    ["in null", "/keys", "null", "is no JSON object"],
    [
      "that are secrets",
      "/keys",
      '{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"RSA","d":"AA"},null,5]}',
      "has no public keys",
    ],
    [
      "that are too many",
      "/keys",
      JSON.stringify({ keys: Array(101).fill({ kty: "RSA" }) }),
      "more than 100 keys",
    ],
    ["in a flood", "/keys", " ".repeat(300_000), "more than 262144 bytes"],
  ])("%s are not taken, and the operator is told why", async (_, path, text, why) => {
    issuer.instead.set(path, (response) => response.end(text.replaceAll("URL", issuer.url)));
    using it = open();
    expect(await it.code()).toBe("AUTH_UNAVAILABLE");
    expect(it.logged[0]).toMatchObject({
      event: "auth.issuer_away",
      fields: { detail: expect.stringContaining(why) },
    });
  });

  it("are not looked for where a redirection leads", async () => {
    await using other = await Issuer.open();
    issuer.instead.set("/keys", (response) =>
      response.writeHead(302, { location: `${other.url}/keys` }).end(),
    );
    using it = open();
    expect(await it.code()).toBe("AUTH_UNAVAILABLE");
    expect(other.asked).toEqual([]);
  });
});
