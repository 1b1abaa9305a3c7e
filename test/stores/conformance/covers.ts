import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import type { Store } from "../../../src/service/store.ts";
import type { CounterPage, StoredChange } from "../../../src/service/store-pages.ts";
import { batch, commit, create, increment, remove, single } from "../../support/calls.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges } from "./changes.ts";
import { using } from "./using.ts";

const ALL = { prefix: "", labels: {} };

/** Which changes a page has: see Store.covers. */
export function coversSuite(kind: StoreKind): void {
  const it_ = using(kind, it);

  it_("a page has what came before it, and nothing that came after", async ({ store }) => {
    await commit(store, single(increment("a")), single(increment("b")));
    const empty = (await store.list({ prefix: "none", labels: {} }, "", 10, true)).mark!;
    const page = await store.list(ALL, "", 10, true);
    await commit(store, single(increment("a")));
    await commit(store, single(remove("b", { keepHistory: true })));
    const after = await store.list(ALL, "", 10, true);
    const told = (await allChanges(store)).map(({ name, kind, position }) => ({
      ...{ name, kind },
      covered: [empty, page.mark!, after.mark!].map((mark) => store.covers(mark, position)),
    }));
    expect(told).toEqual([
      { name: "a", kind: ChangeKind.ADD, covered: [true, true, true] },
      { name: "b", kind: ChangeKind.ADD, covered: [true, true, true] },
      { name: "a", kind: ChangeKind.ADD, covered: [false, false, true] },
      { name: "b", kind: ChangeKind.DELETE, covered: [false, false, true] },
    ]);
  });

  it_(
    "a page that nobody wants marked has no mark; one of a store without changes covers none",
    async (opened) => {
      const { store } = opened;
      expect(await store.list(ALL, "", 10)).not.toHaveProperty("mark");
      const { mark } = await store.list(ALL, "", 10, true);
      await commit(store, single(increment("a")));
      const [change] = await allChanges(store);
      expect(store.covers(mark!, change!.position)).toBe(false);
    },
  );

  it_("beside writes, each page covers exactly the changes that it has", async ({ store }) => {
    const pages: CounterPage[] = [];
    let writing = true;
    const reading = [0, 1].map(async (lane) => {
      while (writing) {
        const selection = lane === 0 ? ALL : { prefix: "", labels: { team: "x" } };
        pages.push(await store.list(selection, "", 1_000, true));
      }
    });
    const following = (async () => {
      for (let cursor = ""; writing; ) cursor = (await store.changesSince(cursor, 1_000)).cursor;
    })();
    await Promise.all([0, 1, 2, 3].map((lane) => write(store, lane)));
    writing = false;
    await Promise.all([...reading, following]);
    expect(pages.length).toBeGreaterThan(10);
    const histories = Map.groupBy(await allChanges(store), ({ uid }) => uid);
    let [covered, uncovered] = [0, 0];
    for (const page of pages) {
      const counters = new Map(page.counters.map((counter) => [counter.uid, counter]));
      for (const history of histories.values()) {
        const told = history.map(({ position }) => store.covers(page.mark!, position));
        expect(told, history[0]!.name).toEqual(history.map((change) => has(counters, change, history, told)));
        covered += told.filter(Boolean).length;
        uncovered += told.length - told.filter(Boolean).length;
      }
    }
    expect(Math.min(covered, uncovered)).toBeGreaterThan(100);
  });
}

/** Increments, and counters that come and go. */
async function write(store: Store, lane: number): Promise<void> {
  const team = { labels: { team: "x" } };
  await commit(store, single(create(`lane${lane}`, team)));
  for (let n = 0; n < 25; n++) {
    const name = `lane${lane}.${n}`;
    await commit(store, batch([increment(`lane${lane}`), create(name, team)]));
    await commit(store, single(increment(name)), single(increment(`lane${lane}`)));
    if (n % 2 === 0) await commit(store, single(remove(name, { keepHistory: true })));
  }
}

/**
 * Whether a page of all counters has a change.
 *
 * @param told  of the counter's whole history, what is said of each
 */
function has(
  counters: ReadonlyMap<string, { revision: number }>,
  { uid, revision, kind }: StoredChange,
  history: readonly StoredChange[],
  told: readonly boolean[],
): boolean {
  const counter = counters.get(uid);
  if (counter !== undefined) return kind !== ChangeKind.DELETE && revision <= counter.revision;
  // Not made yet, or deleted: all of its history then, or nothing.
  return history.at(-1)!.kind === ChangeKind.DELETE && told.every(Boolean);
}
