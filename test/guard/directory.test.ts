/** The directory: what cannot be read stands for nobody, and what is written step by step is what is read at once. */
import { randomBytes } from "node:crypto";
import { fc } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import type { CatalogueEntry, CatalogueKind } from "../../src/core/catalogue.ts";
import { Grants } from "../../src/core/grants.ts";
import { createBinding, deleteBinding } from "../../src/guard/bindings.ts";
import { Directory } from "../../src/guard/directory.ts";
import { bindingKeyOf } from "../../src/guard/entries.ts";
import { createKey, revokeKey } from "../../src/guard/keys.ts";
import { createPrincipal, deletePrincipal, updatePrincipal } from "../../src/guard/principals.ts";
import type { CatalogueChanges } from "../../src/service/store-catalogue.ts";
import { CatalogueInMemory } from "../../src/stores/memory/catalogue.ts";
import { bearer, grantsOf, guarded, NO_END, ok } from "./guarded.ts";

const SPIFFE = bindingKeyOf({ certificate: "spiffe://example.org/shop" });
const PERSON = bindingKeyOf({ oidc: ["corp", "a:b c"] });

describe("an entry that cannot be read", () => {
  it.each([
    ["is damaged", undefined],
    ["is no JSON", "{"],
    ["is another thing", "[]"],
    ["has a field of a newer version", { extra: 1 }],
    ["has a grant of a newer version", { grants: ["fly@"] }],
    ["has a wrong id", { id: "" }],
    ["lacks a field", { disabled: undefined }],
  ])("stands for nobody: a principal that %s", async (_, change) => {
    using it_ = await guarded({}, new Rotten());
    const { key, keyId } = await it_.principal("shop", "all@");
    await rot(it_.catalogue as Rotten, "principal", "shop", change);
    await it_.guard.current.refresh();
    expect(await it_.ask(bearer(key))).toBe("CREDENTIAL_INVALID");
    expect(it_.guard.current.directory.principalByName("shop")).toBeUndefined();
    expect(it_.guard.current.directory.keyById(keyId)).toBeDefined(); // Nothing is taken away for it.
    expect(it_.guard.current.directory.orphans).toEqual([]);
    const name = { description: "", grants: Grants.NONE, rate: undefined };
    expect(await createPrincipal(it_.changes, "shop", name, randomBytes)).toMatchObject({
      code: "ROW_CORRUPT",
    });
    expect(await updatePrincipal(it_.changes, "shop", { disabled: true })).toMatchObject({
      code: "ROW_CORRUPT",
    });
    expect(it_.told).toEqual([["auth.unreadable", { kind: "principal", key: "shop" }]]);
  });

  it.each([
    ["is damaged", undefined],
    ["has a field of a newer version", { addresses: ["192.0.2.1"] }],
    ["has a digest of another length", { sha256: "AAAA" }],
    ["is of anonymous", { principalId: "" }],
  ])("stands for nobody: a key that %s", async (_, change) => {
    using it_ = await guarded({}, new Rotten());
    const { key, keyId } = await it_.principal("shop", "all@");
    await rot(it_.catalogue as Rotten, "key", keyId, change);
    await it_.guard.current.refresh();
    expect(await it_.ask(bearer(key))).toBe("CREDENTIAL_INVALID");
    expect(await revokeKey(it_.changes, keyId)).toMatchObject({ code: "ROW_CORRUPT" });
  });

  it("a revoked key whose entry rots stays out", async () => {
    using it_ = await guarded({}, new Rotten());
    const { key, keyId } = await it_.principal("shop", "all@");
    await revokeKey(it_.changes, keyId);
    await rot(it_.catalogue as Rotten, "key", keyId, undefined);
    await it_.guard.current.refresh();
    expect(await it_.ask(bearer(key))).toBe("CREDENTIAL_INVALID");
  });

  it("a binding is not taken for one that is not there", async () => {
    using it_ = await guarded({}, new Rotten());
    const { id } = await it_.principal("shop", "all@");
    ok(await createBinding(it_.changes, "shop", SPIFFE));
    const { current } = it_.guard;
    expect(current.directory.bindingOf(SPIFFE)?.principal?.id).toBe(id);
    expect(current.directory.bindingOf(PERSON)).toBeUndefined();
    await rot(it_.catalogue as Rotten, "binding", SPIFFE, undefined);
    await current.refresh();
    expect(current.directory.bindingOf(SPIFFE)).toEqual({ principal: undefined });
    expect(current.directory.bindingOf(PERSON), "it may be the one").toEqual({ principal: undefined });
  });

  it.each([
    { kind: "principle", key: "sh0p" },
    { kind: "policy", key: "shop" },
    { kind: "webhook", key: "shop" },
  ])("what rots before it is read is out, and told, whatever it says that it is: $kind", async (damaged) => {
    const catalogue = new Rotten();
    using here = await guarded({}, catalogue);
    const [shop, other] = [await here.principal("shop", "all@"), await here.principal("other", "all@")];
    using there = await guarded({}, catalogue);
    await updatePrincipal(there.changes, "shop", { disabled: true });
    catalogue.rotten.set("principal shop", damaged);
    await here.guard.current.refresh();
    expect(await here.ask(bearer(shop.key))).toBe("CREDENTIAL_INVALID");
    expect(await here.ask(bearer(other.key))).toBe("other");
    const told = ["auth.unreadable", damaged];
    expect(here.told).toEqual([told]);
    await updatePrincipal(here.changes, "other", { description: "Again." });
    expect(here.told, "once").toEqual([told]);
    using anew = await guarded({}, catalogue);
    expect(anew.told, "and at each start").toEqual([told]);
  });

  it("is told with each other one, up to a hundred at once and the number of the rest", async () => {
    const catalogue = new Rotten();
    for (let i = 0; i < 103; i++) {
      const name = { kind: "key", key: `k${i}` } as const;
      await catalogue.write({ ...name, body: "{}", expectedVersion: 0 });
    }
    using it_ = await guarded({}, catalogue);
    expect(it_.told).toHaveLength(101);
    expect(it_.told.at(-1)).toEqual(["auth.unreadable", { more: 3 }]);
    await catalogue.write({ kind: "binding", key: SPIFFE, body: "{}", expectedVersion: 0 });
    await it_.guard.current.refresh();
    expect(it_.told.slice(101)).toEqual([["auth.unreadable", { kind: "binding", key: SPIFFE }]]);
  });
});

it("is another catalogue's when that stands there by now", async () => {
  const here = new CatalogueInMemory(
    () => {},
    () => 0,
  );
  using it_ = await guarded({}, here);
  const { key } = await it_.principal("shop", "all@");
  here.clear();
  await it_.guard.current.refresh();
  expect(await it_.ask(bearer(key))).toBe("CREDENTIAL_INVALID");
  expect(it_.guard.current.directory.size).toBe(0);
});

it("what is left of a principal that was deleted half is void, and goes with the next", async () => {
  const catalogue = new Rotten();
  using it_ = await guarded({}, catalogue);
  const { key, keyId } = await it_.principal("shop", "all@");
  ok(await createBinding(it_.changes, "shop", SPIFFE));
  const { version } = it_.guard.current.directory.principalByName("shop")!;
  await catalogue.write({ kind: "principal", key: "shop", body: undefined, expectedVersion: version });
  await it_.guard.current.refresh();
  expect(await it_.ask(bearer(key)), "as once its keys are gone").toBe("CREDENTIAL_INVALID");
  expect(it_.guard.current.directory.bindingOf(SPIFFE)).toEqual({ principal: undefined });
  await it_.principal("other", "all@");
  await deletePrincipal(it_.changes, "other");
  expect(it_.guard.current.directory.keyById(keyId)).toBeUndefined();
  expect(it_.guard.current.directory.bindingOf(SPIFFE)).toBeUndefined();
});

it("two who change it at once change it one after the other", async () => {
  using here = await guarded();
  using there = await guarded({}, here.catalogue);
  await here.principal("shop", "all@");
  const made = await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      createKey([here, there][i % 2]!.changes, "shop", NO_END, randomBytes),
    ),
  );
  expect(made.filter((each) => "key" in each)).toHaveLength(49);
  expect(made.filter((each) => "code" in each && each.code === "TOO_MANY_KEYS")).toHaveLength(11);
  const [one, other] = await Promise.all(
    [here, there].map(({ changes }) =>
      createPrincipal(
        changes,
        "same",
        { description: "", grants: Grants.NONE, rate: undefined },
        randomBytes,
      ),
    ),
  );
  expect(["code" in one!, "code" in other!].sort()).toEqual([false, true]);
});

it("any changes, step by step, leave what is read at once, and what a plain model says", async () => {
  const names = ["a", "b", "c"];
  const step = fc.oneof(
    fc.record({ do: fc.constant("create" as const), name: fc.constantFrom(...names) }),
    fc.record({ do: fc.constant("delete" as const), name: fc.constantFrom(...names) }),
    fc.record({ do: fc.constant("disable" as const), name: fc.constantFrom(...names), value: fc.boolean() }),
    fc.record({ do: fc.constant("key" as const), name: fc.constantFrom(...names) }),
    fc.record({ do: fc.constant("revoke" as const), which: fc.nat(9) }),
    fc.record({
      do: fc.constant("bind" as const),
      name: fc.constantFrom(...names),
      subject: fc.constantFrom(SPIFFE, PERSON),
    }),
    fc.record({ do: fc.constant("unbind" as const), subject: fc.constantFrom(SPIFFE, PERSON) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      using it_ = await guarded();
      const model = {
        ids: new Map<string, string>(),
        disabled: new Set<string>(),
        bound: new Map<string, string>(),
      };
      const keys: { text: string; id: string; of: string; revoked: boolean }[] = [];
      for (const each of steps) {
        if (each.do === "create") {
          const fields = { description: "", grants: grantsOf("all@"), rate: undefined };
          const made = await createPrincipal(it_.changes, each.name, fields, randomBytes);
          expect("code" in made).toBe(model.ids.has(each.name));
          if (!("code" in made)) model.ids.set(each.name, made.id);
        } else if (each.do === "delete") {
          expect((await deletePrincipal(it_.changes, each.name)) === undefined).toBe(
            model.ids.has(each.name),
          );
          const id = model.ids.get(each.name);
          model.ids.delete(each.name);
          model.disabled.delete(`${id}`);
          for (const [subject, of] of model.bound) if (of === id) model.bound.delete(subject);
        } else if (each.do === "disable") {
          const said = await updatePrincipal(it_.changes, each.name, { disabled: each.value });
          const id = model.ids.get(each.name);
          expect("code" in said).toBe(id === undefined);
          if (id !== undefined) each.value ? model.disabled.add(id) : model.disabled.delete(id);
        } else if (each.do === "key") {
          const made = await createKey(it_.changes, each.name, NO_END, randomBytes);
          const of = model.ids.get(each.name);
          expect("code" in made).toBe(of === undefined);
          if (!("code" in made)) keys.push({ text: made.text, id: made.key.id, of: of!, revoked: false });
        } else if (each.do === "revoke") {
          const key = keys[each.which];
          if (key === undefined) continue;
          const said = await revokeKey(it_.changes, key.id);
          const there = [...model.ids.values()].includes(key.of);
          expect("code" in said).toBe(!there);
          if (there) key.revoked = true;
        } else if (each.do === "bind") {
          const id = model.ids.get(each.name);
          const of = model.bound.get(each.subject);
          const said = await createBinding(it_.changes, each.name, each.subject);
          const may = id !== undefined && (of === undefined || of === id);
          expect("code" in said).toBe(!may);
          if (may) model.bound.set(each.subject, id);
        } else {
          const gone = (await deleteBinding(it_.changes, each.subject)) === undefined;
          expect(gone).toBe(model.bound.delete(each.subject));
        }
        for (const { text, of, revoked } of keys) {
          const there = [...model.ids.entries()].find(([, id]) => id === of);
          const expected =
            there === undefined
              ? "CREDENTIAL_INVALID"
              : revoked || model.disabled.has(of)
                ? "CREDENTIAL_REVOKED"
                : there[0];
          expect(await it_.ask(bearer(text))).toBe(expected);
        }
        for (const subject of [SPIFFE, PERSON])
          expect(it_.guard.current.directory.bindingOf(subject)?.principal?.id).toBe(
            model.bound.get(subject),
          );
      }
      const atOnce = new Directory();
      atOnce.apply(await it_.catalogue.read(0));
      expect(shownOf(atOnce)).toEqual(shownOf(it_.guard.current.directory));
    }),
    { numRuns: 100, verbose: 1 },
  );
});

function shownOf(directory: Directory) {
  const { principals, bindings, version } = directory;
  return { principals, bindings, version, keys: principals.map(({ id }) => directory.keysOf(id)) };
}

/** Damage an entry, or have it say something else; undefined damages it. */
async function rot(
  catalogue: Rotten,
  kind: CatalogueKind,
  key: string,
  change: string | object | undefined,
): Promise<void> {
  const { entries } = await catalogue.read(0);
  const found = entries.find((entry) => entry.kind === kind && entry.key === key)!;
  const body =
    typeof change === "string" ? change : JSON.stringify({ ...JSON.parse(found.body!), ...change });
  await catalogue.write({ kind, key, body, expectedVersion: found.version });
  if (change === undefined) catalogue.rotten.set(`${kind} ${key}`, { kind, key });
}

/** A catalogue with rows that fail their checksum, and what those say that they are. */
class Rotten extends CatalogueInMemory {
  readonly rotten = new Map<string, { kind: string; key: string }>();

  constructor() {
    super(
      () => {},
      () => 0,
    );
  }

  override async read(since: number): Promise<CatalogueChanges> {
    const { version, entries } = await super.read(since);
    const said = ({ kind, key }: CatalogueEntry) => this.rotten.get(`${kind} ${key}`);
    return {
      version,
      entries: entries.filter((entry) => said(entry) === undefined),
      corrupt: entries.flatMap((entry) => said(entry) ?? []),
    };
  }
}
