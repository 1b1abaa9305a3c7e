/** `tally token mint`: what it signs is good, and what would not be is told before. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { apiKeyToText, newApiKey } from "../../src/guard/api-key.ts";
import { capabilityKeyOf } from "../../src/guard/capability-key.ts";
import { openTokens } from "../../src/guard/tokens/verifier.ts";
import { SYSTEM_CLOCK } from "../../src/system-clock.ts";
import { grantsOf, HandKnown } from "../guard/tokens/known.ts";
import { folder, tally } from "./cli.ts";

const KEY = newApiKey(randomBytes);
const TEXT = apiKeyToText(KEY);

/** What a server says of a token. */
function judged(token: string) {
  const known = new HandKnown();
  known.keys.set(KEY.id, { principalId: "shop00000001", publicKey: capabilityKeyOf(KEY.secret).publicKey });
  const options = { known: () => known, clock: SYSTEM_CLOCK, log: () => {}, seed: 1 };
  return openTokens(options).verify(token, "192.0.2.1");
}

const mint = (args: readonly string[], env: NodeJS.ProcessEnv = { TALLY_API_KEY: TEXT }) =>
  tally(["token", "mint", ...args], { env });

it("prints the token alone, which may what was said", async () => {
  const file = join(folder(), "shop.key");
  writeFileSync(file, `${TEXT}\n`, { mode: 0o600 });
  const grants = ["--allow", "increment,create@=page.views", "--allow", "read@page. read@=a"];
  const narrow = ["--max-amount", "9223372036854775807", "--sub", "v 1", "--rate", "5/s", "--burst", "7"];
  const origins = ["--origin", "https://shop.example", "--origin", "http://localhost:3000"];
  const before = Date.now();
  const ran = await mint(["--api-key-file", file, "--ttl", "24h", ...grants, ...narrow, ...origins], {});
  expect(ran.code).toBe(EXIT.OK);
  expect(ran.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]{86}\n$/);
  expect(ran.stderr).toMatch(
    /^It is good until 20\S+Z, as long as the key \w{12} is, and may what the key may too\.\n$/,
  );
  const said = await judged(ran.stdout.trim());
  expect(said).toMatchObject({
    callerName: "shop/v%201",
    keyId: KEY.id,
    grants: grantsOf("increment,create@=page.views", "read@page.", "read@=a"),
    amountMax: 2n ** 63n - 1n,
    rate: { calls: 5, callsBurst: 7 },
    origins: ["https://shop.example", "http://localhost:3000"],
  });
  const { expireTimeMs } = said as { expireTimeMs: number };
  expect(expireTimeMs - before).toBeGreaterThan(86_400_000 - 1_001);
  expect(expireTimeMs - before).toBeLessThan(86_400_000 + 60_000);
});

it("says nothing else when it is to be quiet", async () => {
  const ran = await mint(["--allow", "read@", "--ttl", "30d", "-q"]);
  expect([ran.code, ran.stderr]).toEqual([EXIT.OK, ""]);
  expect(await judged(ran.stdout.trim())).toMatchObject({ callerName: "shop" });
});

it.each<[string, readonly string[], NodeJS.ProcessEnv | undefined, number, RegExp]>([
  ["no key", [], {}, EXIT.USAGE, /signed with an API key, and none was given/],
  [
    "half a key",
    [],
    { TALLY_API_KEY: TEXT.slice(0, -1) },
    EXIT.CONFIG,
    /is no API key of Tally, or not all of one/,
  ],
  [
    "set",
    ["--allow", "set@=a"],
    undefined,
    EXIT.USAGE,
    /^tally: --allow may have read, increment and decrement/,
  ],
  ["create on a prefix", ["--allow", "create@a."], undefined, EXIT.USAGE, /^tally: --allow may have read/],
  [
    "no grant",
    ["--allow", "read"],
    undefined,
    EXIT.USAGE,
    /^tally: --allow has a grant that must be PERMISSIONS@PREFIX/,
  ],
  ["31 days", ["--ttl", "31d"], undefined, EXIT.USAGE, /from 1s to 30d/],
  ["amount 0", ["--max-amount", "0"], undefined, EXIT.USAGE, /^tally: --max-amount must be a whole number/],
  ["a long sub", ["--sub", "x".repeat(65)], undefined, EXIT.USAGE, /^tally: --sub must be 1 to 64 bytes/],
  ["no origin", ["--origin", "shop.example"], undefined, EXIT.USAGE, /^tally: --origin must be a list/],
  ["a rate of minutes", ["--rate", "5/m"], undefined, EXIT.USAGE, /--rate/],
  ["a burst alone", ["--burst", "5"], undefined, EXIT.USAGE, /--burst is of a rate/],
])("is refused with %s, and without the key in it", async (_, more, env, code, why) => {
  const ran = await mint(["--allow", "read@", "--ttl", "1h", ...more], env);
  expect([ran.code, ran.stdout]).toEqual([code, ""]);
  expect(ran.stderr).toMatch(why);
  expect(ran.stderr).not.toContain(TEXT.slice(20, 40));
});
