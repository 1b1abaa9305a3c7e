/** Capability tokens: which are taken for what, and which are refused, whoever made them. */
import { createHmac, generateKeyPairSync, sign as signBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { capabilityKeyOf } from "../../../src/guard/capability-key.ts";
import { openTokens } from "../../../src/guard/tokens/verifier.ts";
import { isVerified, type Verified } from "../../../src/guard/tokens.ts";
import type { LogFields } from "../../../src/telemetry.ts";
import { HandClock } from "../../support/clock.ts";
import { grantsOf, HandKnown, headFrom, KEY_ID, sign } from "./known.ts";

const DAY_S = 86_400;

/** A verifier, and what signs tokens with its key. */
function open(...grants: string[]) {
  const clock = new HandClock();
  const known = new HandKnown(...grants);
  const logged: LogFields[] = [];
  const log = (_: string, fields: LogFields = {}) => void logged.push(fields);
  const tokens = openTokens({ known: () => known, clock, log, seed: 1 });
  const nowS = clock.now() / 1_000;
  const claims = { iss: "tally", exp: nowS + 3_600, allow: ["increment@=page.views"] };
  const header = { alg: "EdDSA", typ: "tally-cap+jwt", kid: KEY_ID };
  const { privateKey } = capabilityKeyOf(known.secret);
  const mint = (more: object = {}, moreHeader: object = {}, key: typeof privateKey = privateKey) =>
    sign({ ...claims, ...more }, { ...header, ...moreHeader }, key);
  return {
    ...{ clock, known, tokens, logged, mint, nowS, claims, header },
    /** What is said of a token. */
    judged: async (token: string, address = "192.0.2.1") => tokens.verify(token, address),
    /** Whose a token is that must be good. */
    async good(more: object = {}): Promise<Verified> {
      const said = await tokens.verify(await mint(more), "192.0.2.1");
      if (!isVerified(said)) throw new TypeError(`expected a token that is good, got ${logged.at(-1)?.why}`);
      return said;
    },
    /** How a token is refused, and why for the operator. */
    async bad(more: object = {}, moreHeader: object = {}) {
      const said = await tokens.verify(await mint(more, moreHeader), "192.0.2.1");
      return isVerified(said) ? "good" : [said.code, logged.at(-1)?.why];
    },
  };
}

/** A token as jose makes none, from the text of its header and its claims. */
function byHand({ secret }: HandKnown, ...parts: readonly string[]): string {
  const text = parts.map((part) => Buffer.from(part).toString("base64url")).join(".");
  const { privateKey } = capabilityKeyOf(secret);
  return `${text}.${signBytes(null, Buffer.from(text), privateKey).toString("base64url")}`;
}

describe("a capability token that is good", () => {
  it("may be signed by a clock that is a minute ahead, for 30 days from then on", async () => {
    const { good, nowS } = open();
    expect(await good({ nbf: nowS + 60, exp: nowS + 30 * DAY_S + 60 })).toMatchObject({
      expireTimeMs: (nowS + 30 * DAY_S + 60) * 1_000,
    });
  });

  it("stands for its key's principal", async () => {
    const { good, nowS } = open();
    expect(await good()).toEqual({
      caller: "shop00000001/",
      callerName: "shop",
      credential: "capability",
      keyId: KEY_ID,
      token: expect.stringMatching(/^[\w-]{12}$/),
      grants: grantsOf("increment@=page.views"),
      amountMax: undefined,
      expireTimeMs: (nowS + 3_600) * 1_000,
      rate: { calls: 1, callsBurst: 20 },
      origins: undefined,
      depends: { principalId: "shop00000001", keyId: KEY_ID },
    });
  });

  it("has request ids of its own with a sub, others than any other sub's", async () => {
    const { good } = open();
    const one = await good({ sub: "visitor 1" });
    expect(one.caller).toMatch(/^shop00000001\/[\w-]{12}$/);
    expect(one.callerName).toBe("shop/visitor%201");
    expect((await good({ sub: "visitor 1" })).caller).toBe(one.caller);
    expect((await good({ sub: "visitor 2" })).caller).not.toBe(one.caller);
    const long = await good({ sub: "é".repeat(32) });
    expect(long.callerName).toMatch(/^shop\/(%C3%A9){11}%~[\w-]{12}$|^shop\/[%A-F0-9]{67}~[\w-]{12}$/);
    expect(long.callerName.length).toBeLessThanOrEqual("shop/".length + 80);
  });

  it("may what it says and what its principal may, both, and with create on a single name", async () => {
    const { known, good } = open("read,increment@page.", "decrement@page.a.");
    const allow = ["read,increment,decrement@page.a.", "increment,create@=page.views", "read@other."];
    const { grants } = await good({ allow });
    expect(grants).toEqual(grantsOf("read,increment,decrement@page.a.", "increment@=page.views"));
    known.putPrincipal({ grants: grantsOf("read@") });
    expect((await good({ allow })).grants).toEqual(grantsOf("read@page.a.", "read@other."));
    known.putPrincipal({ grants: grantsOf("create@page.") });
    expect((await good({ allow })).grants).toEqual(grantsOf("create@=page.views"));
    known.putPrincipal({ grants: grantsOf("admin,set@") });
    expect((await good({ allow })).grants.all).toEqual([]);
  });

  it.each([
    [1, 1n],
    ["1", 1n],
    [Number.MAX_SAFE_INTEGER, 9_007_199_254_740_991n],
    ["9223372036854775807", 9_223_372_036_854_775_807n],
  ])("has the largest amount %j", async (amount, amountMax) => {
    expect((await open().good({ max_amount: amount })).amountMax).toBe(amountMax);
  });

  it("has its rate, and as burst what may come in a second", async () => {
    const { good } = open();
    expect((await good({ rate: { per_second: 5, burst: 7 } })).rate).toEqual({ calls: 5, callsBurst: 7 });
    expect((await good({ rate: { per_second: 5 } })).rate).toEqual({ calls: 5, callsBurst: 5 });
  });

  it("is counted by itself: as the same in each call, and as another than any other token", async () => {
    const { judged, mint } = open();
    const [one, other] = [await mint(), await mint({ jti: "2" })];
    const tokenOf = async (text: string) => ((await judged(text)) as Verified).token;
    expect(await tokenOf(one)).toBe(await tokenOf(one));
    expect(await tokenOf(other)).not.toBe(await tokenOf(one));
  });

  it("ends with its key, if that is earlier", async () => {
    const { known, clock, good } = open();
    known.putKey({ expireTimeMs: clock.now() + 10_000 });
    expect((await good()).expireTimeMs).toBe(clock.now() + 10_000);
  });

  it("may have claims that nobody knows, and its typ in any case and with application/", async () => {
    const { good, judged, mint } = open();
    expect(await good({ iat: 5e9, jti: 1, why: "x", code: "y", credential: "root" })).toMatchObject({
      caller: "shop00000001/",
    });
    for (const typ of ["TALLY-CAP+JWT", "application/tally-cap+jwt"])
      expect(await judged(await mint({}, { typ }))).toMatchObject({ caller: "shop00000001/" });
  });

  it("may be used by pages of its origins, and by what is no page", async () => {
    const { good, tokens } = open();
    const verified = await good({ origins: ["https://shop.example", "http://localhost:3000"] });
    const denialOf = (origin?: string) =>
      tokens.denial!(verified, headFrom(undefined, origin === undefined ? {} : { origin }))?.code;
    expect(denialOf()).toBeUndefined();
    expect(denialOf("https://shop.example")).toBeUndefined();
    expect(denialOf("http://localhost:3000")).toBeUndefined();
    for (const other of [
      "https://shop.example.evil.example",
      "http://shop.example",
      "null",
      "",
      "https://shop.example, https://shop.example",
    ])
      expect([other, denialOf(other)]).toEqual([other, "PERMISSION_DENIED"]);
    expect(
      tokens.denial!(await good(), headFrom(undefined, { origin: "https://evil.example" })),
    ).toBeUndefined();
  });
});

describe("a capability token is refused", () => {
  const { nowS } = open();
  it.each<[string, object, string]>([
    ["without exp", { exp: undefined }, 'missing required "exp" claim'],
    ["with an exp that is a text", { exp: `${nowS + 10}` }, '"exp" claim must be a number'],
    ["for more than 30 days", { exp: nowS + 30 * DAY_S + 61 }, "exp must be at most 30 days from now"],
    ["a minute and a second before its nbf", { nbf: nowS + 61 }, '"nbf" claim timestamp check failed'],
    ["of another issuer", { iss: "https://issuer.example" }, 'unexpected "iss" claim value'],
    ["of none", { iss: undefined }, 'missing required "iss" claim'],
    ["for somebody else", { aud: "other" }, "aud must not be there"],
    ["that allows nothing", { allow: undefined }, "allow must be a list of 1 to 16 grants"],
    ["that allows an empty list", { allow: [] }, "allow must be a list of 1 to 16 grants"],
    ["that allows a text", { allow: "read@" }, "allow must be a list of 1 to 16 grants"],
    ["with 17 grants", { allow: Array(17).fill("read@") }, "allow must be a list of 1 to 16 grants"],
    [
      "with a grant that is none",
      { allow: ["read@shop"] },
      "allow has a grant that must have a prefix that ends",
    ],
    ...[
      "set@=a",
      "manage@=a",
      "observe@",
      "admin@",
      "all@",
      "write@=a",
      "create@",
      "increment,create@a.",
    ].map((grant): [string, object, string] => [
      `that allows ${grant}`,
      { allow: ["read@", grant] },
      "allow may have read",
    ]),
    ...[
      0,
      -1,
      1.5,
      2 ** 53,
      "0",
      "-1",
      "1.5",
      "9223372036854775808",
      "99999999999999999999",
      "0x1",
      "",
      null,
      [1],
      true,
    ].map((amount): [string, object, string] => [
      `with max_amount ${JSON.stringify(amount)}`,
      { max_amount: amount },
      "max_amount must be",
    ]),
    ...[
      5,
      null,
      {},
      { per_second: 0 },
      { per_second: 1.5 },
      { per_second: 1, burst: 0 },
      { per_second: 1_000_001 },
    ].map((rate): [string, object, string] => [
      `with rate ${JSON.stringify(rate)}`,
      { rate },
      "rate must have per_second",
    ]),
    ...["", "x".repeat(65), "é".repeat(33), "\ud800", "a\0", "a\n", "\x7f", "\x85", 5, null].map(
      (sub): [string, object, string] => [`with sub ${JSON.stringify(sub)}`, { sub }, "sub must be"],
    ),
    ...[
      [],
      "https://shop.example",
      ["https://shop.example/"],
      ["*"],
      ["null"],
      [5],
      Array(17).fill("https://a.example"),
    ].map((origins): [string, object, string] => [
      `with origins ${JSON.stringify(origins).slice(0, 60)}`,
      { origins },
      "origins must be",
    ]),
  ])("%s", async (_, claims, why) => {
    expect(await open().bad(claims)).toEqual(["CREDENTIAL_INVALID", expect.stringContaining(why)]);
  });

  it.each<[string, object, string]>([
    ["with crit", { crit: ["exp"], exp: 5 }, "its header has crit, and no extension is known here"],
    ["with a kid that nobody knows", { kid: "k00000000002" }, "its kid is the id of no API key"],
    ["without a kid", { kid: undefined }, "its kid is the id of no API key"],
    ["with a kid that is no text", { kid: [KEY_ID] }, "its kid is the id of no API key"],
    ["with the kid of a folder", { kid: "../../dev/null" }, "its kid is the id of no API key"],
    ["with another typ", { typ: "JWT" }, "its issuer is none of those that are known here"],
    ["without typ", { typ: undefined }, "its issuer is none of those that are known here"],
    ["with b64", { b64: false }, "its header has b64 or zip, and claims are read in one way here"],
    ["with zip", { zip: "DEF" }, "its header has b64 or zip, and claims are read in one way here"],
  ])("%s", async (_, header, why) => {
    const { judged, claims, header: own, known, logged } = open();
    const token = byHand(known, JSON.stringify({ ...own, ...header }), JSON.stringify(claims));
    expect(await judged(token)).toEqual({ code: "CREDENTIAL_INVALID" });
    expect(logged.at(-1)).toEqual({ why });
  });

  it.each([
    '"exp":EXP',
    '"allow":["increment@"]',
    '"max_amount":1,"max_amount":1000',
    '"max_amount":1,"max\\u005famount":1000',
    '"sub":"a","sub":"a"',
    '"rate":{"per_second":1,"per_second":1000}',
    '"x":[{"y":1,"y":1}]',
  ])("that says something twice: %s", async (more) => {
    const { judged, header, known, logged, nowS } = open();
    const claims = (text: string) =>
      `{"iss":"tally","exp":EXP,"allow":["read@"],${text}}`.replaceAll("EXP", `${nowS + 60}`);
    expect(await judged(byHand(known, JSON.stringify(header), claims('"x":{"x":["x","x"]}')))).toMatchObject({
      caller: "shop00000001/",
    });
    expect(await judged(byHand(known, JSON.stringify(header), claims(more)))).toEqual({
      code: "CREDENTIAL_INVALID",
    });
    expect(logged.at(-1)).toEqual({ why: "its claims are no JSON, or have a name twice" });
  });

  it("whose header says something twice", async () => {
    const { judged, header, claims, known, logged } = open();
    const twice = JSON.stringify(header).replace("{", '{"kid":"k00000000009",');
    expect(await judged(byHand(known, twice, JSON.stringify(claims)))).toEqual({
      code: "CREDENTIAL_INVALID",
    });
    expect(logged.at(-1)).toEqual({ why: "its header has a name twice" });
  });

  it("that is signed with another key, with that key in its header too", async () => {
    const { judged, mint, logged } = open();
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const jwk = publicKey.export({ format: "jwk" });
    for (const header of [
      {},
      { jwk },
      { jku: "https://evil.example/keys" },
      { x5u: "https://evil.example/x" },
    ]) {
      expect(await judged(await mint({}, header, privateKey))).toEqual({ code: "CREDENTIAL_INVALID" });
    }
    expect(logged).toEqual([{ why: "its signature is not right" }]); // The others came within ten seconds.
  });

  it("by any other algorithm: none, and HMAC with the public half as its secret", async () => {
    const { judged, claims, header, known } = open();
    const publicKey = known.keyById(KEY_ID)!.publicKey;
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const none = `${part({ ...header, alg: "none" })}.${part(claims)}.`;
    expect(await judged(none)).toEqual({ code: "CREDENTIAL_INVALID" });
    for (const secret of [publicKey, Buffer.from(publicKey, "base64url")]) {
      const text = `${part({ ...header, alg: "HS256" })}.${part(claims)}`;
      const mac = createHmac("sha256", secret).update(text).digest("base64url");
      expect(await judged(`${text}.${mac}`)).toEqual({ code: "CREDENTIAL_INVALID" });
    }
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    expect(await judged(await sign(claims, { ...header, alg: "RS256" }, rsa))).toEqual({
      code: "CREDENTIAL_INVALID",
    });
  });

  it.each(["..", "a.b.c", "e30.e30.", "bnVsbA.bnVsbA.AAAA", "W10.W10.AAAA", "%.%.%", "e30.e30.AA.AA.AA"])(
    "that is %j",
    async (token) => {
      expect(await open().judged(token)).toEqual({ code: "CREDENTIAL_INVALID" });
    },
  );

  it("of which a character was changed, one whose bits say nothing too", async () => {
    const { clock, judged, mint } = open();
    const token = await mint();
    for (let i = 0; i < token.length; i++) {
      clock.advance(100); // So that the address is not refused for these.
      const other = token[i] === "A" ? "B" : "A";
      const said = await judged(token.slice(0, i) + other + token.slice(i + 1));
      expect([i, said]).toEqual([i, { code: "CREDENTIAL_INVALID" }]);
    }
  });

  it("as expired or revoked only if it was signed right", async () => {
    const { clock, known, judged, mint } = open();
    const [right, wrong] = [await mint(), await mint({}, {}, generateKeyPairSync("ed25519").privateKey)];
    const both = async () => [await judged(right), await judged(wrong)];
    const INVALID = { code: "CREDENTIAL_INVALID" };

    clock.wallMs += 3_600_000;
    expect(await both()).toEqual([{ code: "CREDENTIAL_EXPIRED" }, INVALID]);
    clock.wallMs -= 1;
    expect(await judged(right)).toMatchObject({ caller: "shop00000001/" });

    known.putKey({ expireTimeMs: clock.now() });
    expect(await both()).toEqual([{ code: "CREDENTIAL_EXPIRED" }, INVALID]);
    known.putKey({ expireTimeMs: undefined, revokeTimeMs: clock.now() });
    expect(await both()).toEqual([{ code: "CREDENTIAL_REVOKED" }, INVALID]);
    known.putKey({ revokeTimeMs: undefined });
    known.putPrincipal({ disabled: true });
    expect(await both()).toEqual([{ code: "CREDENTIAL_REVOKED" }, INVALID]);
    known.principals.clear();
    expect(await both()).toEqual([{ code: "CREDENTIAL_REVOKED" }, INVALID]);
    known.keys.clear();
    expect(await both()).toEqual([INVALID, INVALID]);
  });

  it("from its exp on, to the millisecond", async () => {
    const { clock, judged, mint, nowS } = open();
    const tokens = [await mint({ exp: nowS + 10 }), await mint({ exp: nowS + 10.5 })];
    const codes = async () =>
      (await Promise.all(tokens.map((token) => judged(token)))).map((said) => "code" in said);
    clock.advance(9_999);
    expect(await codes()).toEqual([false, false]);
    clock.advance(1);
    expect(await codes()).toEqual([true, false]);
    clock.advance(500);
    expect(await codes()).toEqual([true, true]);
  });

  it("whose key is revoked while its signature is checked", async () => {
    const { clock, known, tokens, mint } = open();
    const token = await mint();
    const said = tokens.verify(token, "192.0.2.1");
    known.putKey({ revokeTimeMs: clock.now() });
    expect(await said).toEqual({ code: "CREDENTIAL_REVOKED" });
  });
});

describe("an address that sends tokens with wrong signatures", () => {
  it("is refused after 20 in a second, until a twentieth of one has passed, with good ones too", async () => {
    const { clock, judged, mint } = open();
    const [right, wrong] = [await mint(), await mint({}, {}, generateKeyPairSync("ed25519").privateKey)];
    for (let i = 0; i < 20; i++)
      expect((await judged(wrong)) as object).toEqual({ code: "CREDENTIAL_INVALID" });
    expect(await judged(wrong)).toEqual({ code: "RATE_LIMITED", retryAfterMs: 50 });
    expect(await judged(right)).toEqual({ code: "RATE_LIMITED", retryAfterMs: 50 });
    expect(await judged(right, "192.0.2.2")).toMatchObject({ caller: "shop00000001/" });
    clock.advance(50);
    expect(await judged(right)).toMatchObject({ caller: "shop00000001/" });
    expect(await judged(wrong)).toEqual({ code: "CREDENTIAL_INVALID" });
    expect(await judged(right)).toMatchObject({ code: "RATE_LIMITED" });
  });

  it("is all of a /64 of IPv6, however it is written", async () => {
    const { judged, mint } = open();
    const [right, wrong] = [await mint(), await mint({}, {}, generateKeyPairSync("ed25519").privateKey)];
    for (let i = 0; i < 20; i++) await judged(wrong, `2001:db8::${i + 1}`);
    expect(await judged(right, "2001:DB8:0:0:ffff::1")).toMatchObject({ code: "RATE_LIMITED" });
    expect(await judged(right, "2001:db8:0:1::1")).toMatchObject({ caller: "shop00000001/" });
    expect(await judged(right, "::1")).toMatchObject({ caller: "shop00000001/" });
  });

  it("is not one that sends tokens which are expired, or of a key that is gone", async () => {
    const { clock, known, judged, mint } = open();
    const [old, gone, right] = [
      await mint({ exp: clock.now() / 1_000 }),
      await mint({}, { kid: "k00000000009" }),
      await mint(),
    ];
    for (let i = 0; i < 100; i++) await judged(i % 2 === 0 ? old : gone);
    expect(await judged(right)).toMatchObject({ caller: "shop00000001/" });
    expect(known.keys.size).toBe(1);
  });

  it("that sent many at once waits longer, a minute at most", async () => {
    const { judged, mint } = open();
    const wrong = await mint({}, {}, generateKeyPairSync("ed25519").privateKey);
    await Promise.all(Array.from({ length: 2_000 }, () => judged(wrong)));
    expect(await judged(wrong)).toEqual({ code: "RATE_LIMITED", retryAfterMs: 59_050 });
  });
});
