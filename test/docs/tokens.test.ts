/** docs/tokens.md works: what it signs in Python is a token that is good, and says what it was told to. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { apiKeyToText, newApiKey } from "../../src/guard/api-key.ts";
import { capabilityKeyOf } from "../../src/guard/capability-key.ts";
import { openTokens } from "../../src/guard/tokens/verifier.ts";
import { SYSTEM_CLOCK } from "../../src/system-clock.ts";
import { grantsOf, HandKnown } from "../guard/tokens/known.ts";
import { describeWith, pythonModules } from "../support/needs.ts";
import { blocksOf } from "./markdown.ts";

const blocks = blocksOf(readFileSync(path.resolve(import.meta.dirname, "../../docs/tokens.md"), "utf8"));
const codeIn = (language: string) => blocks.find((block) => block.language === language)!.code;

describeWith(
  [pythonModules(["jwt", "cryptography"], ["pyjwt", "cryptography"])],
  "the Python of docs/tokens.md",
  () => {
    it("signs a token that is good", async () => {
      const key = newApiKey(randomBytes);
      const known = new HandKnown();
      known.keys.set(key.id, {
        principalId: "shop00000001",
        publicKey: capabilityKeyOf(key.secret).publicKey,
      });
      const folder = mkdtempSync(path.join(tmpdir(), "tally-tokens-"));
      try {
        writeFileSync(path.join(folder, "shop.key"), `${apiKeyToText(key)}\n`);
        const token = execFileSync("python3", ["-c", codeIn("python")], {
          cwd: folder,
          encoding: "utf8",
        }).trim();
        const options = { known: () => known, clock: SYSTEM_CLOCK, log: () => {}, seed: 1 };
        expect(await openTokens(options).verify(token, "192.0.2.1")).toMatchObject({
          callerName: "shop/visitor-7",
          keyId: key.id,
          grants: grantsOf("increment,create@=shop.views"),
          amountMax: 1n,
        });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  },
);

describe("the settings of docs/tokens.md", () => {
  it.each(
    blocks.filter(({ language }) => language === "toml").map(({ line, code }) => [line, code] as const),
  )("at line %d can be used", (_, code) => {
    const folder = mkdtempSync(path.join(tmpdir(), "tally-tokens-"));
    const config = path.join(folder, "tally.toml");
    writeFileSync(config, code);
    expect(loadConfig({ flags: { config }, env: {} }).config.auth).toBe("required");
    rmSync(folder, { recursive: true });
  });
});
