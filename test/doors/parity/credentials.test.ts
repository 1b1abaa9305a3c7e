/**
 * Goal: no credential opens what it is not for, whatever the RPC and the door, and each refusal has the reason that is its
 * own.
 *
 * Method: the guard of the product over every RPC about counters, from the descriptors, at every door, with a credential
 * required and with one optional, by every kind of caller and credential; then that what has the right is answered.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { PERMISSION_WORDS, Permission, permissionsToText } from "../../../src/core/permissions.ts";
import { DEFAULTS } from "../../../src/core/settings.ts";
import { apiKeyFromText } from "../../../src/guard/api-key.ts";
import { createKey, revokeKey } from "../../../src/guard/keys.ts";
import { updatePrincipal } from "../../../src/guard/principals.ts";
import { mintCapability } from "../../../src/guard/tokens/mint.ts";
import { openTokens } from "../../../src/guard/tokens/verifier.ts";
import { toBatch } from "../../../src/service/call.ts";
import { Policies } from "../../../src/service/policies.ts";
import { permissionOf } from "../../../src/transports/calls/permissions.ts";
import { bearer, type Guarded, grantsOf, guarded, ok } from "../../guard/guarded.ts";
import { create, remove, single } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { type Opened, open } from "../../transports/door.ts";
import { METHODS, REQUESTS } from "./counter-requests.ts";
import { methodOf } from "./door.ts";
import { everyDoorOf, type Headers } from "./with-headers.ts";

/** Of BatchApply each operation asks for its own: here they increment. */
const neededBy = (method: string) =>
  method === "BatchApply" ? Permission.INCREMENT : permissionOf(methodOf(method));

/** What a capability token can say at all. */
const IN_TOKENS = Permission.READ | Permission.INCREMENT | Permission.DECREMENT;

/** What is told of a caller, and about which counter. */
type Row = readonly [who: string, headers: Headers, name: string, said: string];

let all = 0;

describe.each(["required", "optional"] as const)("while a credential is %s", (mode) => {
  it.each(METHODS)("%s is answered to who may, and to nobody else", async (method) => {
    using it_ = await guardedByAll(mode);
    const { authorise } = it_.guard;
    await using opened = await open({ authorise, authenticates: true, clock: it_.clock });
    const before = await fill(opened);
    const { refused, answered } = await rowsOf(it_, method, mode);
    let calls = 0;
    const tell = async (rows: readonly Row[], prepare: () => Promise<unknown>) => {
      for (const door of everyDoorOf(method)) {
        for (const [who, headers, name, wanted] of rows) {
          await prepare();
          const { said } = await door.call(opened, method, REQUESTS[method]!(name), headers);
          expect(said, `${door.name}: ${who} on ${name}`).toBe(wanted);
          calls++;
        }
      }
    };
    await tell(refused, async () => {});
    expect(await valuesIn(opened)).toEqual(before);
    await tell(await answered(), async () => {
      if (method === "CreateCounter") await opened.store.commit(toBatch([single(remove("shop.new"))]));
      else await fill(opened);
    });
    all += calls;
  });
});

it("that was every RPC, at every door, by every caller", () => {
  expect(all).toBeGreaterThan(7_000);
});

/** A guard of keys, the root key and capability tokens. */
async function guardedByAll(mode: "required" | "optional"): Promise<Guarded> {
  const clock = new HandClock();
  const it_ = await guarded({
    ...{ mode, clock, rootKeyFile: ROOT_KEY_FILE },
    tokens: (now) => openTokens({ known: () => now.directory, clock, log: () => {}, seed: 1 }),
  });
  return { ...it_, clock };
}

/** Who is refused, and once they were all refused: who is answered. */
async function rowsOf(it_: Guarded, method: string, mode: "required" | "optional") {
  const needed = neededBy(method);
  const word = permissionsToText(needed);
  const others = PERMISSION_WORDS.map(([each, bit]) => [each, bit] as const)
    .filter(([, bit]) => bit !== needed && bit < Permission.OBSERVE)
    .map(([each]) => each)
    .join(",");
  const name = method === "CreateCounter" ? "shop.new" : "shop.there";
  const right = await it_.principal("right", `${word}@shop.`);
  const [other, little, narrow, all] = [
    await it_.principal("other", "all@else."),
    await it_.principal("little", `${others}@shop.`, "all@else."),
    await it_.principal("narrow", `${word}@=shop.`, "all@shop.there."),
    await it_.principal("all", "all@"),
  ];
  const [revoked, disabled] = [
    await it_.principal("revoked", "all@"),
    await it_.principal("disabled", "all@"),
  ];
  const late = await it_.principal("late", "all@");
  ok(await revokeKey(it_.changes, revoked.keyId));
  ok(await updatePrincipal(it_.changes, "disabled", { disabled: true }));
  const short = ok(
    await createKey(it_.changes, "late", { description: "", ttlMs: 60_000 }, randomBytes),
  ).text;
  const token = (key: string, allow: string, more: object = {}) =>
    mintCapability(apiKeyFromText(key)!, {
      ...{ iss: "tally", exp: Math.floor(it_.clock.now() / 1_000) + 3_600, allow: [allow] },
      ...more,
    });
  it_.clock.wallMs += 60_000;
  using elsewhere = await guarded();
  const foreign = await elsewhere.principal("right", "all@");

  const refused: Row[] = [
    ...(mode === "required" ? [["nobody", {}, name, "CREDENTIAL_MISSING"] as const] : []),
    ["something malformed", bearer("tally_x"), name, "CREDENTIAL_INVALID"],
    ["another scheme", { authorization: `Basic ${right.key}` }, name, "CREDENTIAL_INVALID"],
    ["two", bearer(`${right.key}, Bearer ${all.key}`), name, "CREDENTIAL_AMBIGUOUS"],
    ["the same twice", bearer(`${right.key},Bearer ${right.key}`), name, "CREDENTIAL_AMBIGUOUS"],
    ["a key of another store", bearer(foreign.key), name, "CREDENTIAL_INVALID"],
    ["a wrong key in x-api-key", { "x-api-key": "tally_x" }, name, "CREDENTIAL_INVALID"],
    ["two, in both headers", { ...bearer(all.key), "x-api-key": all.key }, name, "CREDENTIAL_AMBIGUOUS"],
    ["a revoked key", bearer(revoked.key), name, "CREDENTIAL_REVOKED"],
    ["an expired key", bearer(short), name, "CREDENTIAL_EXPIRED"],
    ["who is disabled", bearer(disabled.key), name, "CREDENTIAL_REVOKED"],
    ["who has another prefix", bearer(other.key), name, "PERMISSION_DENIED"],
    ["who has another prefix", bearer(other.key), "shop.missing", "PERMISSION_DENIED"],
    ["who may all but this", bearer(little.key), name, "PERMISSION_DENIED"],
    [
      "who has a name that is shorter, and a prefix that is longer",
      bearer(narrow.key),
      name,
      "PERMISSION_DENIED",
    ],
    ["who has a prefix", bearer(right.key), "shopping", "PERMISSION_DENIED"],
    ["who has a prefix", bearer(right.key), "shop", "PERMISSION_DENIED"],
    ["who has a prefix", bearer(right.key), "Shop.there", "PERMISSION_DENIED"],
    ["a token of a revoked key", bearer(await token(revoked.key, "read@")), name, "CREDENTIAL_REVOKED"],
    ["a token of who is disabled", bearer(await token(disabled.key, "read@")), name, "CREDENTIAL_REVOKED"],
    [
      "a token wider than its principal",
      bearer(await token(other.key, "read,increment,decrement@")),
      name,
      "PERMISSION_DENIED",
    ],
    [
      "a token for another prefix",
      bearer(await token(all.key, "read,increment,decrement@else.")),
      name,
      "PERMISSION_DENIED",
    ],
    ["a token beyond what tokens may", bearer(await token(all.key, "set@shop.")), name, "CREDENTIAL_INVALID"],
  ];
  if ((needed & IN_TOKENS) === 0)
    refused.push([
      "a token",
      bearer(await token(all.key, "read,increment,decrement@")),
      name,
      "PERMISSION_DENIED",
    ]);
  const answered: Row[] = [
    ["who may just this", bearer(right.key), name, "OK"],
    ["who may just this, by x-api-key", { "x-api-key": right.key }, name, "OK"],
    ["who may everything", bearer(all.key), name, "OK"],
    ["another key of theirs", bearer(late.key), name, "OK"],
    ["the holder of the root key", bearer(ROOT_KEY), name, "OK"],
    ["nobody", {}, name, "OK"],
  ];
  if ((needed & IN_TOKENS) !== 0)
    answered.push(["a token", bearer(await token(right.key, `${word}@shop.`)), name, "OK"]);
  return {
    refused,
    async answered() {
      ok(await updatePrincipal(it_.changes, "anonymous", { grants: grantsOf(`${word}@shop.`) }));
      return answered;
    },
  };
}

const ROOT_KEY = "r".repeat(40);
const folder = await mkdtemp(join(tmpdir(), "tally-credentials-"));
const ROOT_KEY_FILE = join(folder, "root.key");
await writeFile(ROOT_KEY_FILE, ROOT_KEY);
afterAll(() => rm(folder, { recursive: true }));

/** What requests are about; made once more where it is gone. */
async function fill(opened: Opened): Promise<Record<string, bigint>> {
  for (const name of ["shop.there", "else.there", "shopping"])
    await opened.store.commit(toBatch([single(create(name, { value: 3n, max: 999n }))]));
  await new Policies(opened.store.catalogue!).set("shop.there", DEFAULTS, "enforce");
  return valuesIn(opened);
}

async function valuesIn({ store }: Opened): Promise<Record<string, bigint>> {
  const { counters } = await store.list({ prefix: "", labels: {} }, "", 100);
  return Object.fromEntries(counters.map(({ name, value }) => [name, value]));
}
