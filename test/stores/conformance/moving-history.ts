import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { levelOf, type Step, StepCutter } from "../../../src/core/history-steps.ts";
import { Level } from "../../../src/core/levels.ts";
import { copyStore } from "../../../src/service/copy.ts";
import type { Store } from "../../../src/service/store.ts";
import { DEFAULT_HISTORY, type NamedChange } from "../../../src/service/store-history.ts";
import type { HistoryPart, HistoryRow } from "../../../src/service/store-history-copying.ts";
import { ZoneCalendar } from "../../../src/stores/shared/calendar.ts";
import { apply, commit, create, increment, remove, set, single, update } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import type { Opened, OpenOptions } from "../../support/opened.ts";
import { Etags, prefixed, sketches } from "../../support/random-requests.ts";
import { type StoreKind, targetsOf } from "../../support/stores.ts";
import { edgesOf } from "./history-expected.ts";
import { Followed } from "./history-following.ts";
import { expectNotServed, failingAfter, importing, reopened } from "./moving.ts";
import { MINUTE, quota, tidy } from "./time-log.ts";

const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** History goes along with what a store keeps, whatever kind the other one is, and goes on where it ended. */
export function movingHistorySuite(kind: StoreKind): void {
  for (const target of targetsOf(kind))
    describeWith(target.needs, `to ${target.name}`, () => moves(kind, target));
}

function moves(kind: StoreKind, target: StoreKind): void {
  const between =
    (options: OpenOptions = {}, into: OpenOptions = {}) =>
    (name: string, test: (from: Opened, to: Opened) => Promise<void>): void => {
      it(name, async () => {
        const both = { handClock: true, history: DEFAULT_HISTORY };
        const from = await kind.open({ ...both, ...options });
        const to = await target.open({ ...both, ...into });
        try {
          await test(from, to);
        } finally {
          await from.dispose();
          await to.dispose();
        }
      });
    };
  const it_ = between();

  it("any question has the same answer in both, and so has each that is asked after more was counted", {
    timeout: 480_000,
  }, async () => {
    // In memory counters are copied as of now, and what time has done to them is not in the log.
    const stored = kind.name !== "memory" && target.name !== "memory";
    const both = [kind.name, target.name];
    const numRuns = both.includes("postgres") ? 2 : both.includes("sqlite") ? 4 : 40;
    await fc.assert(
      fc.asyncProperty(
        story(stored),
        story(stored),
        fc.array(question, { minLength: 10, maxLength: 20 }),
        async (...told) => {
          const [before, after, questions] = told;
          const small = {
            handClock: true,
            history: DEFAULT_HISTORY,
            // How long after their time ids are forgotten is each store's own, so that none goes while a story lasts.
            retention: { changeLogBytesMax: 3_000, requestIdsKeepMs: 400 * DAY },
          };
          const [from, to] = [await kind.open(small), await target.open(small)];
          try {
            const source = new Followed(from);
            await apply(from.store, increment("h.first"));
            await caughtUp(source); // Without any, there were none to be copied.
            await tell(source, before);
            await source.stop();
            expect((await copied(from, to)).history, `${from.warnings}`).toBeDefined();
            const asked = { questions, uids: true };
            const copy = await reopened(to);
            const [was, came] = [new Followed(from), await answers(copy, to.now(), asked)];
            await caughtUp(was);
            expect(came).toEqual(await answers(from.store, from.now(), asked));
            const went = new Followed(to);
            for (const each of [was, went]) {
              await tell(each, after);
              each.follow();
              await caughtUp(each);
            }
            const later = { questions, uids: false };
            expect(await answers(to.store, to.now(), later)).toEqual(
              await answers(from.store, from.now(), later),
            );
            await Promise.all([was.stop(), went.stop()]);
          } finally {
            await from.dispose();
            await to.dispose();
          }
        },
      ),
      { numRuns, endOnFailure: true },
    );
  });

  it_("what the log has beyond it is taken in first, what went without its history too", async (from, to) => {
    const { counted, wanted } = await fill(from);
    expect(counted).toBeGreaterThan(0);
    const { history, historyLeft } = await copied(from, to);
    expect(historyLeft).toBeUndefined();
    expect(history).toEqual({ rows: expect.any(Number), counters: 10, changes: expect.any(Number) });
    expect(history!.rows).toBeGreaterThan(30);
    expect(history!.changes).toBeGreaterThan(7);
    const { history: copy } = await reopened(to);
    for (const [name, closes] of Object.entries(wanted)) {
      const edges = Float64Array.of(...[0, 1, 2, 3, 4, 5, 6].map((hours) => START + hours * HOUR));
      const of = name.endsWith("*") ? { prefix: name.slice(0, -1) } : { name };
      const answer = await copy!.query({ of, level: Level.MINUTE, edges });
      expect(answer, name).toMatchObject({ completeUntil: to.now(), points: { closes } });
    }
    expect(await copy!.asOf("a", START + HOUR)).toMatchObject({ value: 6n, gap: false });
    expect((await copy!.changes("gone", undefined, 10)).changes).toHaveLength(1);
    expect((await copy!.changes("kept", undefined, 10)).changes).toHaveLength(2);
  });

  it_("stopped after any part, the next run goes on, and ends as if nothing had been", async (from, to) => {
    await fill(from);
    await reopened(from, "copyFrom");
    await reopened(to, "copyTo");
    for (let parts = 1; ; parts++) {
      if (parts % 5 === 0) {
        await reopened(from, "copyFrom");
        await reopened(to, "copyTo");
        await expectNotServed(to);
      }
      const copy = copyStore(from.store, failingAfter(to.store, 1), { partMax: 8 });
      const end = await copy.then(
        (copied) => copied,
        (error: Error) => error.message,
      );
      if (end === "stopped here") continue;
      expect(end).toMatchObject({ resumed: true, before: false, history: { counters: 10 } });
      expect(parts).toBeGreaterThan(15);
      break;
    }
    expect(await copyStore(from.store, to.store)).toMatchObject({ before: true, history: { counters: 10 } });
    await to.pass(from.now() - to.now());
    const was = new Followed(await servedAgain(from));
    await caughtUp(was);
    const asked = { questions: everything(from.now()), uids: true };
    expect(await answers(await reopened(to), to.now(), asked)).toEqual(
      await answers(from.store, from.now(), asked),
    );
    await was.stop();
  });

  const changed = (change: (row: HistoryRow) => HistoryRow | undefined) => {
    let left = 1;
    return ({ rows, reach }: HistoryPart): HistoryPart => {
      const others = rows.flatMap((row) => {
        const other = left > 0 ? change(row) : row;
        if (other !== row) left--;
        return other ?? [];
      });
      return { rows: others, ...(reach && { reach }) };
    };
  };
  const differences: [string, () => (part: HistoryPart) => HistoryPart][] = [
    [
      "a bucket",
      () => changed((row) => ("buckets" in row ? { ...row, buckets: row.buckets.slice(1) } : row)),
    ],
    ["a lost row", () => changed((row) => (row.table === "packed" ? undefined : row))],
    ["a lost minute", () => changed((row) => (row.table === "minutes" ? undefined : row))],
    ["an end", () => changed((row) => (row.table === "counters" ? { ...row, to: 7 } : row))],
    [
      "a note",
      () =>
        changed((row) => (row.table === "changes" ? { ...row, change: { ...row.change, note: "no" } } : row)),
    ],
    [
      "a gap",
      () =>
        ({ rows, reach }) => ({ rows, ...(reach && { reach: { ...reach, gaps: [NOW] } }) }),
    ],
  ];
  it_(
    "a history that is not the same ends no copy: it is told, and the next run begins anew",
    async (from, to) => {
      await fill(from);
      await reopened(from, "copyFrom");
      await reopened(to, "copyTo");
      for (const [what, change] of differences) {
        const changing = change();
        const other = importing(to.store, (copying, { history, ...part }) =>
          copying.import({ ...part, ...(history && { history: changing(history) }) }),
        );
        await expect(copyStore(from.store, other), what).rejects.toThrow(
          /is not what the source has; it differs in .*history/,
        );
        expect((await to.store.copying!.importState()).copy).toMatchObject({ ended: false });
      }
      expect(await copyStore(from.store, to.store)).toMatchObject({
        resumed: false,
        history: { counters: 10 },
      });
    },
  );

  between({ history: undefined })(
    "where the source has none, that of the copy begins with what the change log has",
    async (from, to) => {
      await apply(from.store, increment("a", 5n));
      await from.pass(MINUTE);
      expect((await copied(from, to)).history).toBeUndefined();
      await reopened(to);
      const copy = new Followed(to);
      await caughtUp(copy);
      expect(await copy.history.asOf("a", to.now())).toMatchObject({ value: 5n });
      expect(to.warnings.filter((warning) => warning.includes("history"))).toEqual([]);
      await copy.stop();
    },
  );

  if (target.name === "memory")
    between({}, { history: undefined })(
      "where none could be kept, it is said to be left",
      async (from, to) => {
        await fill(from);
        const result = await copied(from, to);
        expect([result.history, result.historyLeft]).toEqual([undefined, true]);
      },
    );
}

const START = Date.UTC(2026, 0, 1);
const NOW = { from: START, to: START + 1 };

/** Copied, by stores that were opened for it where they can be. */
async function copied(from: Opened, to: Opened) {
  await to.pass(from.now() - to.now()); // Before: what it takes counts as running time, and ids age by that.
  const source = await reopened(from, "copyFrom");
  const result = await copyStore(source, await reopened(to, "copyTo"), { partMax: 40 });
  await servedAgain(from);
  return result;
}

async function servedAgain(opened: Opened): Promise<Opened> {
  await reopened(opened);
  return opened;
}

/**
 * Hours of packed buckets and minutes that are not, ends of all kinds, a counter of which none is kept from some time on; of
 * which the last was not taken in.
 *
 * @returns  how many commits history lacks, and what closes the first hours
 */
async function fill(from: Opened) {
  const followed = new Followed(from);
  const { store } = from;
  const wanted: Record<string, bigint[]> = {
    a: [6n, 16n, 26n, 36n, 46n, 46n],
    "p.*": [3n, 2n, 2n, 2n, 2n, 3n],
    gone: [0n, 0n, 0n, 0n, 0n, 0n],
    kept: [4n, 4n, 4n, 4n, 4n, 0n],
  };
  await apply(store, create("q", quota(from, { value: 3n })));
  await commit(store, ...["p.a", "p.b", "p.c"].map((name) => single(increment(name))));
  await apply(store, increment("gone", 7n));
  await apply(store, create("kept", { value: 4n }));
  await apply(store, increment("later", 2n));
  for (let hour = 0; hour < 5; hour++) {
    for (let n = 0; n < 4; n++) {
      await apply(store, increment("a", hour === 0 && n === 0 ? 1n : 1n + BigInt(n)), {});
      await from.pass(7 * MINUTE);
    }
    if (hour === 0) await apply(store, set("a", 6n, { note: "by hand" }), { caller: "me" });
    if (hour === 1) await apply(store, remove("p.b", { keepHistory: true }));
    if (hour === 2) await apply(store, update("later", { history: false }));
    await from.pass(32 * MINUTE);
    await caughtUp(followed);
    if (hour < 3) await tidy(store);
    if (hour === 0) await apply(store, remove("q", { keepHistory: true }));
  }
  await followed.stop();
  await apply(store, remove("gone"));
  await apply(store, remove("kept", { keepHistory: true }));
  await apply(store, create("p.d", { value: 1n }));
  await apply(store, increment("new"));
  await apply(store, increment("later"));
  await from.pass(MINUTE);
  return { counted: 5, wanted };
}

type Todo = "tidy" | "stop" | "follow" | number | readonly Parameters<typeof prefixed>[0][];

const story = (timed: boolean): fc.Arbitrary<Todo[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 30,
        arbitrary: fc.array(sketches(fc.constantFrom("a", "b", "c"), timed), { minLength: 1, maxLength: 6 }),
      },
      { weight: 6, arbitrary: fc.constantFrom("tidy" as const, "stop" as const, "follow" as const) },
      { weight: 10, arbitrary: fc.constantFrom(7_003, MINUTE, 17 * MINUTE, HOUR) },
      { weight: 2, arbitrary: fc.constant(26 * HOUR) },
    ),
    { minLength: 5, maxLength: 25 },
  );

async function tell(followed: Followed, todos: readonly Todo[]): Promise<void> {
  const { opened } = followed;
  const etags = new Etags(opened);
  for (const todo of todos) {
    if (todo === "tidy") await tidy(opened.store);
    else if (todo === "stop") await followed.stop();
    else if (todo === "follow") followed.follow();
    else if (typeof todo === "number") await opened.pass(todo);
    else {
      await commit(opened.store, ...(await etags.into(todo.map((asked) => prefixed(asked, "h.")))));
      // What the log drops before it is taken in is a gap: who is stopped misses it, and nobody else, in any store.
      if (followed.following !== undefined) await caughtUp(followed);
    }
  }
}

/** Something is asked, so that all has been taken in. */
async function caughtUp(followed: Followed): Promise<void> {
  followed.follow();
  const now = followed.opened.now();
  await followed.query({ of: { name: "a" }, level: Level.DAY, edges: edgesOf(Level.DAY, now, now) });
}

interface Question {
  readonly of: { readonly name: string } | { readonly prefix: string };
  readonly step: Step;
  /** From how long ago, and for how many points. */
  readonly agoMs: number;
  readonly points: number;
}

const zones = fc.constantFrom("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York");
const question: fc.Arbitrary<Question> = fc.record({
  of: fc.oneof(
    fc.constantFrom("h.a", "h.b", "h.c", "h.none").map((name) => ({ name })),
    fc.constantFrom("", "h.", "h.a").map((prefix) => ({ prefix })),
  ),
  step: fc.oneof(
    fc.record({
      everyMs: fc.constantFrom(MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 7 * HOUR, DAY),
      timeZone: zones,
    }),
    fc.record({ unit: fc.constantFrom("day", "week", "month"), timeZone: zones }),
  ),
  agoMs: fc.integer({ min: 0, max: 6 * DAY }),
  points: fc.integer({ min: 1, max: 60 }),
});

/** Minutes and quarters of all that `fill` has. */
function everything(now: number): Question[] {
  const names = ["a", "q", "p.a", "p.b", "gone", "kept", "later", "new"].map((name) => ({ name }));
  return [...names, { prefix: "" }].flatMap((of) =>
    [MINUTE, 15 * MINUTE].map((everyMs) => ({
      ...{ of, step: { everyMs, timeZone: "UTC" }, agoMs: now - START },
      points: Math.ceil((now - START) / everyMs),
    })),
  );
}

/** What history answers to all that may be asked: points, past values, and who did what. */
async function answers(
  { history }: Store,
  now: number,
  { questions, uids }: { questions: readonly Question[]; uids: boolean },
) {
  const calendar = new ZoneCalendar(() => {});
  const answered: unknown[] = [];
  const names = new Set<string>();
  for (const { of, step, agoMs, points } of questions) {
    const cutter = new StepCutter(step, calendar);
    const edges = [cutter.at(now - agoMs)!.start];
    while (edges.length <= points) edges.push(cutter.at(edges.at(-1)!)!.end);
    const answer = await history!.query({
      of,
      level: levelOf(Float64Array.from(edges)),
      edges: Float64Array.from(edges),
    });
    if ("completeUntil" in answer) expect(answer.completeUntil).toBe(now);
    if ("refused" in answer) answered.push(answer);
    else {
      // How many stored buckets there are depends on when they were packed; what is asked of it is whether there are any.
      const buckets = answer.points.buckets.map((count) => Math.min(count, 1));
      const points = { ...answer.points, buckets };
      answered.push({ ...answer, points, counters: answer.counters.map(known) });
    }
    if ("name" in of) names.add(of.name);
    if (!("name" in of)) continue;
    const past = await history!.asOf(of.name, now - agoMs);
    answered.push(past && "uid" in past ? known(past) : past);
  }
  for (const name of names) {
    const changes: NamedChange[] = [];
    let before: string | undefined;
    do {
      const page = await history!.changes(name, before, 7);
      changes.push(...page.changes);
      before = page.next;
    } while (before !== undefined);
    answered.push(changes.map(known));
  }
  return answered;

  /** Counters that were made since the copy are others, and positions rise by what was taken in before it went. */
  function known<T extends { readonly uid: string }>(each: T): object {
    return uids ? each : { ...each, uid: undefined, position: undefined };
  }
}
