/** What a comparison of two stores notices beside items that differ, which test/stores/conformance/moving.ts shows. */
import { v7 } from "uuid";
import { expect, it } from "vitest";
import { DEFAULTS } from "../../src/core/settings.ts";
import { copyStore } from "../../src/service/copy.ts";
import { Policies } from "../../src/service/policies.ts";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import type { StoredChange } from "../../src/service/store-pages.ts";
import { verifyCopy } from "../../src/service/verify-copy.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import { apply, increment, remove } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";

it("a log that does not lead to the values, though it is the same in both", async () => {
  const stores = await copied();
  const all = { counters: 3, sum: 7n, changes: 13, requestIds: 0 };
  expect(await verifyCopy(...stores)).toEqual(all);
  const wrong = { difference: "that its changes do not sum up to its values" };
  const more = (name: string, by: bigint) => (change: StoredChange) =>
    change.name === name ? { ...change, added: change.added + by } : change;
  expect(await verifyCopy(...withLogs(stores, more("a", 1n)))).toEqual(wrong);
  const lost = ({ name, revision }: StoredChange) => name !== "a" || revision !== 1;
  expect(await verifyCopy(...withLogs(stores, (change) => change, lost))).toEqual(wrong);
});

it("what one counter has too much does not make up for what another lacks", async () => {
  const swapped = (change: StoredChange) => {
    const by = { a: 1n, b: -1n }[change.name] ?? 0n;
    return change.revision === 1 ? { ...change, added: change.added + by } : change;
  };
  expect(await verifyCopy(...withLogs(await copied(), swapped))).toMatchObject({
    difference: expect.stringContaining("sum up"),
  });
});

it("policies are not left behind: a store that keeps none is not copied into while there are some", async () => {
  const [from, to] = [open(), open()];
  const policies = new Policies(from.catalogue!);
  await policies.set("a", DEFAULTS, "enforce");
  await apply(from, increment("a"));
  const keepsNone: Store = Object.defineProperty(to, "policies", { value: undefined });
  await expect(copyStore(from, keepsNone)).rejects.toThrow(
    /keeps no policies, and the source has 1\. .*Nothing was changed\./,
  );
  expect(await to.copying!.importState()).toEqual({ empty: true, copy: undefined });
  await policies.remove("a");
  while (await from.maintain());
  expect(await copyStore(from, keepsNone)).toMatchObject({ counters: 1 });
});

/** A store with three counters, two that are gone, one of them with its history; and a copy of it. */
async function copied(): Promise<[Store, Store]> {
  const [from, to] = [open(), open()];
  for (const name of ["a", "b", "c", "kept", "hidden"]) {
    await apply(from, increment(name));
    if (name !== "hidden") await apply(from, increment(name));
  }
  await apply(from, remove("kept", { keepHistory: true }));
  await apply(from, remove("hidden"));
  await apply(from, increment("a", 2n));
  await apply(from, remove("c", { keepHistory: true }));
  await apply(from, increment("c"));
  await copyStore(from, to);
  return [from, to];
}

function open(): Store {
  const options = { clock: new HandClock(), newUid: () => v7(), cachedCountersMax: 0, warn: () => {} };
  return new MemoryStore({ ...options, retention: DEFAULT_RETENTION });
}

/** Both stores, with the same other log. */
function withLogs(
  stores: [Store, Store],
  change: (change: StoredChange) => StoredChange,
  keeps: (change: StoredChange) => boolean = () => true,
): [Store, Store] {
  return stores.map((store) => {
    const changesSince: Store["changesSince"] = async (cursor, limit) => {
      const page = await store.changesSince(cursor, limit);
      return { ...page, changes: page.changes.filter(keeps).map(change) };
    };
    return new Proxy(store, {
      get(target, key) {
        if (key === "changesSince") return changesSince;
        const value = (target as never as Record<PropertyKey, unknown>)[key];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }) as [Store, Store];
}

it("a store that cannot be copied is refused by its name, as source and as target", async () => {
  const able = open();
  const without = Object.defineProperty(open(), "copying", { value: undefined });
  for (const [from, to] of [
    [without, able],
    [able, without],
  ] as const) {
    await expect(copyStore(from, to)).rejects.toMatchObject({
      reason: "REFUSED",
      message: `${able.traits.title} is a store that cannot be copied. Nothing was changed.`,
    });
  }
});
