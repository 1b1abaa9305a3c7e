import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import type { FullCounter } from "../../../src/core/counter.ts";
import { INT64_MAX, INT64_MIN } from "../../../src/core/int64.ts";
import { DEFAULTS, type SettingKey } from "../../../src/core/settings.ts";
import type { Store } from "../../../src/service/store.ts";
import { apply, batch, commit, create, increment, reset, set, single, update } from "../../support/calls.ts";
import { UNLIKE_DEFAULTS } from "../../support/settings.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges, expectSumsEqualValues } from "./changes.ts";
import { timeNow, using } from "./using.ts";

const FULL = { value: 5n, ...UNLIKE_DEFAULTS };

/** Updates of settings: what is named changes, nothing else does, and the bounds hold from then on. */
export function settingsSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_("what the mask names is as asked, or its default; the rest stays as it was", async ({ store }) => {
    const { value, ...settings } = FULL;
    for (const key of Object.keys(UNLIKE_DEFAULTS) as SettingKey[]) {
      await apply(store, create(key, FULL));
      const before = await read(store, key);
      expect(await apply(store, update(key, {}, { mask: [key] }))).toMatchObject({
        value,
        previous: value,
        revision: 1,
        counter: { ...before, ...settings, [key]: DEFAULTS[key], settingsRevision: 2 },
      });
      expect(await read(store, key)).toEqual({ ...before, [key]: DEFAULTS[key], settingsRevision: 2 });
    }
    const all = {
      initial: 2n,
      min: 2n,
      max: 7n,
      clamp: false,
      monotonic: false,
      labels: { x: "" },
      description: "n",
    };
    await apply(store, update("min", all));
    expect(await read(store, "min")).toMatchObject({ ...all, value, revision: 1, settingsRevision: 3 });
  });

  it_("the value's revision and time stay; counting goes on from there", async ({ store, clock }) => {
    await apply(store, increment("a", 5n));
    const before = await read(store, "a");
    clock.advance(1_000);
    await apply(store, update("a", { max: 6n }));
    expect(await read(store, "a")).toEqual({ ...before, max: 6n, settingsRevision: 2 });
    expect(await apply(store, increment("a", 2n))).toEqual({
      code: "ABOVE_MAX",
      value: 5n,
      max: 6n,
      requested: 2n,
    });
    expect(await apply(store, increment("a"))).toEqual({ value: 6n, previous: 5n, revision: 2 });
    await apply(store, update("a", { initial: 3n, monotonic: true }));
    expect(await apply(store, reset("a"))).toEqual({ code: "MONOTONIC", value: 6n, requested: 3n });
    await apply(store, update("a", { monotonic: false, clamp: true }));
    expect(await apply(store, reset("a"))).toMatchObject({ value: 3n });
    expect(await apply(store, increment("a", 100n))).toMatchObject({ value: 6n });
  });

  it_("in one commit each operation is judged by the settings of its time", async ({ store }) => {
    const answers = await commit(
      store,
      single(increment("a", 5n)),
      single(update("a", { max: 5n })),
      single(increment("a")),
      single(update("a", { max: 6n, labels: { n: "1" } })),
      batch([increment("a"), increment("a")]),
      single(update("a", { max: undefined, labels: {} })),
      single(increment("a", INT64_MAX - 6n)),
    );
    expect(
      answers.map(
        ({ refused, results }) =>
          refused?.code ?? results.map((one) => ("code" in one ? one.code : one.value)),
      ),
    ).toEqual([[5n], [5n], "ABOVE_MAX", [5n], [6n, "ABOVE_MAX"], [6n], [INT64_MAX]]);
    expect(await read(store, "a")).toMatchObject({
      revision: 3,
      settingsRevision: 4,
      max: undefined,
      labels: {},
    });
    await expectSumsEqualValues(store);
  });

  it_("bounds that the value or the initial value would lie outside of are refused", async ({ store }) => {
    await apply(store, create("a", { value: 5n, initial: 1n, min: 0n, max: 9n }));
    const before = await read(store, "a");
    const refused: [Parameters<typeof update>[1], object][] = [
      [{ max: 4n }, { field: "value", requested: 5n, min: 0n, max: 4n }],
      [{ min: 6n }, { field: "value", requested: 5n, min: 6n, max: 9n }],
      [{ min: 2n }, { field: "initial", requested: 1n, min: 2n, max: 9n }],
      [{ initial: 10n }, { field: "initial", requested: 10n, min: 0n, max: 9n }],
      [{ min: INT64_MAX }, { field: "value", requested: 5n, min: INT64_MAX, max: 9n }],
      [
        { min: undefined, max: INT64_MIN },
        { field: "value", requested: 5n, max: INT64_MIN },
      ],
    ];
    for (const [settings, why] of refused) {
      expect(await apply(store, update("a", settings))).toEqual({ code: "VALUE_OUTSIDE_BOUNDS", ...why });
      expect(await read(store, "a")).toEqual(before);
    }
    expect(await apply(store, update("a", { initial: 5n, min: 5n, max: 5n }))).toMatchObject({ value: 5n });
    expect(await apply(store, increment("a"))).toMatchObject({ code: "ABOVE_MAX", max: 5n });
  });

  it_("a settings_etag that has gone refuses, and says the one that is now", async ({ store }) => {
    expect(await apply(store, update("a", { max: 1n }))).toEqual({ code: "COUNTER_NOT_FOUND" });
    await apply(store, increment("a"));
    const { uid } = await read(store, "a");
    const to = (max: bigint, etag: string) => apply(store, update("a", { max }, { etag, mask: ["max"] }));
    expect(await to(8n, `${uid}.s1`)).toMatchObject({ value: 1n });
    expect(await to(9n, `${uid}.s1`)).toEqual({ code: "ETAG_MISMATCH", settingsEtag: `${uid}.s2` });
    expect(await to(9n, `${uid}.1`)).toEqual({ code: "ETAG_MISMATCH", settingsEtag: `${uid}.s2` });
    await apply(store, increment("a"));
    expect(await to(9n, `${uid}.s2`)).toMatchObject({ counter: { max: 9n, value: 2n, settingsRevision: 3 } });
    // The settings are no part of the value's etag.
    expect(await apply(store, set("a", 3n, { etag: `${uid}.2` }))).toMatchObject({ value: 3n });
  });

  it_("a retry answers the counter as it was then, whatever it has become", async (opened) => {
    let { store } = opened;
    const { clock } = opened;
    await apply(
      store,
      create("a", { value: INT64_MIN, labels: { a: "ü", __proto__: "x" }, description: "é" }),
    );
    const { uid } = await read(store, "a");
    clock.advance(5);
    await apply(store, set("a", INT64_MAX));
    const asked = [
      single(update("a", { min: INT64_MIN, initial: -1n, clamp: true }, { etag: `${uid}.s1` }), { id: "u" }),
      single(update("a", { max: INT64_MAX, labels: {}, description: "" }, { note: "n" }), { id: "v" }),
    ];
    const first = await commit(store, ...asked);
    expect(first[0]!.results[0]).toMatchObject({
      counter: { labels: { a: "ü" }, value: INT64_MAX, revision: 2 },
    });
    await apply(store, set("a", 0n));
    await apply(store, update("a", { min: 0n, max: 0n, initial: 0n, monotonic: true }));
    if (store.traits.durability === "fsync") store = await opened.reopen();
    const again = await commit(store, ...asked, ...asked);
    expect(again).toEqual([...first, ...first].map((answer) => ({ ...answer, replayed: true })));
    expect(await read(store, "a")).toMatchObject({ settingsRevision: 4, max: 0n });
  });

  it_("an id reused for another update is refused, with the field that differs", async ({ store }) => {
    await apply(store, create("a", { labels: { a: "b" } }));
    const asked = { min: 0n, max: 9n, labels: { a: "c", d: "e" } };
    await apply(store, update("a", asked), { id: "r" });
    for (const [other, field] of [
      [update("a", { ...asked, min: 1n }), "min"],
      [update("a", { ...asked, max: undefined }), "max"],
      [update("a", { ...asked, labels: { a: "c" } }), "labels"],
      [update("a", { ...asked, initial: 0n }), "initial"],
      [update("a", asked, { mask: ["min", "max"] }), "labels"],
      [update("a", asked, { etag: "e" }), "settings_etag"],
      [update("a", asked, { note: "n" }), "note"],
      [create("a", asked), "the method"],
    ] as const) {
      expect(await apply(store, other, { id: "r" })).toEqual({ code: "REQUEST_ID_REUSED", field });
    }
    const same = update("a", { ...asked, labels: { d: "e", a: "c" } }, { mask: ["labels", "max", "min"] });
    expect((await commit(store, single(same, { id: "r" })))[0]).toMatchObject({ replayed: true });
  });

  it_("the change log has who and why, and takes no revision for it", async ({ store, clock }) => {
    await apply(store, increment("a", 4n));
    clock.advance(9);
    await commit(
      store,
      single(increment("a")),
      single(update("a", { max: 9n }, { note: "full" }), { caller: "me" }),
      single(increment("a")),
    );
    expect(await allChanges(store)).toMatchObject([
      { kind: ChangeKind.ADD, firstRevision: 1, revision: 1 },
      { kind: ChangeKind.ADD, firstRevision: 2, revision: 2, value: 5n },
      {
        kind: ChangeKind.SETTINGS,
        firstRevision: 3,
        revision: 2,
        ops: 0,
        added: 0n,
        removed: 0n,
        low: 5n,
        high: 5n,
        value: 5n,
        time: timeNow({ store, clock }),
        caller: "me",
        note: "full",
      },
      { kind: ChangeKind.ADD, firstRevision: 3, revision: 3, value: 6n },
    ]);
    await expectSumsEqualValues(store);
  });

  it_("what was updated is there after closing and opening, if the store is durable", async (opened) => {
    await apply(opened.store, create("a", FULL));
    await apply(opened.store, update("a", { max: 5n, labels: { team: "b" }, description: "" }));
    const before = await read(opened.store, "a");
    const store = await opened.reopen();
    if (store.traits.durability === "none") return;
    expect(await read(store, "a")).toEqual(before);
    expect(await apply(store, update("a", { description: "x" }))).toMatchObject({
      counter: { max: 5n, labels: { team: "b" }, settingsRevision: 3 },
    });
  });
}

async function read(store: Store, name: string): Promise<FullCounter> {
  const [found] = await store.get([name]);
  return found as FullCounter;
}
