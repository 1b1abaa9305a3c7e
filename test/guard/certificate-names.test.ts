/** The names in certificates as openssl makes them, and in texts that no certificate has. */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { afterAll, describe, expect, it } from "vitest";
import { certificateNames } from "../../src/guard/certificate-names.ts";
import { authority } from "../support/certificates.ts";

const AUTHORITY = authority();
afterAll(() => AUTHORITY[Symbol.dispose]());

/** What Node.js says of a certificate with these names, in openssl's words. */
function said(names: string): string | undefined {
  return new X509Certificate(readFileSync(AUTHORITY.issue(names).certFile)).subjectAltName;
}

describe("the names of a certificate", () => {
  it.each<[string, string[]]>([
    ["URI:spiffe://example.org/shop", ["spiffe://example.org/shop"]],
    ["DNS:shop.example", ["shop.example"]],
    ["DNS:b.example,URI:spiffe://a/b,IP:127.0.0.1,DNS:A.example", ["spiffe://a/b", "b.example", "A.example"]],
    ["URI:shop.example.org,DNS:spiffe://example.org/shop", []], // Neither is of the kind that it looks like.
    ["URI:shop.example.org,DNS:shop.example.org", ["shop.example.org"]],
    ["URI:urn:uuid:0", []],
    ["IP:127.0.0.1", []],
    ["email:shop@example.org", []],
    ["RID:1.2.3.4", []],
    ["otherName:1.2.3.4;UTF8:shop,DNS:a", ["a"]],
  ])("%s", (names, found) => {
    expect(certificateNames(said(names))).toEqual(found);
  });

  it.each([
    ["spiffe://a,DNS:root.example", ["spiffe://a,DNS:root.example"]],
    ["spiffe://a, DNS:root.example", []], // It has a space, and nothing with one can be bound.
    ["spiffe://a'b", ["spiffe://a'b"]],
    ["shop.example,x", []], // Looks like no URI, quoted or not.
  ])("with %s in it is one name, and not what stands behind the comma", (name, found) => {
    const at = (file: string) => join(AUTHORITY.folder, file);
    writeFileSync(
      at("odd.cnf"),
      `[req]\ndistinguished_name=dn\n[dn]\n[odd]\nsubjectAltName=@san\n[san]\nURI.1="${name}"\n`,
    );
    const args = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-subj",
      "/CN=odd",
    ];
    const files = [
      "-config",
      at("odd.cnf"),
      "-extensions",
      "odd",
      "-out",
      at("odd.pem"),
      "-keyout",
      at("odd.key"),
    ];
    execFileSync("openssl", [...args, ...files], { stdio: "pipe" });
    const { subjectAltName } = new X509Certificate(readFileSync(at("odd.pem")));
    expect(subjectAltName).toBe(`URI:${written(name)}`);
    expect(certificateNames(subjectAltName)).toEqual(found);
  });

  it.each([
    "DNS:a,DNS:b",
    "DNS:a, ",
    "DNS:a, DNS",
    'DNS:a"b',
    'DNS:"a',
    'DNS:"a"b, DNS:c',
    'DNS:"a\\x", DNS:c',
    "DNS:a\\b",
    ", DNS:a",
    ":a",
    "DNS:a, , DNS:b",
  ])("are none when it is %j", (text) => {
    expect(certificateNames(text)).toEqual([]);
  });

  it("are none when it has none", () => {
    expect(certificateNames(undefined)).toEqual([]);
    expect(certificateNames("")).toEqual([]);
  });
});

/** As Node.js writes a name: src/crypto/crypto_common.cc, PrintAltName. */
const written = (name: string) =>
  /[",\\']/.test(name) ? JSON.stringify(name).replaceAll(",", "\\u002c") : name;

test.prop([
  fc.array(
    fc.tuple(
      fc.constantFrom("DNS", "URI", "email", "IP Address"),
      fc.stringMatching(/^[!-~ ]{0,6}(:\/\/)?[!-~ ]{0,6}$/),
    ),
  ),
])("each is what was signed, however it looks, and of the kind that it looks like", (entries) => {
  const plain = entries.filter(([, name]) => !/^ | $|, /.test(name) || /[",\\']/.test(name));
  const text = plain.map(([kind, name]) => `${kind}:${written(name)}`).join(", ");
  const of = (wanted: string) =>
    plain
      .filter(([kind, name]) => kind === wanted && /^[!-~]+$/.test(name))
      .map(([, name]) => name)
      .filter((name) => (wanted === "URI") === name.includes("://"));
  expect(certificateNames(text)).toEqual([...of("URI"), ...of("DNS")]);
});
