/** When API keys were last used: what counts as a use, to the hour, and that none is lost but by a kill. */

import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { TallyError } from "../../src/core/errors.ts";
import { apiKeyFromText } from "../../src/guard/api-key.ts";
import { capabilityKeyOf } from "../../src/guard/capability-key.ts";
import type { Directory } from "../../src/guard/directory.ts";
import type { GuardOptions } from "../../src/guard/guard.ts";
import { createKey, revokeKey } from "../../src/guard/keys.ts";
import { LastUses } from "../../src/guard/last-uses.ts";
import { deletePrincipal, updatePrincipal } from "../../src/guard/principals.ts";
import { openTokens } from "../../src/guard/tokens/verifier.ts";
import type { KeyUses } from "../../src/service/store-key-uses.ts";
import { CatalogueInMemory } from "../../src/stores/memory/catalogue.ts";
import { HandClock } from "../support/clock.ts";
import { bearer, guarded, ok } from "./guarded.ts";
import { sign } from "./tokens/known.ts";

const HOUR = 3_600_000;
const FIVE_MINUTES = 300_000;
/** When a HandClock begins. */
const MIDNIGHT = Date.UTC(2026, 0, 1);

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

/** Keeps what is noted, and tells of each note. */
class Told implements KeyUses {
  readonly notes: Record<string, number>[] = [];
  readonly #kept: KeyUses;
  /** What the next notes come to. */
  before: (() => Promise<void>) | undefined;

  constructor(
    kept: KeyUses = new CatalogueInMemory(
      () => {},
      () => 0,
    ).keyUses,
  ) {
    this.#kept = kept;
  }

  async note(hours: ReadonlyMap<string, number>): Promise<void> {
    this.notes.push(Object.fromEntries(hours));
    await this.before?.();
    await this.#kept.note(hours);
  }

  read(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#kept.read(keyIds);
  }
}

async function open(options: Partial<GuardOptions> = {}, catalogue?: CatalogueInMemory) {
  const keyUses = new Told(catalogue?.keyUses);
  const it = await guarded({ keyUses, ...options }, catalogue);
  const lastUse = async (keyId: string) => (await it.guard.administration.lastUsesOf([keyId])).get(keyId);
  return { it, keyUses, lastUse };
}

/** Five minutes later. */
const due = () => vi.advanceTimersByTimeAsync(FIVE_MINUTES);

it("the first call with a key is a use of it, and so is one whose key is known already", async () => {
  const { it: here, lastUse } = await open();
  using _ = here;
  const { key, keyId } = await here.principal("shop", "read@");
  expect(await lastUse(keyId), "not since it was made").toBeUndefined();
  here.clock.wallMs += HOUR - 1;
  await here.permit(bearer(key));
  expect(await lastUse(keyId)).toBe(MIDNIGHT);
  here.clock.wallMs += 1;
  await here.permit(bearer(key));
  expect(await lastUse(keyId), "from the cache").toBe(MIDNIGHT + HOUR);
  here.clock.wallMs += 5 * HOUR;
  await updatePrincipal(here.changes, "shop", { description: "other" });
  await here.permit(bearer(key));
  expect(await lastUse(keyId), "looked at anew").toBe(MIDNIGHT + 6 * HOUR);
});

it("a call that is refused for its credential is no use", async () => {
  const { it: here, lastUse, keyUses } = await open();
  using _ = here;
  const [bad, other] = [await here.principal("bad", "read@"), await here.principal("other", "read@")];
  await here.principal("third", "read@");
  const ttl = ok(await createKey(here.changes, "third", { description: "", ttlMs: 60_000 }, randomBytes));
  const wrong = `${bad.key.slice(0, 18)}${other.key.slice(18)}`;
  await here.permit(bearer(ttl.text));
  ok(await revokeKey(here.changes, bad.keyId));
  ok(await updatePrincipal(here.changes, "other", { disabled: true }));
  here.clock.wallMs += 2 * HOUR;
  for (const key of [bad.key, other.key, wrong, ttl.text])
    expect(await here.ask(bearer(key))).toMatch(/^CREDENTIAL_/);
  expect(await Promise.all([bad.keyId, other.keyId, ttl.key.id].map(lastUse))).toEqual([
    undefined,
    undefined,
    MIDNIGHT,
  ]);
  await due();
  expect(keyUses.notes).toEqual([{ [ttl.key.id]: MIDNIGHT }]);
});

it("a token that was signed with a key is a use of it, each time", async () => {
  const clock = new HandClock();
  const { it: here, lastUse } = await open({
    clock,
    tokens: (now) => openTokens({ known: () => now.directory, clock, log: () => {}, seed: 1 }),
  });
  using _ = here;
  const { key, keyId } = await here.principal("shop", "read@");
  const { id: kid, secret } = apiKeyFromText(key)!;
  const exp = MIDNIGHT / 1_000 + 86_400;
  const claims = { iss: "tally", exp, allow: ["read@"], sub: "v1" };
  const header = { alg: "EdDSA", typ: "tally-cap+jwt", kid };
  const token = await sign(claims, header, capabilityKeyOf(secret).privateKey);
  await here.permit(bearer(token));
  expect(await lastUse(keyId)).toBe(MIDNIGHT);
  clock.wallMs += 3 * HOUR;
  await here.permit(bearer(token));
  expect(await lastUse(keyId)).toBe(MIDNIGHT + 3 * HOUR);
});

it("a call that goes on uses its key for as long as it does", async () => {
  const { it: here, keyUses } = await open();
  using _ = here;
  const { key, keyId } = await here.principal("shop", "read@");
  const { revoked } = await here.permit(bearer(key), {
    method: ServerReflection.method.serverReflectionInfo,
  });
  await due();
  here.clock.wallMs += 7 * HOUR;
  await due();
  expect(keyUses.notes).toEqual([{ [keyId]: MIDNIGHT }, { [keyId]: MIDNIGHT + 7 * HOUR }]);
  expect(revoked!.aborted).toBe(false);
});

it("all uses are written down in one go every five minutes, and none twice", async () => {
  const { it: here, keyUses } = await open();
  using _ = here;
  const [a, b] = [await here.principal("a", "read@"), await here.principal("b", "read@")];
  for (const { key } of [a, b, a]) await here.permit(bearer(key));
  await vi.advanceTimersByTimeAsync(FIVE_MINUTES - 1);
  expect(keyUses.notes).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(keyUses.notes).toEqual([{ [a.keyId]: MIDNIGHT, [b.keyId]: MIDNIGHT }]);
  for (const { key } of [a, b]) await here.permit(bearer(key));
  await due();
  expect(keyUses.notes, "in the same hour").toHaveLength(1);
  here.clock.wallMs += HOUR;
  await here.permit(bearer(b.key));
  await due();
  expect(keyUses.notes.slice(1)).toEqual([{ [b.keyId]: MIDNIGHT + HOUR }]);
});

it("what is left is written down at the stop", async () => {
  const { it: here, keyUses } = await open();
  const { key, keyId } = await here.principal("shop", "read@");
  await here.permit(bearer(key));
  await here.guard.close();
  expect(keyUses.notes).toEqual([{ [keyId]: MIDNIGHT }]);
  await due();
  expect(keyUses.notes).toHaveLength(1);
});

it("a write that failed is logged and made again, and no call hears of it", async () => {
  const { it: here, keyUses, lastUse } = await open();
  const [a, b] = [await here.principal("a", "read@"), await here.principal("b", "read@")];
  keyUses.before = () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "away"));
  await here.permit(bearer(a.key));
  await due();
  expect(here.logged).toEqual(["auth.uses_unwritten"]);
  expect(await here.ask(bearer(a.key))).toBe("a");
  await here.permit(bearer(b.key));
  expect(await lastUse(a.keyId), "is known here").toBe(MIDNIGHT);
  await due();
  expect(here.logged).toHaveLength(2);
  keyUses.before = undefined;
  await due();
  expect(keyUses.notes.at(-1)).toEqual({ [a.keyId]: MIDNIGHT, [b.keyId]: MIDNIGHT });
  await due();
  expect(keyUses.notes).toHaveLength(3);
  keyUses.before = () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "away"));
  here.clock.wallMs += HOUR;
  await here.permit(bearer(a.key));
  await here.guard.close();
  expect(here.logged, "at the stop as well").toHaveLength(3);
});

it("of two instances the later use stays, whoever writes last", async () => {
  const catalogue = new CatalogueInMemory(
    () => {},
    () => 0,
  );
  const [one, two] = [await open({}, catalogue), await open({}, catalogue)];
  using _ = one.it;
  const { key, keyId } = await one.it.principal("shop", "read@");
  await two.it.guard.current.refresh();
  two.it.clock.wallMs += 2 * HOUR;
  await one.it.permit(bearer(key));
  await two.it.permit(bearer(key));
  expect(await one.lastUse(keyId), "the other has not told yet").toBe(MIDNIGHT);
  await two.it.guard.close();
  expect(await one.lastUse(keyId)).toBe(MIDNIGHT + 2 * HOUR);
  await one.it.guard.close();
  expect((await catalogue.keyUses.read([keyId])).get(keyId)).toBe(MIDNIGHT + 2 * HOUR);
});

it("of a key that is gone nothing stays, and nothing comes back", async () => {
  const catalogue = new CatalogueInMemory(
    () => {},
    () => 0,
  );
  const { it: here, keyUses } = await open({}, catalogue);
  using _ = here;
  const { key, keyId } = await here.principal("shop", "read@");
  await here.permit(bearer(key));
  await due();
  here.clock.wallMs += HOUR;
  await here.permit(bearer(key)); // Not written down yet.
  await deletePrincipal(here.changes, "shop");
  await due();
  expect([...(await catalogue.keyUses.read([keyId]))]).toEqual([]);
  expect(keyUses.notes).toHaveLength(1);
});

it("where it is not kept nothing is known, and nothing is refused", async () => {
  using here = await guarded({ keyUses: undefined });
  const { key, keyId } = await here.principal("shop", "read@");
  await here.permit(bearer(key));
  await due();
  expect((await here.guard.administration.lastUsesOf([keyId])).size).toBe(0);
  expect(here.logged).toEqual([]);
});

/** Without a guard: of keys that are all there. */
function lastUses(keyUses: KeyUses) {
  const directory = { keyById: () => ({}) } as unknown as Directory;
  return new LastUses({ keyUses, directory: () => directory, log: () => {}, beforeWrite() {} });
}

it("of many a thousand are written at once, and those that were are not again after a failure", async () => {
  const keyUses = new Told();
  const uses = lastUses(keyUses);
  for (let n = 0; n < 2_500; n++) uses.note(`key${n}`, MIDNIGHT);
  keyUses.before = async () => {
    if (keyUses.notes.length === 2) throw new TallyError("STORE_UNAVAILABLE", "away");
  };
  await due();
  await due();
  await uses.close();
  expect(keyUses.notes.map((note) => Object.keys(note).length)).toEqual([1_000, 1_000, 1_000, 500]);
  expect(keyUses.notes[2]).toEqual(keyUses.notes[1]);
});

it("a use during a write is not lost to it, nor from sight", async () => {
  const keyUses = new Told();
  const uses = lastUses(keyUses);
  const { promise, resolve } = Promise.withResolvers<void>();
  keyUses.before = () => promise;
  uses.note("a", MIDNIGHT);
  uses.note("b", MIDNIGHT);
  await due();
  uses.note("a", MIDNIGHT + HOUR);
  const [reading, closing] = [uses.of(["a", "b"]), uses.close()];
  resolve();
  expect(Object.fromEntries(await reading)).toEqual({ a: MIDNIGHT + HOUR, b: MIDNIGHT });
  await closing;
  expect(keyUses.notes).toEqual([{ a: MIDNIGHT, b: MIDNIGHT }, { a: MIDNIGHT + HOUR }]);
});

it("a use that is written down while it is asked for is not lost from sight", async () => {
  const keyUses = new Told();
  const uses = lastUses(keyUses);
  const { promise, resolve } = Promise.withResolvers<ReadonlyMap<string, number>>();
  keyUses.read = () => promise;
  uses.note("a", MIDNIGHT);
  const reading = uses.of(["a"]);
  await due();
  expect(keyUses.notes).toHaveLength(1);
  resolve(new Map()); // As it was before.
  expect(Object.fromEntries(await reading)).toEqual({ a: MIDNIGHT });
  await uses.close();
});

it("a clock that goes back takes no use back", async () => {
  const keyUses = new Told();
  const uses = lastUses(keyUses);
  expect(uses.note("a", MIDNIGHT + 90 * 60_000)).toBe(MIDNIGHT + 2 * HOUR);
  expect(uses.note("a", MIDNIGHT + 1)).toBe(MIDNIGHT + HOUR);
  await uses.close();
  expect(keyUses.notes).toEqual([{ a: MIDNIGHT + HOUR }]);
});
