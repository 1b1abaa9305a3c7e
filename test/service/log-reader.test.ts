/** Reading the change log for many who follow it: each page once, nobody held up, nothing kept without a bound. */
import { fc } from "@fast-check/vitest";
import { v7 } from "uuid";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import { LogReader, type LogReaderOptions } from "../../src/service/log-reader.ts";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import type { ChangeLogReads, LogPage } from "../../src/service/store-log.ts";
import type { StoredChange } from "../../src/service/store-pages.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import { allChanges, expectSumsEqualValues } from "../stores/conformance/changes.ts";
import { allPages, expanded } from "../stores/conformance/columns.ts";
import { apply, batch, commit, increment, set } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";

const OPTIONS: LogReaderOptions = { pageChanges: 10, keptBytesMax: 1_000_000, restMs: 0 };

afterEach(() => void vi.useRealTimers());

/** A store, its reader, and what was asked of the store. */
class Followed {
  readonly store: MemoryStore;
  readonly reader: LogReader;
  /** The cursors of all reads. */
  readonly reads: string[] = [];
  /** Told before each read; it may wait, or throw. */
  before: (cursor: string) => unknown = () => {};

  constructor(options: Partial<LogReaderOptions> = {}, changeLogBytesMax = 10_000_000) {
    const retention = { ...DEFAULT_RETENTION, changeLogBytesMax };
    const clock = new HandClock();
    this.store = new MemoryStore({
      clock,
      newUid: () => v7(),
      retention,
      cachedCountersMax: 0,
      warn: () => {},
    });
    const log: ChangeLogReads = {
      read: async (cursor, limit) => {
        this.reads.push(cursor);
        await this.before(cursor);
        return this.store.changeLog.read(cursor, limit);
      },
      counters: (ids) => this.store.changeLog.counters(ids),
    };
    this.reader = new LogReader(log, { ...OPTIONS, ...options });
    onTestFinished(() => this.reader.close());
  }

  /** Commits of one increment each, and the reader is told. */
  async count(commits: number): Promise<void> {
    for (let n = 0; n < commits; n++) await apply(this.store, increment("a"));
    this.reader.wake();
  }

  follow(
    cursor = "",
    signal: AbortSignal = new AbortController().signal,
  ): AsyncGenerator<LogPage, void, void> {
    return this.reader.follow(cursor, signal);
  }
}

/** The next page of one who follows. */
async function next(following: AsyncGenerator<LogPage, void, void>): Promise<LogPage> {
  const { value } = await following.next();
  if (value === undefined) throw new Error("expected a page, got the end");
  return value;
}

function positions({ commits }: LogPage): number[] {
  return [...commits.positions];
}

/** What waits until it is let go. */
function gate() {
  const [opened, arrived] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const pass = () => {
    arrived.resolve();
    return opened.promise;
  };
  return { reached: arrived.promise, pass, open: () => opened.resolve() };
}

describe("the pages", () => {
  it("are read once, however many follow", async () => {
    const followed = new Followed();
    const all = Array.from({ length: 20 }, () => followed.follow());
    const first = all.map(next);
    await followed.count(1);
    const pages = await Promise.all(first);
    expect(new Set(pages).size).toBe(1); // The very same, not only equal ones.
    const second = all.map(next);
    await followed.count(2);
    expect(new Set(await Promise.all(second)).size).toBe(1);
    expect(followed.reads.filter((cursor) => cursor === "1")).toHaveLength(1);
  });

  it("wait for a commit, and one that falls between a read and the waiting is not missed", async () => {
    const followed = new Followed();
    const held = gate();
    followed.before = held.pass;
    const page = next(followed.follow());
    await held.reached;
    const before = followed.store.changeLog.read("", 10); // What this read will find: nothing.
    followed.before = () => {};
    const read = vi.spyOn(followed.store.changeLog, "read").mockReturnValueOnce(before);
    await before;
    await followed.count(1);
    held.open();
    expect(positions(await page)).toEqual([1]);
    expect(read).toHaveBeenCalledTimes(2);
  });

  it("begin at the follower's own place, also in the middle of one that is kept, which is not read again", async () => {
    const followed = new Followed();
    await followed.count(2);
    const early = followed.follow("1");
    expect(positions(await next(early))).toEqual([2]);
    await followed.count(3);
    const leader = followed.follow("2");
    expect(positions(await next(leader))).toEqual([3, 4, 5]);
    const reads = followed.reads.length;
    await followed.count(2); // After position 2 come 3 to 5, which are kept.
    expect(positions(await next(early))).toEqual([3, 4, 5]);
    expect(followed.reads).toHaveLength(reads);

    const middle = followed.follow("3"); // What is before its first page, it reads for itself.
    expect(positions(await next(middle))).toEqual([4, 5, 6, 7]);
    expect(positions(await next(leader))).toEqual([6, 7]);
    await followed.count(1);
    const [a, b] = await Promise.all([next(leader), next(middle)]);
    expect(a).toBe(b);
    expect(positions(a)).toEqual([8]);
  });

  it("of commits one by one are not as many as the commits", async () => {
    const followed = new Followed({ restMs: 20, pageChanges: 10_000 });
    const following = followed.follow();
    let seen = 0;
    const all = (async () => {
      while (seen < 2_000) seen += (await next(following)).commits.count;
    })();
    for (let n = 0; n < 2_000; n++) {
      await followed.count(1);
      if (n % 20 === 0) await new Promise(setImmediate);
    }
    await all;
    expect(followed.reads.length).toBeLessThan(100);
  });

  it("are read one at a time, though those who follow stand at different places", async () => {
    const followed = new Followed();
    await followed.count(50);
    let [running, most] = [0, 0];
    followed.before = async () => {
      most = Math.max(most, ++running);
      await new Promise(setImmediate);
      running--;
    };
    const pages = await Promise.all(["5", "10", "15", "20"].map((cursor) => next(followed.follow(cursor))));
    expect(pages.map((page) => positions(page)[0])).toEqual([6, 11, 16, 21]);
    expect(most).toBe(1);
  });
});

describe("who is slow", () => {
  it("holds up nobody, and gets every page, of which no more are kept than there is room for", async () => {
    const followed = new Followed({ keptBytesMax: 20_000 });
    const [slow, quick] = [followed.follow(), followed.follow()];
    await followed.count(1);
    const [slowest] = [await next(slow), await next(quick)];
    for (let n = 0; n < 40; n++) {
      await followed.count(10);
      expect(positions(await next(quick))).toHaveLength(10);
    }
    const reads = followed.reads.length;
    let at = positions(slowest).at(-1)!;
    while (at < 401) {
      const page = positions(await next(slow));
      expect(page[0]).toBe(at + 1);
      at = page.at(-1)!;
    }
    const read = followed.reads.length - reads;
    expect(read).toBeGreaterThan(30); // Those were not kept,
    expect(read).toBeLessThan(40); // and these were.
  });

  it("is told when the log has dropped what comes next, and then gets openings", async () => {
    const followed = new Followed({ keptBytesMax: 5_000 }, 640);
    const { store } = followed;
    const [slow, quick] = [followed.follow(), followed.follow()];
    await commit(store, batch(["a", "b", "c"].map((name) => increment(name))));
    followed.reader.wake();
    await Promise.all([next(slow), next(quick)]);
    for (let n = 0; n < 50; n++) {
      await followed.count(1);
      await store.maintain();
      expect((await next(quick)).dropped).toBe(false);
    }
    const told = await next(slow);
    expect([told.dropped, told.openings, told.commits.changes.count]).toEqual([true, true, 3]);
    const rest = await next(slow);
    expect([rest.dropped, rest.openings]).toEqual([false, false]);
    expect(await expanded(store, [told, rest, ...(await allPages(store, 10, rest.cursor))])).toEqual(
      await allChanges(store),
    );
  });
});

it("who reads openings gets all of them, though what comes after them is kept", async () => {
  const followed = new Followed({}, 320);
  const { store } = followed;
  const quick = followed.follow();
  const names = Array.from({ length: 25 }, (_, i) => `n${i}`);
  await commit(store, batch(names.map((name) => increment(name))));
  followed.reader.wake();
  await next(quick);
  for (let n = 0; n < 20; n++) {
    await followed.count(1);
    await next(quick);
  }
  await store.maintain();
  const slow = followed.follow();
  const counts: number[] = [];
  for (let page = await next(slow); page.openings; page = await next(slow))
    counts.push(page.commits.changes.count);
  expect(counts).toEqual([10, 10, 6]); // And "a".
});

describe("it ends", () => {
  it("where its caller aborts, waiting for a commit or for a page", async () => {
    const followed = new Followed();
    const [waiting, reading] = [new AbortController(), new AbortController()];
    const idle = followed.follow("", waiting.signal).next();
    await followed.reader.follow("", AbortSignal.abort()).next(); // One that never began.
    waiting.abort();
    expect(await idle).toEqual({ done: true, value: undefined });
    const held = gate();
    followed.before = held.pass;
    const page = followed.follow("0", reading.signal).next();
    await held.reached;
    reading.abort();
    expect(await page).toEqual({ done: true, value: undefined });
    held.open();
  });

  it("with the reader, which waits for the read that runs, and begins none", async () => {
    const followed = new Followed();
    await followed.count(30);
    const held = gate();
    followed.before = held.pass;
    const ends = [followed.follow().next(), followed.follow("5").next(), followed.follow("9").next()];
    await held.reached;
    let closed = false;
    const closing = followed.reader.close().then(() => {
      closed = true;
    });
    expect(await Promise.all(ends)).toEqual(Array(3).fill({ done: true, value: undefined }));
    expect(closed).toBe(false);
    held.open();
    await closing;
    expect(followed.reads).toEqual([""]);
    expect((await followed.follow().next()).done).toBe(true);
    expect(followed.reads).toEqual([""]);
  });

  it("with the store's error where a page cannot be read; who follows again goes on from there", async () => {
    const followed = new Followed();
    await followed.count(15);
    const [one, other] = [followed.follow(), followed.follow()];
    const page = await next(one);
    await next(other);
    followed.before = () => {
      throw new TallyError("STORE_UNAVAILABLE", "the disk is away");
    };
    const failed = { code: "STORE_UNAVAILABLE", message: "the disk is away" };
    await Promise.all([one, other].map((each) => expect(each.next()).rejects.toMatchObject(failed)));
    followed.before = () => {};
    expect(positions(await next(followed.follow(page.cursor)))).toEqual([11, 12, 13, 14, 15]);
  });
});

it("looks for what others commit every so often, and only while somebody follows", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const followed = new Followed({ lookEveryMs: 100 });
  expect(vi.getTimerCount()).toBe(0);
  const [one, other] = [followed.follow(), followed.follow()];
  const pages = Promise.all([next(one), next(other)]);
  expect(vi.getTimerCount()).toBe(1);
  await apply(followed.store, increment("a")); // By another process: nobody wakes the reader.
  await vi.advanceTimersByTimeAsync(100);
  expect((await pages).map((page) => positions(page))).toEqual([[1], [1]]);
  await one.return();
  expect(vi.getTimerCount()).toBe(1);
  await other.return();
  expect(vi.getTimerCount()).toBe(0);
});

it("keeps nothing while nobody follows", async () => {
  const followed = new Followed({ pageChanges: 2 });
  await followed.count(6);
  const following = followed.follow("2");
  await next(following);
  await next(following);
  await following.return();
  const again = followed.follow();
  expect([positions(await next(again)), positions(await next(again))]).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(followed.reads.filter((cursor) => cursor === "2")).toHaveLength(2);
});

/**
 * Goal: whoever follows sees every change once and in order, from its own place on, at whatever pace. Method: random commits
 * of random sizes, and followers that come in at random, begin at the beginning or where another one stands, and wait a
 * random number of turns between pages; pages are small, and little is kept.
 */
it("random followers at random paces see everything, in order, once", async () => {
  const follower = fc.record({ comesAfter: fc.nat(30), pace: fc.nat(6), fresh: fc.boolean() });
  const commits = fc.array(fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 25 }), {
    minLength: 5,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(
      commits,
      fc.array(follower, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 3_000, max: 30_000 }),
      async (batches, followers, keptBytesMax) => {
        const { store, reader } = new Followed({ keptBytesMax });
        let lately = "";

        const following: Promise<{ from: string; changes: StoredChange[] }>[] = [];
        const start = async ({ pace, fresh }: { pace: number; fresh: boolean }) => {
          const from = fresh ? "" : lately;
          const changes: StoredChange[] = [];
          if (from === `${batches.length}`) return { from, changes };
          for await (const page of reader.follow(from, new AbortController().signal)) {
            for (let turn = 0; turn < pace; turn++) await new Promise(setImmediate);
            changes.push(...(await expanded(store, [page])));
            lately = page.cursor;
            if (page.cursor === `${batches.length}`) break;
          }
          return { from, changes };
        };
        for (const [n, names] of batches.entries()) {
          for (const each of followers) if (each.comesAfter === n) following.push(start(each));
          await commit(store, batch(names.map((name, i) => set(name, BigInt(i), { note: `${n}.${i}` }))));
          reader.wake();
          if (n % 3 === 0) await new Promise(setImmediate);
        }
        for (const each of followers) if (each.comesAfter >= batches.length) following.push(start(each));
        const all = await allChanges(store);
        await expectSumsEqualValues(store);
        for (const { from, changes } of await Promise.all(following))
          expect(changes).toEqual(all.filter(({ position }) => Number(position) > Number(from)));
        await reader.close();
      },
    ),
    { numRuns: 60 }, // On failure fast-check prints the seed; what ran at once does not shrink.
  );
});
