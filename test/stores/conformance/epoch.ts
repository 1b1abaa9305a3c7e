import { expect, it } from "vitest";
import { newEpoch } from "../../../src/core/epoch.ts";
import type { Purpose, Store } from "../../../src/service/store.ts";
import { apply, commit, increment, reset, set, single, update } from "../../support/calls.ts";
import type { Opened } from "../../support/opened.ts";
import type { StoreKind } from "../../support/stores.ts";
import { using } from "./using.ts";

/** What another epoch makes of a store: see core/epoch.ts. */
export function epochSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_(
    "is none of a new store, and the one that its catalogue says once it was opened again",
    async (opened) => {
      expect(opened.store.epoch).toBeUndefined();
      const first = await begin(opened.store, 1);
      const store = await reopened(opened);
      expect([store.epoch, first]).toEqual(["00000001", "00000001"]);
      await begin(store, 2);
      expect((await reopened(opened)).epoch).toBe("00000002");
      expect((await reopened(opened, "copyFrom")).epoch).toBe("00000002");
    },
  );

  it_("etags from before fit no more, those that are given from then on do", async (opened) => {
    await apply(opened.store, increment("a", 5n));
    const uid = ((await opened.store.get(["a"]))[0] as { uid: string }).uid;
    await begin(opened.store, 0xab);
    const store = await reopened(opened);
    expect(await apply(store, set("a", 6n, { etag: `${uid}.1` }))).toEqual({
      code: "ETAG_MISMATCH",
      etag: `${uid}.1.000000ab`,
    });
    expect(await apply(store, update("a", { max: 9n }, { etag: `${uid}.s1` }))).toEqual({
      code: "ETAG_MISMATCH",
      settingsEtag: `${uid}.s1.000000ab`,
    });
    expect(await apply(store, reset("a", { etag: `${uid}.1.000000ac` }))).toMatchObject({
      code: "ETAG_MISMATCH",
    });
    expect(await apply(store, set("a", 6n, { etag: `${uid}.1.000000ab` }))).toMatchObject({ revision: 2 });
    expect(await apply(store, update("a", { max: 9n }, { etag: `${uid}.s1.000000ab` }))).toMatchObject({
      counter: { max: 9n },
    });
  });

  it_("its outcomes say it; a retry from before it is answered as the first time", async (opened) => {
    await apply(opened.store, increment("a", 5n));
    const uid = ((await opened.store.get(["a"]))[0] as { uid: string }).uid;
    const asked = single(set("a", 7n, { etag: `${uid}.1` }), { id: "kept" });
    const [first] = await commit(opened.store, asked);
    await begin(opened.store, 3);
    const store = await reopened(opened);
    expect(await commit(store, asked)).toEqual([{ ...first, replayed: true }]);
    expect(store.epoch).toBe("00000003");
  });
}

/** In memory it is in effect at once, and nothing outlives the store. */
async function reopened(opened: Opened, purpose?: Purpose): Promise<Store> {
  return opened.store.traits.durability === "none" ? opened.store : opened.reopen(purpose);
}

async function begin(store: Store, number: number): Promise<string> {
  const { epoch, write } = newEpoch(await store.catalogue!.read(0), Uint8Array.of(0, 0, 0, number));
  expect(await store.catalogue!.write(write)).toBeGreaterThan(0);
  return epoch;
}
