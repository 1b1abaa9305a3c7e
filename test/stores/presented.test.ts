/**
 * What time does to a counter is in one place, which every read goes through, of stores too that keep no settings of time
 * yet: shown with a made-up rule in that place. From noon on, a counter whose maximum is 7 is back at its initial value, and one that is at most 1 is gone.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Counter, FullCounter } from "../../src/core/counter.ts";
import type { AsOf } from "../../src/core/present.ts";
import type { Store } from "../../src/service/store.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";
import { PageReader } from "../../src/stores/sqlite/read/pages.ts";
import { openReadOnly } from "../../src/stores/sqlite/read/reading.ts";
import { Scanner } from "../../src/stores/sqlite/read/scans.ts";
import { RowReader } from "../../src/stores/sqlite/rows/row-reader.ts";
import { apply, create } from "../support/calls.ts";
import { folderInMemory } from "../support/folder.ts";
import { describeWith } from "../support/needs.ts";
import { openFresh } from "../support/opened.ts";
import { STORES } from "../support/stores.ts";

const { noon } = vi.hoisted(() => ({ noon: { at: Number.POSITIVE_INFINITY } }));

vi.mock("../../src/core/present.ts", () => {
  const present = <Of extends Counter>(counter: Of, { now }: AsOf): Of | undefined => {
    if (now < noon.at) return counter;
    if (counter.max === 1n) return undefined;
    return counter.max === 7n ? { ...counter, value: counter.initial } : counter;
  };
  const presentAll = <Of extends Counter>(counters: Iterable<Of>, asOf: AsOf): Of[] =>
    [...counters].flatMap((each) => present(each, asOf) ?? []);
  return { present, presentAll, isZoneUnknown: () => false };
});

const CALENDAR = new ZoneCalendar(() => {});
const ALL = { prefix: "", labels: {} };
const nameAndValue = ({ name, value }: FullCounter) => [name, value];

afterEach(() => {
  noon.at = Number.POSITIVE_INFINITY;
});

async function fill(store: Store): Promise<void> {
  await apply(store, create("gone", { max: 1n, value: 1n }));
  await apply(store, create("quota", { max: 7n, initial: 2n, value: 7n }));
  await apply(store, create("total", { value: 5n }));
}

/** What reads give, before noon and after. */
const BEFORE = [
  ["gone", 1n],
  ["quota", 7n],
  ["total", 5n],
];
const AFTER = [
  ["quota", 2n],
  ["total", 5n],
];
const HOUR = 3_600_000;

describe.each(STORES.filter(({ name }) => name !== "sqlite"))("on $name", ({ name, needs, open }) => {
  describeWith(needs, "what time does to counters", () => {
    it("shows in every read, by the store's clock", async () => {
      const opened = await open();
      try {
        const { store, clock } = opened;
        const now = store.traits.time === "server" ? Date.now() : clock.now();
        await fill(store);
        const names = ["gone", "quota", "total"];
        const reads = async () => ({
          got: (await store.get(names)).map((found) => found && nameAndValue(found as FullCounter)),
          listed: (await store.list(ALL, "", 10)).counters.map(nameAndValue),
          ranked: (await store.top(ALL, 10, "lowest")).counters.map(nameAndValue).sort(),
        });
        noon.at = now + HOUR;
        expect(await reads()).toEqual({ got: BEFORE, listed: BEFORE, ranked: BEFORE });
        noon.at = now - HOUR;
        expect(await reads()).toEqual({ got: [undefined, ...AFTER], listed: AFTER, ranked: AFTER });
        if (name === "memory") expect(await store.sum(ALL)).toMatchObject({ count: 2, sum: 7n });
      } finally {
        await opened.dispose();
      }
    });
  });
});

describe("on sqlite", () => {
  it("what time does to counters shows in pages and in rankings", async () => {
    const dir = await mkdtemp(join(folderInMemory(), "tally-test-"));
    const url = `sqlite:${join(dir, "tally.db")}`;
    const { store, dispose } = await openFresh(async () => url);
    await fill(store);
    await dispose();
    const db = openReadOnly(join(dir, "tally.db"), 1_024);
    try {
      const rows = new RowReader(db);
      const [pages, scanner] = [new PageReader(db, rows, CALENDAR), new Scanner(db, rows, CALENDAR)];
      noon.at = 100;
      for (const [now, expected] of [
        [99, BEFORE],
        [100, AFTER],
      ] as const) {
        const ranked = scanner.top(ALL, 10, "lowest", { now }, () => {}).counters;
        expect(ranked.map(nameAndValue).sort()).toEqual(expected);
        expect(pages.read(ALL, "", 10, { now }).counters.map(nameAndValue)).toEqual(expected);
      }
    } finally {
      db.close();
      await rm(dir, { recursive: true, force: true });
    }
  });
});
