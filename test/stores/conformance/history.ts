import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import { BUCKET_MS, bucketStart, LEVELS, Level, PERIOD_MS, periodStart } from "../../../src/core/levels.ts";
import { DEFAULT_HISTORY } from "../../../src/service/store-history.ts";
import { apply, commit, create, increment, remove, reset, set, single, update } from "../../support/calls.ts";
import { Etags, prefixed, sketches } from "../../support/random-requests.ts";
import type { StoreKind } from "../../support/stores.ts";
import { expectAnswersAreLog } from "./history-asked.ts";
import { edgesOf } from "./history-expected.ts";
import { expectHistoryIsLog, Followed } from "./history-following.ts";
import { MINUTE, quota, tidy } from "./time-log.ts";
import { using } from "./using.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What became of counters over time: buckets are what the log is; see src/service/store-history.ts. */
export function historySuite(kind: StoreKind): void {
  const using_ = (options: Parameters<typeof using>[2] = {}) => {
    const it_ = using(kind, it, { handClock: true, history: DEFAULT_HISTORY, ...options });
    return (name: string, test: (followed: Followed) => Promise<void>) =>
      it_(name, async (opened) => {
        const followed = new Followed(opened);
        try {
          await test(followed);
        } finally {
          await followed.stop();
        }
      });
  };
  const it_ = using_();

  const kept = using_({ history: { ...DEFAULT_HISTORY, keepMs: [400 * DAY, 400 * DAY, 400 * DAY] } });
  kept("buckets are what the log is, whatever is done", async (followed) => {
    const { opened } = followed;
    const durable = opened.store.traits.durability === "fsync";
    let histories = 0;
    const prefixes: string[] = [""];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const prefix = `h${histories++}.`;
        prefixes.push(prefix);
        const etags = new Etags(opened);
        for (const todo of steps) {
          if (todo === "maintain") await tidy(opened.store);
          else if (todo === "reopen") {
            if (durable) await followed.reopen();
          } else if (todo === "stop") await followed.stop();
          else if (todo === "follow") followed.follow();
          else if (typeof todo === "number") await opened.pass(todo);
          else
            await commit(opened.store, ...(await etags.into(todo.map((asked) => prefixed(asked, prefix)))));
        }
        followed.follow();
      }),
      { numRuns: durable ? 8 : 60 },
    );
    await expectHistoryIsLog(followed, prefixes);
    await expectAnswersAreLog(followed, prefixes);
    await opened.pass(3 * HOUR);
    await tidy(opened.store); // All of it is packed.
    if (durable) await followed.reopen();
    await expectHistoryIsLog(followed, prefixes);
    await expectAnswersAreLog(followed, prefixes);
  });

  kept(
    "between changes a counter is what it was after the one before, whatever came later",
    async (followed) => {
      const { opened } = followed;
      const spans: { readonly level: Level; readonly from: number }[] = [];
      const until = async (at: number) => opened.pass(at - opened.now());
      for (const level of LEVELS) {
        // A pack of it for itself: two changes, the questions, and what came later.
        const from = periodStart(level, opened.now()) + PERIOD_MS[level];
        const after = (buckets: number) => until(from + buckets * BUCKET_MS[level]);
        const [kept, deleted, remade, expired] = namesOf(level);
        const idleTtlMs = 6n * BigInt(BUCKET_MS[level]);
        spans.push({ level, from });
        await after(1);
        for (const name of [kept, deleted, remade]) await apply(opened.store, increment(name, 100n));
        await apply(opened.store, create(expired, { value: 100n, idleTtlMs }));
        await after(2);
        for (const name of [kept, deleted, remade, expired]) await apply(opened.store, increment(name, 8n));
        await after(9); // One has expired by then.
        for (const name of [deleted, remade]) await apply(opened.store, remove(name, { keepHistory: true }));
        for (const name of [kept, expired]) await apply(opened.store, increment(name));
        await after(10);
        await apply(opened.store, increment(remade));
      }
      const expectTheValueBetween = async () => {
        for (const { level, from } of spans) {
          const edges = Float64Array.of(5, 6, 7).map((buckets) => from + buckets * BUCKET_MS[level]);
          const names = namesOf(level);
          const all = { prefix: `${level}.` };
          const asked = [
            ...names.map((name) => ({ of: { name }, level, value: 108n })),
            ...LEVELS.filter((each) => each <= level).map((each) => ({ of: all, level: each, value: 432n })),
            { of: { prefix: "" }, level, value: 432n + leftBefore(level) },
          ];
          for (const { of, level: by, value } of asked) {
            const { points } = await followed.query({ of, level: by, edges });
            const { opens, closes, changes, gaps } = points;
            expect({ opens, closes, changes, gaps }, `${JSON.stringify(of)} by ${by}`).toEqual({
              ...{ opens: [value, value], closes: [value, value] },
              ...{ changes: new Float64Array(2), gaps: new Uint8Array(2) },
            });
          }
          for (const name of names)
            expect(await followed.history.asOf(name, edges[0]!)).toMatchObject({ value: 108n, gap: false });
        }
      };
      await expectTheValueBetween();
      await opened.pass(32 * DAY);
      await tidy(opened.store);
      await expectTheValueBetween();
      if (opened.store.traits.durability !== "fsync") return;
      await followed.reopen();
      await expectTheValueBetween();
    },
  );

  it_("says what was before the range, and gives empty points the last value", async (followed) => {
    const { opened, store } = followed;
    const from = opened.now();
    await apply(store, increment("a", 5n));
    await opened.pass(3 * MINUTE);
    await apply(store, increment("a", 2n));
    await opened.pass(2 * MINUTE);
    const edges = edgesOf(Level.MINUTE, from + MINUTE, from + 4 * MINUTE);
    const { points, counters } = await followed.query({ of: { name: "a" }, level: Level.MINUTE, edges });
    expect(points).toMatchObject({
      opens: [5n, 5n, 5n, 7n],
      closes: [5n, 5n, 7n, 7n],
      lows: [5n, 5n, 7n, 7n],
      added: [0n, 0n, 2n, 0n],
      changes: Float64Array.of(0, 0, 1, 0),
      buckets: Float64Array.of(0, 0, 1, 0),
      gaps: new Uint8Array(4),
    });
    expect(counters).toEqual([{ uid: expect.any(String), from, to: undefined }]);
  });

  it_("a roll that is written late is in the bucket of its time, a packed one too", async (followed) => {
    const { opened, store } = followed;
    const from = opened.now();
    await apply(store, create("q", quota(opened, { value: 3n })));
    await apply(store, increment("other"));
    await opened.pass(30 * MINUTE);
    await apply(store, increment("other"));
    await opened.pass(3 * HOUR);
    while (followed.history && (await store.maintain())); // Which may write the roll down: so that both orders come up.
    await apply(store, increment("q"));
    const edges = Float64Array.of(from, from + MINUTE, from + 2 * MINUTE, from + 4 * HOUR);
    const { points } = await followed.query({ of: { name: "q" }, level: Level.MINUTE, edges });
    expect(points).toMatchObject({
      closes: [3n, 0n, 1n],
      rolled: [0n, -3n, 0n],
      removed: [0n, 0n, 0n],
      changes: Float64Array.of(1, 0, 1),
    });
    await expectHistoryIsLog(followed, [""]);
  });

  it_("a name's history is that of all counters that had it; prefixes sum up", async (followed) => {
    const { opened, store } = followed;
    const from = opened.now();
    await apply(store, increment("p.a", 4n));
    await opened.pass(MINUTE);
    await apply(store, increment("p.b", 1n));
    await apply(store, remove("p.a", { keepHistory: true }));
    await opened.pass(MINUTE);
    await apply(store, create("p.a", { value: 9n }));
    const edges = edgesOf(Level.MINUTE, from, from + 2 * MINUTE);
    const { points, counters } = await followed.query({ of: { name: "p.a" }, level: Level.MINUTE, edges });
    expect(points.closes).toEqual([4n, 0n, 9n]);
    expect(points.rolled).toEqual([0n, -4n, 0n]);
    expect(counters.map(({ from: begun, to }) => [begun - from, to && to - from])).toEqual([
      [0, MINUTE],
      [2 * MINUTE, undefined],
    ]);
    const sum = await followed.query({ of: { prefix: "p." }, level: Level.MINUTE, edges });
    expect(sum.points).toMatchObject({ closes: [4n, 1n, 10n], added: [4n, 1n, 9n], rolled: [0n, -4n, 0n] });
    expect([sum.points.lows, sum.counters]).toEqual([undefined, []]);
  });

  it_("what was deleted without its history is in no sum of the past, packed or not", async (followed) => {
    const { opened, store } = followed;
    const from = opened.now();
    for (const [i, name] of ["early", "late", "kept"].entries())
      await apply(store, increment(name, BigInt(i + 1)));
    await apply(store, remove("early", { note: "why" }), { caller: "me" });
    const edges = edgesOf(Level.QUARTER, from, from + 4 * HOUR);
    const all = { of: { prefix: "" }, level: Level.QUARTER, edges } as const;
    expect((await followed.query(all)).points.closes[0]).toBe(5n);
    await opened.pass(3 * HOUR);
    await tidy(store);
    await apply(store, remove("late"));
    const { points } = await followed.query(all);
    expect([points.closes[0], points.added[0], points.closes.at(-1)]).toEqual([3n, 3n, 3n]);
    for (const name of ["early", "late"]) {
      const { points, counters } = await followed.query({ ...all, of: { name } });
      expect([points.closes[0], counters]).toEqual([0n, []]);
      const { changes } = await followed.history.changes(name, undefined, 10);
      expect(changes.map(({ kind }) => kind)).toEqual([ChangeKind.DELETE]);
      expect(await followed.history.asOf(name, opened.now() - 2 * MINUTE)).toBeUndefined();
    }
  });

  it_("sums that no int64 holds", async (followed) => {
    const { opened, store } = followed;
    const [most, least] = [2n ** 63n - 1n, -(2n ** 63n)];
    const from = opened.now();
    for (const name of ["w.a", "w.b"])
      for (const value of [most, least, most]) await apply(store, set(name, value));
    const edges = edgesOf(Level.MINUTE, from, from);
    for (const pack of [false, true]) {
      if (pack) await opened.pass(2 * HOUR);
      if (pack) await tidy(store);
      const one = await followed.query({ of: { name: "w.a" }, level: Level.MINUTE, edges });
      const [added, removed] = [most + 2n ** 64n - 1n, 2n ** 64n - 1n];
      expect(one.points).toMatchObject({ closes: [most], lows: [least], added: [added], removed: [removed] });
      const two = await followed.query({ of: { prefix: "w." }, level: Level.MINUTE, edges });
      expect(two.points).toMatchObject({ closes: [2n * most], added: [2n * added], removed: [2n * removed] });
    }
  });

  it_(
    "what is small after numbers that are not lacks nothing, and what is large after it neither",
    async (followed) => {
      const { opened, store } = followed;
      const from = opened.now();
      const values = [5n, -(2n ** 63n), 7n, 2n ** 63n - 1n, 2n ** 50n, 2n ** 50n + 1n, 0n];
      for (const value of values) {
        await apply(store, set("w", 2n ** 62n));
        await apply(store, set("w", value));
        await opened.pass(MINUTE);
        await apply(store, set("w", value));
        await opened.pass(MINUTE);
      }
      const edges = edgesOf(Level.MINUTE, from, from + (2 * values.length - 1) * MINUTE);
      for (const pack of [false, true]) {
        if (pack) await opened.pass(2 * HOUR);
        if (pack) await tidy(store);
        for (const of of [{ name: "w" }, { prefix: "w" }]) {
          const { points } = await followed.query({ of, level: Level.MINUTE, edges });
          expect(points.closes).toEqual(values.flatMap((value) => [value, value]));
          expect(points.gaps).toEqual(new Uint8Array(2 * values.length));
        }
      }
    },
  );

  it_("nothing is said to be complete that whoever takes in has to take in anew", async (followed) => {
    const { opened, store, history } = followed;
    const edges = edgesOf(Level.MINUTE, opened.now(), opened.now());
    const asked = { of: { name: "a" }, level: Level.MINUTE, edges };
    await apply(store, increment("a"));
    await followed.query(asked); // What is first is saved at once, and what comes soon after it is not.
    await apply(store, set("a", 5n)); // Which makes a change by name as well.
    expect((await followed.query(asked)).points.closes.at(-1)).toBe(5n);
    await followed.stop();
    await history.intake.begin(); // What was not saved is forgotten.
    await opened.pass(MINUTE);
    const reads = [history.query(asked), history.asOf("a", opened.now()), history.changes("a", undefined, 9)];
    followed.follow();
    const [points, past, named] = await Promise.all(reads);
    expect(points).toMatchObject({
      points: { closes: { [edges.length - 2]: 5n } },
      completeUntil: opened.now(),
    });
    expect(past).toMatchObject({ value: 5n, completeUntil: opened.now() });
    expect(named).toMatchObject({ changes: [{ kind: ChangeKind.SET }], completeUntil: opened.now() });
  });

  it_("as of an instant: the value at the end of the finest bucket that had ended", async (followed) => {
    const { opened, store, history } = followed;
    const from = opened.now();
    await apply(store, increment("a", 5n));
    await opened.pass(MINUTE);
    await apply(store, increment("a", 2n));
    await opened.pass(30 * MINUTE);
    await apply(store, remove("a", { keepHistory: true }));
    await opened.pass(MINUTE);
    const at = async (ago: number) => history.asOf("a", from + ago);
    expect(await at(MINUTE - 1)).toBeUndefined(); // Its first minute had not ended.
    for (const pack of [false, true]) {
      if (pack) await opened.pass(3 * HOUR);
      if (pack) await tidy(store);
      expect(await at(MINUTE)).toMatchObject({ value: 5n, at: from + MINUTE, gap: false });
      expect(await at(20 * MINUTE + 7)).toMatchObject({ value: 7n, at: from + 20 * MINUTE });
      expect(await at(32 * MINUTE)).toBeUndefined();
    }
    expect(await history.asOf("nobody", from + HOUR)).toBeUndefined();
  });

  it_("lists what somebody did by name, the newest first, page by page", async (followed) => {
    const { opened, store, history } = followed;
    await apply(store, create("a", { value: 1n, ...quota(opened) }), { caller: "me" });
    await apply(store, increment("a"));
    await opened.pass(MINUTE);
    await apply(store, set("a", 3n, { note: "why" }), { caller: "me" });
    await apply(store, reset("a"));
    await apply(store, increment("b"));
    await apply(store, remove("a", { keepHistory: true }));
    await apply(store, create("a"));
    const kinds = [];
    let before: string | undefined;
    do {
      const page = await history.changes("a", before, 2);
      kinds.push(...page.changes.map(({ kind }) => kind));
      before = page.next;
    } while (before !== undefined);
    const { CREATE, DELETE, RESET, SET, ROLL } = ChangeKind;
    expect(kinds).toEqual([CREATE, DELETE, RESET, SET, ROLL, CREATE]);
    const { changes } = await history.changes("a", undefined, 10);
    expect(changes[3]).toMatchObject({ caller: "me", note: "why", value: 3n, revision: 4, firstRevision: 4 });
    expect(new Set(changes.map(({ uid }) => uid)).size).toBe(2);
    expect((await history.changes("b", undefined, 10)).changes).toEqual([]);
  });

  it_("none is kept of a counter whose setting says so, from when it says so", async (followed) => {
    const { opened, store, history } = followed;
    const from = opened.now();
    await apply(store, create("never", { history: false, idleTtlMs: BigInt(HOUR) }));
    await apply(store, increment("never"));
    await apply(store, increment("later"));
    await opened.pass(MINUTE);
    await followed.query({
      of: { name: "later" },
      level: Level.MINUTE,
      edges: edgesOf(Level.MINUTE, from, from),
    });
    await apply(store, update("later", { history: false }));
    await apply(store, increment("later"));
    await opened.pass(MINUTE);
    const edges = edgesOf(Level.MINUTE, from, from + 5 * MINUTE);
    const ask = (name: string) => followed.query({ of: { name }, level: Level.MINUTE, edges });
    expect((await ask("later")).points).toMatchObject({
      closes: { 0: 1n, 1: 1n },
      changes: { 0: 1, 1: 0 },
      gaps: Uint8Array.of(0, 1, 1, 1, 1, 1),
    });
    expect(await history.asOf("later", from + 2 * MINUTE)).toMatchObject({ value: 1n, gap: true });
    await followed.stop(); // Which forgets what it has seen.
    await apply(store, update("later", { history: true }));
    await opened.pass(MINUTE);
    await apply(store, increment("later"));
    await opened.pass(HOUR);
    await tidy(store); // "never" expires.
    followed.follow();
    const { points } = await ask("later"); // What was missed shows.
    expect(points).toMatchObject({
      closes: { 3: 3n, 4: 3n },
      gaps: Uint8Array.of(0, 1, 1, 1, 0, 0),
      added: { 3: 1n },
    });
    expect(await history.asOf("later", from + 2 * MINUTE)).toMatchObject({ value: 1n, gap: true });
    expect(await history.asOf("later", from + 4 * MINUTE)).toMatchObject({ value: 3n, gap: false });
    await apply(store, update("later", { history: false }));
    await ask("later");
    await apply(store, increment("later"));
    await ask("later");
    await apply(store, remove("later", { keepHistory: true }));
    const now = opened.now();
    const after = edgesOf(Level.MINUTE, now, now + MINUTE);
    const sum = await followed.query({ of: { prefix: "lat" }, level: Level.MINUTE, edges: after });
    expect(sum.points).toMatchObject({ opens: [3n, 0n], closes: [0n, 0n], gaps: Uint8Array.of(1, 0) });
    const { counters } = await ask("never");
    expect([counters, (await history.changes("never", undefined, 9)).changes]).toEqual([[], []]);
  });

  it_("drops the finest first, and says from when there is any", async (followed) => {
    const { opened, store, history } = followed;
    const from = opened.now();
    await apply(store, increment("a"));
    await opened.pass(3 * DAY);
    await apply(store, increment("a"));
    await tidy(store);
    const ask = (level: Level) =>
      history.query({ of: { name: "a" }, level, edges: edgesOf(level, from, opened.now()) });
    const refused = await ask(Level.MINUTE);
    expect(refused).toEqual({ refused: "EXPIRED", oldest: expect.any(Number) });
    expect((refused as { oldest: number }).oldest).toBeLessThanOrEqual(opened.now() - 2 * DAY);
    expect(await ask(Level.QUARTER)).toHaveProperty("points");
    expect(await history.asOf("a", from + MINUTE)).toBeUndefined();
    expect(await history.asOf("a", from + 20 * MINUTE)).toMatchObject({ value: 1n, at: from + 15 * MINUTE });
    const edges = edgesOf(Level.MINUTE, opened.now() - DAY, opened.now());
    const { points } = await followed.query({ of: { name: "a" }, level: Level.MINUTE, edges });
    expect([points.opens[0], points.closes.at(-1)]).toEqual([1n, 2n]);
  });

  const fewDays = using_({ history: { ...DEFAULT_HISTORY, keepMs: [2 * DAY, 400 * DAY, 40 * DAY] } });
  fewDays(
    "what was before is a gap, not 0, where it is kept no more; the next change tells",
    async (followed) => {
      const { opened, store, history } = followed;
      await apply(store, increment("idle", 100n));
      await opened.pass(MINUTE);
      const noon = bucketStart(Level.DAY, opened.now()) + 200 * DAY + 12 * HOUR;
      await opened.pass(noon - opened.now());
      await apply(store, increment("living"));
      const edges = Float64Array.of(noon - 2 * HOUR, noon - HOUR, noon, noon + HOUR);
      const ask = async (level: Level, until = edges.length) => {
        const asked = { of: { name: "idle" }, level, edges: edges.slice(0, until) };
        const { points } = await followed.query(asked);
        return { closes: points.closes, gaps: Array.from(points.gaps) };
      };
      await ask(Level.MINUTE);
      await tidy(store);
      for (const level of [Level.MINUTE, Level.QUARTER])
        expect(await ask(level)).toEqual({ closes: [0n, 0n, 0n], gaps: [1, 1, 1] });
      expect(await history.asOf("idle", noon - HOUR)).toMatchObject({ value: 0n, gap: true });
      await apply(store, increment("idle"));
      for (const pack of [false, true]) {
        if (pack) await opened.pass(3 * HOUR);
        if (pack) await tidy(store);
        for (const level of [Level.MINUTE, Level.QUARTER])
          expect(await ask(level)).toEqual({ closes: [100n, 100n, 101n], gaps: [0, 0, 0] });
      }
      expect(await ask(Level.QUARTER, 3)).toEqual({ closes: [100n, 100n], gaps: [0, 0] }); // Packed together with what tells.
    },
  );

  const fewQuarters = using_({ history: { ...DEFAULT_HISTORY, keepMs: [9 * DAY, DAY, 400 * DAY] } });
  fewQuarters(
    "where quarters go before minutes, what a day had before them is no longer known",
    async (followed) => {
      const { opened, store, history } = followed;
      const day = bucketStart(Level.DAY, opened.now()) + DAY;
      const until = async (at: number) => opened.pass(at - opened.now());
      await apply(store, increment("a", 5n)); // The day before.
      await until(day + HOUR);
      await apply(store, increment("a", 2n));
      await apply(store, increment("b", 3n));
      await until(day + 5 * HOUR + MINUTE);
      await apply(store, increment("b", 4n));
      await until(day + 4 * DAY);
      await apply(store, increment("other"));
      const edges = [0, 1, 2].map((minutes) => day + 5 * HOUR + minutes * MINUTE);
      const ask = async (name: string, later = 0) => {
        const asked = {
          of: { name },
          level: Level.MINUTE,
          edges: Float64Array.from(edges, (at) => at + later),
        };
        const { points } = await followed.query(asked);
        return { closes: points.closes, gaps: Array.from(points.gaps) };
      };
      await ask("a");
      await tidy(store);
      expect(await ask("a")).toEqual({ closes: [5n, 5n], gaps: [1, 1] });
      expect(await ask("b")).toEqual({ closes: [3n, 7n], gaps: [0, 0] });
      expect(await ask("a", -5 * HOUR)).toEqual({ closes: [5n, 5n], gaps: [0, 0] });
      expect(await ask("a", DAY)).toEqual({ closes: [7n, 7n], gaps: [0, 0] });
      expect(await history.asOf("a", edges[1]!)).toMatchObject({ gap: true });
      expect(await history.asOf("a", day + HOUR + MINUTE)).toMatchObject({ value: 7n, gap: false });
      expect(await history.asOf("a", day + DAY)).toMatchObject({ value: 7n, gap: false });
    },
  );

  const small = using_({ history: { ...DEFAULT_HISTORY, bytesMax: 120_000 } });
  small("keeps within its room", async (followed) => {
    const { opened, store, history } = followed;
    const from = opened.now();
    const names = Array.from({ length: 100 }, (_, i) => `n${i}`);
    for (let hour = 0; hour < 30; hour++) {
      await commit(store, ...["a", ...names].map((name) => single(increment(name))));
      await opened.pass(HOUR);
    }
    await followed.query({ of: { name: "a" }, level: Level.DAY, edges: edgesOf(Level.DAY, from, from) });
    await tidy(store);
    const minutes = { of: { name: "a" }, level: Level.MINUTE, edges: edgesOf(Level.MINUTE, from, from) };
    expect(await history.query(minutes)).toMatchObject({ refused: "EXPIRED" });
    const { points } = await followed.query({
      ...minutes,
      ...{ level: Level.DAY, edges: edgesOf(Level.DAY, from, from) },
    });
    expect(points.closes).toEqual([24n]);
  });

  const narrow = using_({ history: { ...DEFAULT_HISTORY, bytesMax: 8_000 } });
  narrow("what somebody did by name has a quarter of the room: the oldest of it goes", async (followed) => {
    const { opened, store, history } = followed;
    await apply(store, create("old"));
    for (let n = 0; n < 60; n++) await apply(store, set("a", BigInt(n)));
    expect((await history.changes("a", undefined, 100)).changes.length).toBe(60);
    await opened.pass(MINUTE);
    await tidy(store);
    const { changes } = await history.changes("a", undefined, 100);
    expect(changes.map(({ value }) => value)).toEqual(Array.from({ length: 20 }, (_, n) => BigInt(59 - n)));
    expect((await history.changes("old", undefined, 9)).changes).toEqual([]);
    await apply(store, set("a", 7n));
    expect((await history.changes("a", undefined, 1)).changes).toMatchObject([{ value: 7n }]);
  });

  const days = { keepMs: [DAY, DAY, DAY], bytesMax: 200_000 } as const; // Room for 500 named changes.
  const short = using_({ history: days });
  short("a counter that has ended stays for as long as anything of it is kept", async (followed) => {
    const { opened, store } = followed;
    const from = opened.now();
    await apply(store, create("gone", { value: 1n }));
    await apply(store, create("erased"));
    await apply(store, create("renewed", { value: 2n }));
    await apply(store, increment("living"));
    for (const name of ["gone", "renewed"]) await apply(store, remove(name, { keepHistory: true }));
    await apply(store, remove("erased"));
    await apply(store, increment("renewed"));
    const known = async () => {
      const edges = edgesOf(Level.DAY, opened.now(), opened.now());
      await followed.query({ of: { name: "living" }, level: Level.DAY, edges });
      await tidy(store);
      const names: string[] = [];
      const { rows } = await (await store.copying!.exportHistory!())!.rows("", 100);
      for (const row of rows) if (row.table === "counters") names.push(row.name);
      return names.sort();
    };
    expect(await known()).toEqual(["erased", "gone", "living", "renewed", "renewed"]);
    for (let day = 0; day < 40; day += 8) {
      await commit(store, ...Array.from({ length: 120 }, (_, n) => single(set("young", BigInt(n)))));
      if (day === 32) await apply(store, remove("young", { keepHistory: true }));
      await opened.pass(8 * DAY);
      await known();
    }
    await opened.pass(40 * DAY);
    await apply(store, increment("living"));
    await known();
    await opened.pass(DAY);
    expect(await known()).toEqual(["living", "renewed", "young"]);
    expect((await followed.history.changes("young", undefined, 9)).changes.length).toBeGreaterThan(1);
    const edges = edgesOf(Level.DAY, opened.now() - DAY, opened.now());
    const ask = (name: string) => followed.query({ of: { name }, level: Level.DAY, edges });
    expect((await ask("renewed")).counters).toMatchObject([{ from, to: undefined }]);
    expect((await ask("living")).points.closes.at(-1)).toBe(2n);
    await apply(store, increment("gone", 5n)); // Another one may have its name, and its number.
    await followed.reopen();
    expect(opened.warnings.filter((warning) => warning.includes("history"))).toEqual([]);
    expect((await ask("gone")).points.closes.at(-1)).toBe(
      opened.store.traits.durability === "none" ? 0n : 5n,
    );
  });

  const tight = using_({ retention: { changeLogBytesMax: 300 } });
  tight(
    "the log keeps what has not been taken in, for a minute; then there is a gap, which is said",
    async (followed) => {
      const { opened, store } = followed;
      const from = opened.now();
      await apply(store, increment("a"));
      await apply(store, increment("gone"));
      const edges = edgesOf(Level.MINUTE, from, from + 10 * MINUTE);
      const ask = (name: string) => followed.query({ of: { name }, level: Level.MINUTE, edges });
      await ask("a");
      await followed.stop();
      const steps = async () => {
        for (let i = 0; i < 60; i++) await apply(store, increment(i % 2 ? "a" : "b"));
        await tidy(store);
      };
      await steps();
      followed.follow();
      expect((await ask("a")).points).toMatchObject({
        gaps: new Uint8Array(edges.length - 1),
        closes: { 0: 31n },
      });
      await followed.stop();
      await apply(store, remove("gone"));
      await opened.pass(2 * MINUTE);
      await steps();
      await opened.pass(2 * MINUTE);
      await steps();
      followed.follow();
      const { points } = await ask("a");
      expect(points.closes.at(-1)).toBe(91n);
      expect(Array.from(points.gaps).slice(0, 6)).toEqual([1, 1, 1, 1, 1, 0]);
      expect(followed.following!.missed).toBe(1);
      expect((await ask("gone")).counters).toEqual([]); // With its history or not: nobody knows.
      await expect(ask("b")).resolves.toMatchObject({ points: { closes: expect.arrayContaining([90n]) } });
    },
  );
}

/** Of a level: kept, deleted, deleted and made again, expired. */
function namesOf(level: Level) {
  return ["kept", "deleted", "remade", "expired"].map((name) => `${level}.${name}`) as [
    ...[string, string, string, string],
  ];
}

/** What the counters of the finer levels come to by then: those that were kept, and the new ones. */
function leftBefore(level: Level): bigint {
  return BigInt(level) * (109n + 1n + 1n);
}

const step = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.array(sketches(fc.constantFrom("a", "b", "c"), true), { minLength: 1, maxLength: 6 }),
  },
  { weight: 4, arbitrary: fc.constantFrom("maintain" as const, "stop" as const, "follow" as const) },
  { weight: 8, arbitrary: fc.constantFrom(7_003, MINUTE, 17 * MINUTE, HOUR) },
  { weight: 1, arbitrary: fc.constantFrom("reopen" as const, 26 * HOUR) },
);
