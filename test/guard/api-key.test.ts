import { randomBytes } from "node:crypto";
import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { apiKeyFromText, apiKeyToText, isKeyOf, keptOf, newApiKey } from "../../src/guard/api-key.ts";
import { capabilityKeyOf } from "../../src/guard/capability-key.ts";

const SECRETS = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

it("is 69 letters and digits behind its prefix, and comes back from its text", () => {
  void fc.assert(
    fc.property(SECRETS, (secret) => {
      const text = apiKeyToText({ id: "0123456789ab", secret });
      expect(text).toMatch(/^tally_0123456789ab_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
      expect(apiKeyFromText(text)).toEqual({ id: "0123456789ab", secret });
    }),
  );
});

it("the smallest and the largest secret have texts, and what is beyond them is none", () => {
  const [least, most] = [Buffer.alloc(32), Buffer.alloc(32, 255)];
  const textOf = (secret: Buffer) => apiKeyToText({ id: "0".repeat(12), secret });
  expect(apiKeyFromText(textOf(least))?.secret).toEqual(least);
  expect(apiKeyFromText(textOf(most))?.secret).toEqual(most);
  expect(textOf(least).slice(19, 62)).toBe("0".repeat(43));
  expect(
    apiKeyFromText(`${textOf(most).slice(0, 19)}${"z".repeat(43)}${textOf(most).slice(62)}`),
  ).toBeUndefined();
});

it("one with another character anywhere is none", () => {
  const text = apiKeyToText(newApiKey(randomBytes));
  for (let i = 0; i < text.length; i++) {
    for (const other of ["a", "B", "_", " ", "é"]) {
      if (text[i] !== other)
        expect(apiKeyFromText(text.slice(0, i) + other + text.slice(i + 1)), `${i} ${other}`).toBeUndefined();
    }
    expect(apiKeyFromText(text.slice(0, i)), `cut at ${i}`).toBeUndefined();
  }
  expect(apiKeyFromText(`${text}0`)).toBeUndefined();
  expect(apiKeyFromText(`${text}\n`)).toBeUndefined();
});

it("what is kept of it tells it from others, and is not its secret", () => {
  const [one, other] = [newApiKey(randomBytes), newApiKey(randomBytes)];
  const kept = keptOf(one);
  expect(isKeyOf(one, kept)).toBe(true);
  expect(isKeyOf(other, kept)).toBe(false);
  expect(kept.publicKey).toBe(capabilityKeyOf(one.secret).publicKey);
  expect([kept.sha256.toString("hex"), kept.publicKey]).not.toContain(one.secret.toString("hex"));
});
