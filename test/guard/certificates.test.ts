/** Certificates of clients: which principal each is. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, expect, it } from "vitest";
import { openCertificates } from "../../src/guard/certificates.ts";
import { authority } from "../support/certificates.ts";
import { HandClock } from "../support/clock.ts";
import { grantsOf, HandKnown, headFrom } from "./tokens/known.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());
const SHOP = new X509Certificate(
  readFileSync(AUTHORITY.issue("DNS:shop.example,URI:spiffe://example.org/shop").certFile),
);
const DAY_MS = 86_400_000;

function open(shown = SHOP) {
  const clock = new HandClock(Date.now() + 3_600_000);
  const known = new HandKnown("read@shop.");
  known.principals.set("till00000001", {
    id: "till00000001",
    name: "till",
    grants: grantsOf("increment@"),
    disabled: false,
  });
  const certificates = openCertificates(() => known, clock);
  return { clock, known, judged: () => certificates.verify(shown, headFrom()) };
}

it("is whom its URI is bound to, before its name of DNS", () => {
  const { known, judged } = open();
  known.bindings.set("certificate:shop.example", "shop00000001");
  expect(judged()).toEqual({
    caller: "shop00000001",
    callerName: "shop",
    credential: "certificate",
    grants: grantsOf("read@shop."),
    expireTimeMs: SHOP.validToDate.getTime(),
    rate: undefined,
    depends: {
      principalId: "shop00000001",
      subjects: ["certificate:spiffe://example.org/shop", "certificate:shop.example"],
    },
  });
  known.bindings.set("certificate:spiffe://example.org/shop", "till00000001");
  expect(judged()).toMatchObject({
    caller: "till00000001",
    depends: { subjects: ["certificate:spiffe://example.org/shop"] },
  });
});

it("is nobody when none of its names is bound exactly", () => {
  const { known, judged } = open();
  for (const near of ["spiffe://example.org/", "spiffe://example.org/shop/", "SHOP.example", "*.example"])
    known.bindings.set(`certificate:${near}`, "shop00000001");
  known.bindings.set("oidc:certificate:shop.example", "shop00000001");
  expect(judged()).toEqual({ code: "CREDENTIAL_INVALID" });
});

it.each([
  ["URI:shop.example", "shop.example", "DNS:shop.example"],
  ["DNS:spiffe://example.org/shop", "spiffe://example.org/shop", "URI:spiffe://example.org/shop"],
])("%s is not whom %s is bound to, and %s is", (other, bound, right) => {
  for (const [names, expected] of [
    [other, { code: "CREDENTIAL_INVALID" }],
    [right, { caller: "shop00000001" }],
    [`${other},${right}`, { caller: "shop00000001", depends: { subjects: [`certificate:${bound}`] } }],
  ] as const) {
    const { known, judged } = open(new X509Certificate(readFileSync(AUTHORITY.issue(names).certFile)));
    known.bindings.set(`certificate:${bound}`, "shop00000001");
    expect(judged(), names).toMatchObject(expected);
  }
});

it("is refused with its principal, and when nobody can say who that is", () => {
  const { known, judged } = open();
  known.bindings.set("certificate:spiffe://example.org/shop", "shop00000001");
  known.bindings.set("certificate:shop.example", "till00000001");
  known.putPrincipal({ disabled: true });
  expect(judged()).toEqual({ code: "CREDENTIAL_REVOKED" });
  known.principals.delete("shop00000001");
  expect(judged()).toEqual({ code: "CREDENTIAL_REVOKED" });
});

it("is refused before and after its time", () => {
  const { clock, known, judged } = open();
  known.bindings.set("certificate:shop.example", "shop00000001");
  clock.advance(3 * DAY_MS);
  expect(judged()).toEqual({ code: "CREDENTIAL_EXPIRED" });
  clock.advance(-10 * DAY_MS);
  expect(judged()).toEqual({ code: "CREDENTIAL_INVALID" });
});
