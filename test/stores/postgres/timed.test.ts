/** Several stores on one PostgreSQL, and counters that time does something to: the database's clock decides, once. */
import { expect, it } from "vitest";
import { decideBatch } from "../../../src/core/batch.ts";
import { ChangeKind } from "../../../src/core/change.ts";
import { CORRUPT, type FullCounter } from "../../../src/core/counter.ts";
import type { Calendar } from "../../../src/core/window.ts";
import type { Store } from "../../../src/service/store.ts";
import { ZoneCalendar } from "../../../src/stores/shared/calendar.ts";
import { apply, batch, commit, create, increment, set, single, update } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { allChanges } from "../conformance/changes.ts";
import { ALL, expectLogLeadsTo } from "../conformance/time-log.ts";
import { ownDatabase, ownSchema, START, underClock } from "./schema.ts";

const { ADD, CREATE, ROLL, EXPIRE } = ChangeKind;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const LOCKED = { code: "STORE_UNAVAILABLE", retryAfterMs: 1_000 };

async function tidy(...stores: readonly Store[]): Promise<void> {
  const each = stores.map(async (store) => {
    while (await store.maintain());
  });
  await Promise.all(each);
}

/** The kinds of changes that the log has, by name. */
async function kindsByName(store: Store): Promise<Record<string, number[]>> {
  const kinds: Record<string, number[]> = {};
  for (const { name, kind } of await allChanges(store)) kinds[name] = [...(kinds[name] ?? []), kind];
  return kinds;
}

const inMinutes = { window: { everyMs: MINUTE, anchorMs: START } };
const idle = { idleTtlMs: BigInt(MINUTE) };

describeWith([POSTGRES], "counters in time, on several stores of one PostgreSQL", () => {
  it("clocks that differ by 500 ms: in each window five of five are taken, never a sixth", async () => {
    const schema = await ownSchema();
    const clocks = [-500, 0, 500].map((apart) => new HandClock(Date.now() + apart));
    const stores = await Promise.all(clocks.map((clock) => schema.open({ clock })));
    const window = { everyMs: 1_000, anchorMs: 0 };
    await apply(stores[0]!, create("q", { max: 5n, value: 5n, window }));
    const taken = new Map<number, number>();
    const until = performance.now() + 6_000;
    const lanes = [...stores, ...stores].map(async (store, lane) => {
      while (performance.now() < until) {
        const [answer] = await commit(store, single(increment("q")));
        const second = Math.floor(answer!.time / 1_000);
        if (answer!.refused === undefined) taken.set(second, (taken.get(second) ?? 0) + 1);
        if (lane < 3) await store.maintain();
        const [seen] = (await store.get(["q"])) as [FullCounter];
        expect(seen.value).toBeLessThanOrEqual(5n);
      }
    });
    await Promise.all(lanes);
    const windows = [...taken].sort(([a], [b]) => a - b);
    const [first] = windows[0]!;
    expect(windows.length).toBeGreaterThan(4);
    const full = windows.map((_, i) => [first + i, 5]);
    expect(windows.slice(0, -1)).toEqual(full.slice(0, -1)); // The last one was broken off.
    const rolls = (await allChanges(stores[1]!)).filter(({ kind }) => kind === ROLL);
    const ended = rolls.map(({ time }) => time / 1_000);
    // One more may have begun, of which nobody took anything before it was broken off.
    const begun = ended.length > windows.length ? [first + windows.length] : [];
    expect(ended).toEqual([...windows.map(([second]) => second), ...begun]);
    await apply(stores[0]!, update("q", { window: undefined })); // Else one may end between two looks at it.
    await expectLogLeadsTo(stores[2]!);
  });

  it("whose zone data differ: the end that is stored decides, for all of them; the next one is of who writes it", async () => {
    const schema = await underClock();
    const HOUR = 60 * MINUTE;
    const newer = new ZoneCalendar(() => {});
    // It takes Berlin for an hour further east, so that days end at 22:00 UTC.
    const older: Calendar = {
      offsetAt: (zone, now) => newer.offsetAt(zone, now)! + HOUR,
      windowAt(window, now) {
        const { start, end } = newer.windowAt(window, now + HOUR)!;
        return { start: start - HOUR, end: end - HOUR };
      },
    };
    const behind = await schema.open({
      decide: (asked, loaded, context) => decideBatch(asked, loaded, { ...context, calendar: older }),
    });
    const ahead = await schema.open();
    const window = { unit: "day", timeZone: "Europe/Berlin", day: 1 } as const;
    const expectSeen = async (value: bigint, start: number, end: number) => {
      for (const store of [behind, ahead]) {
        const timing = { windowStart: START + start * HOUR, windowEnd: START + end * HOUR };
        expect(await store.get(["q"])).toMatchObject([{ value, timing }]);
        expect((await store.list(ALL, "", 9)).counters).toMatchObject([{ value, timing }]);
        expect((await store.top(ALL, 1, "highest")).counters).toMatchObject([{ value, timing }]);
        expect(await store.sum(ALL)).toMatchObject({ count: 1, sum: value });
      }
    };
    const full = { code: "ABOVE_MAX", value: 5n };

    await apply(behind, create("q", { max: 5n, value: 4n, window }));
    await expectSeen(4n, -2, 22);
    await schema.pass(22 * HOUR - 1);
    await expectSeen(4n, -2, 22);
    expect(await apply(ahead, increment("q"))).toMatchObject({ value: 5n });
    expect(await apply(behind, increment("q"))).toMatchObject({ ...full, retryAfterMs: 1 });
    await schema.pass(1);
    await expectSeen(0n, 22, 23); // To one of them it is still the day before.
    expect(await apply(ahead, increment("q", 5n))).toMatchObject({ value: 5n, previous: 0n });
    expect(await apply(behind, increment("q"))).toMatchObject({ ...full, retryAfterMs: HOUR });
    await schema.pass(HOUR);
    expect(await apply(behind, increment("q"))).toMatchObject({ value: 1n, previous: 0n });
    await expectSeen(1n, 23, 46);
    await tidy(behind, ahead);
    const rolls = (await allChanges(ahead)).filter(({ kind }) => kind === ROLL);
    expect(rolls.map(({ time }) => (time - START) / HOUR)).toEqual([22, 23]);
    await expectLogLeadsTo(ahead);
  });

  it("two that tidy at once write each roll and each expiry once, beside calls that meet them", async () => {
    const schema = await underClock((await ownDatabase()).url);
    const stores = await Promise.all([schema.open(), schema.open(), schema.open()]);
    const names = Array.from({ length: 900 }, (_, i) => `n${i}`);
    const expires = (i: number) => i % 3 === 0;
    const made = names.map((name, i) => create(name, { value: 2n, ...(expires(i) ? idle : inMinutes) }));
    await commit(stores[0]!, ...made.map((op) => single(op)));
    await schema.pass(MINUTE);
    const isMet = (i: number) => i % 10 === 0;
    const met = names.filter((_, i) => isMet(i));
    await Promise.all([tidy(...stores), ...met.map((name, i) => apply(stores[i % 3]!, increment(name, 3n)))]);
    await tidy(stores[0]!);
    const kinds = names.map((_, i) => [CREATE, expires(i) ? EXPIRE : ROLL, ...(isMet(i) ? [ADD] : [])]);
    const found = await kindsByName(stores[1]!);
    expect(names.map((name) => found[name])).toEqual(kinds);
    expect(await stores[2]!.sum(ALL)).toMatchObject({ count: 630, sum: 270n });
    await expectLogLeadsTo(stores[0]!);
    const ids = await schema.sql("SELECT id FROM @counters UNION ALL SELECT id FROM @deleted_counters");
    expect(new Set(ids.map(({ id }) => id)).size).toBe(930);
    expect(ids).toHaveLength(930);
  });

  it("one that another has changed, expired or made anew meanwhile is never taken for what it was", async () => {
    const schema = await underClock();
    const stores = await Promise.all([schema.open(), schema.open()]);
    let accepted = 0;
    for (let round = 0; round < 30; round++) {
      const lanes = stores.map(async (store) => {
        const settings = { max: 9n, ...idle, ...(round % 2 === 0 && inMinutes), labels: { l: "1" } };
        await apply(store, create("a", { ...settings, value: 1n }));
        const asked = Array.from({ length: 6 }, () => single(increment("a")));
        const answers = await commit(store, ...asked, batch([increment("a"), increment("b", 1n)]));
        accepted += answers.flatMap(({ results }) => results).filter((each) => "revision" in each).length;
      });
      await Promise.all([...lanes, tidy(...stores)]);
      await schema.pass(round % 3 === 0 ? MINUTE : 2 * MINUTE);
    }
    await tidy(stores[0]!);
    await expectLogLeadsTo(stores[0]!);
    const changes = await allChanges(stores[1]!);
    expect(changes.filter(({ kind }) => kind === EXPIRE)).toHaveLength(30);
    const ops = changes.filter(({ kind }) => kind === ADD).reduce((sum, change) => sum + change.ops, 0);
    expect(ops).toBe(accepted);
  });
});

describeWith([POSTGRES], "what tidying on PostgreSQL leaves alone", () => {
  it("a counter that somebody has locked: others go on, and it is written down later", async () => {
    const schema = await underClock();
    const store = await schema.open();
    await commit(store, ...["x", "y", "z"].map((name) => single(create(name, { value: 1n, ...inMinutes }))));
    const stranger = await schema.connect();
    await stranger.query(`BEGIN; SELECT FROM ${schema.name}.counters WHERE name = 'x' FOR UPDATE`);
    await schema.pass(MINUTE);
    await tidy(store);
    expect(await kindsByName(store)).toEqual({ x: [CREATE], y: [CREATE, ROLL], z: [CREATE, ROLL] });
    expect(await store.get(["x"])).toMatchObject([{ value: 0n, revision: 2 }]);
    const answers = await commit(store, single(increment("x"), { id: "r" }), single(increment("y")));
    expect(answers).toMatchObject([{ refused: LOCKED }, { results: [{ value: 1n, revision: 3 }] }]);
    await stranger.query("ROLLBACK");
    await tidy(store);
    expect((await kindsByName(store)).x).toEqual([CREATE, ROLL]);
    const [again] = await commit(store, single(increment("x"), { id: "r" }));
    expect(again).toMatchObject({ replayed: false, results: [{ value: 1n, previous: 0n, revision: 3 }] });
  });

  it("what a trigger refuses, and rows that are damaged: the others are written down, and it says so", async () => {
    const schema = await underClock();
    const warnings: string[] = [];
    const store = await schema.open({ warn: (warning) => void warnings.push(warning) });
    const names = Array.from({ length: 450 }, (_, i) => `n${100 + i}`);
    await commit(store, ...names.map((name) => single(create(name, { value: 1n, ...inMinutes }))));
    await schema.sql(`CREATE FUNCTION @kept() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF new.name = 'n300' AND new.value < old.value THEN RAISE EXCEPTION 'kept'; END IF;
      IF new.name = 'n310' THEN RETURN NULL; END IF; RETURN new; END $$`);
    await schema.sql("CREATE TRIGGER own BEFORE UPDATE ON @counters FOR EACH ROW EXECUTE FUNCTION @kept()");
    await schema.sql("UPDATE @counters SET window_spec = 'never' WHERE name = 'n320'");
    await schema.pass(MINUTE);
    for (let round = 0; round < 2; round++) {
      await tidy(store);
      const rolled = Object.entries(await kindsByName(store)).filter(([, kinds]) => kinds.includes(ROLL));
      expect(rolled).toHaveLength(447);
    }
    expect(warnings).toEqual([expect.stringMatching(/n300 .*kept/)]);
    expect(await store.get(["n300", "n310"])).toMatchObject([{ value: 0n }, { value: 0n }]);
    const asked = ["n300", "n310", "n320", "n330"].map((name) => single(set(name, 7n)));
    expect((await commit(store, ...asked)).map(({ refused }) => refused?.code)).toEqual([
      ...[undefined, "CONSTRAINT_VIOLATED", "ROW_CORRUPT", undefined],
    ]);
    await schema.sql("DROP TRIGGER own ON @counters");
    await schema.pass(10 * MINUTE);
    await schema.sql("UPDATE @counters SET window_spec = 'every 60000 0' WHERE name = 'n320'");
    await tidy(store);
    await expectLogLeadsTo(store);
  });

  it("what has expired by a clock that is to be doubted, for ten minutes: after a jump, and after a start", async () => {
    const schema = await underClock();
    const warnings: string[] = [];
    const [clock, other] = [new HandClock(), new HandClock()];
    const warn = (warning: string) => void warnings.push(warning);
    const store = await schema.open({ clock, warn });
    await apply(store, create("a", { value: 1n, ...idle }));
    await tidy(store);
    clock.advance(20_000); // It writes the time by the database's clock.
    await schema.pass(20_000);
    await tidy(store);
    await schema.pass(3_650 * DAY);
    await tidy(store);
    expect(warnings).toEqual([expect.stringContaining("jumped ahead")]);
    clock.advance(20_000);
    await schema.pass(20_000);
    await tidy(store); // The time is written now and then, but not one that is doubted.
    const late = await schema.open({ clock: other, warn }); // To which nothing has jumped.
    expect(warnings[1]).toMatch(/3650 days/);
    await tidy(store, late);
    expect([await late.get(["a"]), await kindsByName(late)]).toEqual([[undefined], { a: [CREATE] }]);
    await schema.pass(-3_650 * DAY);
    expect(await store.get(["a"])).toMatchObject([{ value: 1n }]);
    for (const each of [clock, other]) each.advance(10 * MINUTE);
    await schema.pass(10 * MINUTE);
    await tidy(late);
    expect(await kindsByName(store)).toEqual({ a: [CREATE, EXPIRE] });
    expect(warnings).toHaveLength(2);
  });
});

describeWith([POSTGRES], "a constraint of the operator's own, and counters that time has gone by", () => {
  it("is against what is counted now; what it refuses leaves the ended and expired as they were", async () => {
    const schema = await underClock();
    const store = await schema.open();
    await schema.sql("ALTER TABLE @counters ADD CONSTRAINT below_100 CHECK (value < 100)");
    await commit(
      store,
      single(create("q", { value: 50n, ...inMinutes })),
      single(create("i", { value: 50n, ...idle, labels: { l: "1" } })),
      single(create("kept", { value: 50n, ...idle, labels: { l: "1" } })),
    );
    await schema.pass(MINUTE);
    const refusal = { code: "CONSTRAINT_VIOLATED", constraint: "below_100" };
    const group = (...ops: ReturnType<typeof increment>[]) => batch(ops, { allOrNothing: true });
    const answers = await commit(
      store,
      ...[single(increment("kept", 150n)), group(increment("kept"), increment("q", 200n))],
      ...[single(increment("q", 99n)), single(increment("q"))],
      ...[single(increment("i", 150n)), group(increment("i", 5n), increment("i", 200n))],
      ...[single(increment("i", 7n)), single(increment("i")), group(increment("i"), set("q", 9n))],
    );
    expect(answers.map(({ refused, results }) => refused ?? results.at(-1))).toMatchObject([
      ...[refusal, { ...refusal, index: 1 }, { value: 99n, previous: 0n, revision: 3 }, refusal],
      ...[refusal, { ...refusal, index: 1 }, { value: 7n, previous: 0n, revision: 1 }],
      ...[{ value: 8n }, { value: 9n, revision: 4 }],
    ]);
    const found = await kindsByName(store);
    expect([found.kept, found.i!.slice(0, 3), found.q!.slice(0, 3)]).toEqual([
      ...[[CREATE], [CREATE, EXPIRE, ADD], [CREATE, ROLL, ADD]],
    ]);
    expect(await schema.sql("SELECT name FROM @counter_labels")).toEqual([{ name: "kept" }]);
    expect(await store.get(["kept", "i"])).toMatchObject([undefined, { value: 9n, idleTtlMs: undefined }]);
    await tidy(store);
    expect((await kindsByName(store)).kept).toEqual([CREATE, EXPIRE]);
    await expectLogLeadsTo(store);
  });
});

describeWith([POSTGRES], "rows of counters that time does something to", () => {
  it("counting within a window touches no index", async () => {
    const schema = await underClock();
    const store = await schema.open();
    const daily = { window: { everyMs: DAY, anchorMs: START }, idleTtlMs: BigInt(30 * DAY) };
    await commit(store, single(create("q", daily)), single(increment("q")));
    await apply(store, create("b", { min: 0n, max: 900n, refill: { amount: 1n, everyMs: 1_000 } }));
    for (let n = 0; n < 20; n++) {
      await schema.pass(1_500);
      await commit(store, single(increment("q")), single(increment("b", 3n)));
    }
    const due = await schema.sql("SELECT due_ms FROM @counters ORDER BY name");
    expect(due).toEqual([{ due_ms: null }, { due_ms: `${START + DAY}` }]);
    await store.close(); // Sessions tell of what they did at their end.
    const updates = `SELECT n_tup_upd::int AS updates, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables
      WHERE schemaname = '${schema.name}' AND relname = 'counters'`;
    let seen = await schema.sql(updates);
    while ((seen[0]!.updates as number) < 40) seen = await schema.sql(updates);
    expect(seen).toEqual([{ updates: 40, hot: 40 }]);
  });

  it("are refused by processes that know nothing of it, which go on with all others", async () => {
    const schema = await underClock();
    const store = await schema.open();
    const made = [create("plain"), create("window", inMinutes), create("idle", idle)];
    const bucket = create("bucket", { min: 0n, max: 9n, refill: { amount: 1n, everyMs: 1 } });
    await commit(store, ...[...made, bucket].map((op) => single(op)));
    // What they take for a row of theirs: both revisions are 1 and up.
    const sound = () =>
      schema.sql("SELECT name FROM @counters WHERE revision >= 1 AND settings_revision >= 1 ORDER BY name");
    expect(await sound()).toEqual([{ name: "plain" }]);
  });

  it.each([
    ["settings_revision = -settings_revision", "qpib"],
    ["window_spec = 'every 60000'", "qp"],
    ["window_end_ms = NULL", "q"],
    ["window_end_ms = window_start_ms", "q"],
    ["due_ms = 9e15", "qib"],
    ["refill_spec = '0/1'", "b"],
    ["refill_carry = 7000", "qib"],
    ["refill_carry = -1", "qib"],
    ["refill_carry = NULL", "qib"],
    ["refill_ms = 0", "qi"],
    ["idle_ttl_ms = 0", "i"],
  ])("that say what Tally never writes are damaged: %s", async (to, which) => {
    const schema = await underClock();
    const store = await schema.open();
    await commit(store, single(create("q", inMinutes)), single(create("p")), single(create("i", idle)));
    await apply(store, create("b", { min: 0n, max: 9n, refill: { amount: 1n, everyMs: 7_000 } }));
    expect((await store.list(ALL, "", 9)).counters).toHaveLength(4);
    await schema.sql(`UPDATE @counters SET ${to} WHERE position(name IN '${which}') > 0`);
    const { corruptNames } = await store.list(ALL, "", 9);
    expect([...corruptNames].sort()).toEqual([...which].sort());
  });

  it("a sum does not reckon with what a counter has not, and is refused where that was taken away", async () => {
    const schema = await underClock();
    const store = await schema.open();
    await apply(store, create("plain", { value: 40n }));
    await apply(store, create("b", { min: 0n, max: 9n, refill: { amount: 1n, everyMs: 7_000 }, value: 9n }));
    await schema.sql("UPDATE @counters SET window_end_ms = 5 WHERE name = 'plain'");
    expect(await store.sum(ALL)).toMatchObject({ count: 2, sum: 49n });
    await schema.pass(7_000);
    await schema.sql("UPDATE @counters SET refill_amount = NULL WHERE name = 'b'");
    await expect(store.sum(ALL)).rejects.toMatchObject({ code: "ROW_CORRUPT" });
    await schema.sql("UPDATE @counters SET refill_amount = 1, refill_ms = NULL WHERE name = 'b'");
    expect(await store.get(["b"])).toEqual([CORRUPT]);
  });
});
