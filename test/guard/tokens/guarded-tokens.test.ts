/** Tokens and certificates at the guard: what is kept of one holds no longer than what it stands on. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Permission } from "../../../src/core/permissions.ts";
import { apiKeyFromText } from "../../../src/guard/api-key.ts";
import { createBinding, deleteBinding } from "../../../src/guard/bindings.ts";
import { capabilityKeyOf } from "../../../src/guard/capability-key.ts";
import { openCertificates } from "../../../src/guard/certificates.ts";
import { revokeKey } from "../../../src/guard/keys.ts";
import { updatePrincipal } from "../../../src/guard/principals.ts";
import { openTokens } from "../../../src/guard/tokens/verifier.ts";
import { authority } from "../../support/certificates.ts";
import { HandClock } from "../../support/clock.ts";
import { bearer, grantsOf, guarded } from "../guarded.ts";
import { sign } from "./known.ts";

const { READ, INCREMENT, CREATE } = Permission;

async function open() {
  const clock = new HandClock(Math.floor(Date.now() / 1_000) * 1_000 + 3_600_500); // In the midst of a second.
  const it = await guarded({
    clock,
    tokens: (now) => openTokens({ known: () => now.directory, clock, log: () => {}, seed: 1 }),
    certificates: (now) => openCertificates(() => now.directory, clock),
  });
  const mint = (key: string, more: object = {}) => {
    const { id, secret } = apiKeyFromText(key)!;
    const claims = { iss: "tally", exp: clock.now() / 1_000 + 60, allow: ["read,increment@shop."], ...more };
    const header = { alg: "EdDSA", typ: "tally-cap+jwt", kid: id };
    return sign(claims, header, capabilityKeyOf(secret).privateKey);
  };
  return { it, mint, now: clock };
}

it("a token may what it says and what its principal may, from the call on that follows a change", async () => {
  const { it: guard, mint } = await open();
  using _ = guard;
  const { key } = await guard.principal("shop", "all@");
  const headers = bearer(await mint(key, { max_amount: 5, sub: "v1" }));
  const may = async (needed: number, name: string) =>
    (await guard.permit(headers)).access!.allows(needed, { name });
  expect(await may(READ | INCREMENT, "shop.a")).toBe(true);
  expect(await may(CREATE, "shop.a")).toBe(false);
  expect(await may(READ, "other")).toBe(false);
  expect((await guard.permit(headers)).access!.amountMax).toBe(5n);
  await updatePrincipal(guard.changes, "shop", { grants: grantsOf("read@shop.") });
  expect(await may(READ, "shop.a")).toBe(true);
  expect(await may(INCREMENT, "shop.a")).toBe(false);
});

it("a token ends in time, and with its key", async () => {
  const { it: guard, mint, now } = await open();
  using _ = guard;
  const { key, keyId } = await guard.principal("shop", "all@");
  const [short, long] = [bearer(await mint(key)), bearer(await mint(key, { exp: now.now() / 1_000 + 600 }))];
  expect([await guard.ask(short), await guard.ask(long)]).toEqual(["shop", "shop"]);
  now.wallMs += 59_999;
  expect([await guard.ask(short), await guard.ask(long)]).toEqual(["shop", "shop"]);
  now.wallMs += 1;
  expect([await guard.ask(short), await guard.ask(long)]).toEqual(["CREDENTIAL_EXPIRED", "shop"]);
  await revokeKey(guard.changes, keyId);
  expect([await guard.ask(short), await guard.ask(long)]).toEqual([
    "CREDENTIAL_REVOKED",
    "CREDENTIAL_REVOKED",
  ]);
});

it("a token is for pages of its origins, each time", async () => {
  const { it: guard, mint } = await open();
  using _ = guard;
  const { key } = await guard.principal("shop", "all@");
  const headers = bearer(await mint(key, { origins: ["https://shop.example"] }));
  expect(await guard.ask({ ...headers, origin: "https://shop.example" })).toBe("shop");
  expect(await guard.ask({ ...headers, origin: "https://evil.example" })).toBe("PERMISSION_DENIED");
  expect(await guard.ask(headers)).toBe("shop");
});

it("a certificate is its principal as long as it is bound, and never nobody in particular", async () => {
  const { it: guard } = await open();
  using _ = guard;
  using signing = authority();
  const names = "URI:spiffe://example.org/shop,DNS:shop.example";
  const certificate = new X509Certificate(readFileSync(signing.issue(names).certFile));
  const peer = { peer: () => ({ address: "192.0.2.1", certificate }) };
  const { key } = await guard.principal("shop", "read@");
  await guard.principal("till", "read@");
  expect(await guard.ask({}, peer)).toBe("CREDENTIAL_INVALID");
  await createBinding(guard.changes, "shop", "certificate:shop.example");
  expect(await guard.ask({}, peer)).toBe("shop");
  await createBinding(guard.changes, "till", "certificate:spiffe://example.org/shop");
  expect(await guard.ask({}, peer)).toBe("till");
  expect(await guard.ask(bearer(key), peer)).toBe("shop"); // A header counts before it.
  await deleteBinding(guard.changes, "certificate:spiffe://example.org/shop");
  await deleteBinding(guard.changes, "certificate:shop.example");
  expect(await guard.ask({}, peer)).toBe("CREDENTIAL_INVALID");
});
