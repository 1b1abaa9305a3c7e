/** The tables [[oidc]] of the configuration file: what they become, and what is told of mistakes in them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { type ConfigError, loadConfig } from "../../../src/config.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-oidc-"));
afterAll(() => rmSync(folder, { recursive: true }));

function load(toml: string) {
  const config = join(folder, "tally.toml");
  writeFileSync(config, toml);
  return loadConfig({ flags: { config }, env: {} }).config;
}

const CORP = `[[oidc]]
alias = "corp"
issuer = "https://login.example/realms/corp"
audience = "tally"
`;
const GRANT = `[[oidc.grant]]
claim = "groups"
has = "a"
`;

it("are none without a file", () => {
  expect(loadConfig({ flags: {}, env: {} }).config.oidc).toEqual([]);
});

it("have defaults for what is left out", () => {
  expect(load(CORP).oidc).toEqual([
    {
      alias: "corp",
      issuer: "https://login.example/realms/corp",
      audiences: ["tally"],
      algorithms: ["RS256", "ES256", "EdDSA", "PS256"],
      tokenType: undefined,
      clockToleranceMs: 60_000,
      rules: [],
    },
  ]);
});

it("are what is said in them", () => {
  const more = `algorithms = ["ES384"]
token-type = "at+jwt"
clock-tolerance = "0s"
${GRANT}grants = ["read@a.", "increment@=b"]
[[oidc.grant]]
claim = ["realm_access", "roles"]
has = "b"
grants = ["all@"]
[[oidc]]
alias = "local"
issuer = "http://127.0.0.1:8443"
audience = ["a", "b"]
`;
  expect(load(CORP + more).oidc).toMatchObject([
    {
      ...{ algorithms: ["ES384"], tokenType: "at+jwt", clockToleranceMs: 0 },
      rules: [
        {
          ...{ claim: ["groups"], has: "a" },
          grants: [
            { permissions: 1, prefix: "a." },
            { permissions: 2, name: "b" },
          ],
        },
        { claim: ["realm_access", "roles"], has: "b", grants: [{ permissions: 255, prefix: "" }] },
      ],
    },
    { alias: "local", issuer: "http://127.0.0.1:8443", audiences: ["a", "b"] },
  ]);
});

const without = (field: string) => CORP.replace(new RegExp(`^${field}.*\n`, "m"), "");
const issuer = (url: string) => CORP.replace("https://login.example/realms/corp", url);

it.each<[string, string, string]>([
  ["no tables", 'oidc = "https://login.example"', "oidc: Invalid input: expected array"],
  ["no alias", without("alias"), "oidc (table 1) alias: Invalid input: expected string"],
  ["no issuer", without("issuer"), "oidc (table 1) issuer: Invalid input: expected string"],
  ["no audience", without("audience"), "oidc (table 1) audience: Invalid input"],
  ["a long alias", CORP.replace("corp", "c".repeat(33)), "oidc (table 1) alias: expected 1 to 32 characters"],
  ["another field", `${CORP}jwks-uri = "x"`, 'oidc (table 1): Unrecognized key: "jwks-uri"'],
  ["another field of a grant", `${CORP}${GRANT}grants = ["read@"]\nnot = "b"`, 'Unrecognized key: "not"'],
  ["HS256", `${CORP}algorithms = ["RS256", "HS256"]`, "oidc (table 1) algorithms 1: Invalid option"],
  ["none", `${CORP}algorithms = ["none"]`, "oidc (table 1) algorithms 0: Invalid option"],
  ["no algorithm", `${CORP}algorithms = []`, "oidc (table 1) algorithms: Too small"],
  [
    "an hour",
    `${CORP}clock-tolerance = "1h"`,
    "oidc (table 1) clock-tolerance: expected a duration from 0s to 10m",
  ],
  [
    "a bad grant",
    `${CORP}${GRANT}grants = ["read@shop"]`,
    'oidc (table 1) grant 0 grants: "read@shop" must have a prefix',
  ],
  ["no grants", `${CORP}${GRANT}grants = []`, "oidc (table 1) grant 0 grants: Too small"],
  ["plaintext", issuer("http://login.example"), "oidc (table 1) issuer: expected a URL with https"],
  [
    "a name like this machine's",
    issuer("http://localhost.evil.example"),
    "issuer: expected a URL with https",
  ],
  ["a query", issuer("https://login.example/?a"), "issuer: expected a URL with https"],
  ["a password", issuer("https://a:secret@login.example"), "issuer: expected a URL with https"],
  ["no URL", issuer("login.example"), "issuer: expected a URL with https"],
  ["the same alias", CORP + issuer("https://b.example"), 'oidc: two have the alias "corp"'],
  ["the same issuer", CORP + CORP.replace('"corp"', '"b"'), 'oidc: two have the issuer "https://login'],
])("with %s are refused", (_, toml, why) => {
  let error: ConfigError | undefined;
  try {
    load(toml);
  } catch (thrown) {
    error = thrown as ConfigError;
  }
  expect(error).toMatchObject({ name: "ConfigError", origin: "file", message: expect.stringContaining(why) });
  expect(error!.message).toContain(`(in the file ${folder}`);
  expect(error!.message).not.toContain("secret");
});
