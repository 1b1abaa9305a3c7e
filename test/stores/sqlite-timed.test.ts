/** Counters that time does something to, as far as only SQLite's store has to do with them: rows, damage, tidying, files. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { CORRUPT, decideBatch } from "../../src/core/batch.ts";
import { ChangeKind } from "../../src/core/change.ts";
import { counterDamaged } from "../../src/core/errors.ts";
import type { AsOf } from "../../src/core/present.ts";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";
import { PageReader } from "../../src/stores/sqlite/read/pages.ts";
import { openReadOnly } from "../../src/stores/sqlite/read/reading.ts";
import { Scanner } from "../../src/stores/sqlite/read/scans.ts";
import { RowReader } from "../../src/stores/sqlite/rows/row-reader.ts";
import { WriteConnection } from "../../src/stores/sqlite/write/connection.ts";
import {
  apply,
  batch,
  commit,
  create,
  decrement,
  increment,
  remove,
  set,
  single,
  update,
} from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { faultsBelow } from "../support/faults.ts";
import { folderInMemory } from "../support/folder.ts";
import { SqliteHere } from "../support/here.ts";
import { openFresh } from "../support/opened.ts";
import { allChanges } from "./conformance/changes.ts";
import { expectLogLeadsTo } from "./conformance/time-log.ts";

const ALL = { prefix: "", labels: {} };
const MINUTE = 60_000;
const BUCKET = { min: 0n, max: 9n, refill: { amount: 6n, everyMs: 4 * MINUTE } };
const { ROLL, EXPIRE } = ChangeKind;

/** A store whose file is there to be changed between two times that it is open. */
class Site {
  readonly clock = new HandClock();
  readonly path = join(mkdtempSync(join(folderInMemory(), "tally-timed-")), "tally.db");
  #store: SqliteHere | undefined;

  get store(): SqliteHere {
    const options = { clock: this.clock, newUid: () => v7(), cachedCountersMax: 100, warn: () => {} };
    this.#store ??= new SqliteHere(this.path, { ...options, retention: DEFAULT_RETENTION }, decideBatch);
    return this.#store;
  }

  /** The file, by another connection, with all integers exact; the store is closed, and opened when it is next needed. */
  async file(): Promise<Database.Database> {
    await this.close();
    const db = new Database(this.path).defaultSafeIntegers(true);
    onTestFinished(() => void db.close());
    return db;
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }

  async dispose(): Promise<void> {
    await this.close();
    rmSync(join(this.path, ".."), { recursive: true });
  }
}

function open(): Site {
  const site = new Site();
  onTestFinished(() => site.dispose());
  return site;
}

const quotaFrom = ({ clock }: Site) => ({ max: 5n, window: { everyMs: MINUTE, anchorMs: clock.now() } });

/** One of each kind, moved away from its initial value, and a plain one: rows 1 to 4. */
async function filled(): Promise<Site> {
  const here = open();
  await commit(
    here.store,
    single(create("bucket", BUCKET)),
    single(create("idle", { value: 4n, idleTtlMs: BigInt(MINUTE), labels: { a: "b" } })),
    single(create("plain", { value: 7n })),
    single(create("quota", { ...quotaFrom(here), initial: 1n })),
  );
  here.clock.advance(1_500);
  await commit(here.store, single(set("bucket", 9n)), single(set("quota", 5n)));
  return here;
}

function readersOf(path: string) {
  const db = openReadOnly(path, 64);
  onTestFinished(() => void db.close());
  const [rows, calendar] = [new RowReader(db), new ZoneCalendar(() => {})];
  const [pages, scanner] = [new PageReader(db, rows, calendar), new Scanner(db, rows, calendar)];
  return {
    find: (name: string) => rows.find(name),
    list: (asOf: AsOf) => pages.read(ALL, "", 9, asOf),
    sum: (asOf: AsOf) => scanner.sum(ALL, asOf, () => {}),
    top: (asOf: AsOf) => scanner.top(ALL, 2, "highest", asOf, () => {}),
  };
}

async function kindsIn(here: Site): Promise<number[]> {
  return (await allChanges(here.store as never)).map(({ kind }) => kind);
}

async function tidy({ store }: Site): Promise<void> {
  while (await store.maintain());
}

it("a file from before there was any of it goes on, and the rows of its counters stay as they were", async () => {
  const here = open();
  const old = `${here.path}.old`;
  copyFileSync(new URL("./golden/schema-8.sqlite", import.meta.url), old);
  const rows = () => {
    const db = new Database(old, { readonly: true });
    // A column that comes later is NULL in rows from before, which are not written for it.
    const all = Object.entries(COLUMNS_OF_THEN).map(([table, columns]) =>
      db.prepare(`SELECT ${columns} FROM ${table} ORDER BY id`).raw().all(),
    );
    db.close();
    return all;
  };
  const before = rows();
  const { moment } = here.store;
  const options = { retention: DEFAULT_RETENTION, cachedCountersMax: 100, startId: "a" };
  const connection = new WriteConnection(old, options, moment);
  expect(connection.migratedFrom).toBe(8);
  connection.close(moment);
  expect(rows()).toEqual(before);
  expect(before.map(({ length }) => length)).toEqual([11, 4, 7]);
  const { sum, list } = readersOf(old);
  expect(sum({ now: 0 })).toMatchObject({ count: 11, corruptNames: [] });
  expect(list({ now: 0 })).toMatchObject({ corruptNames: [] });
});

/** The columns that these tables had in schema 8. */
const COUNTS_OF_THEN = "id, value, revision, update_ms, min_value, max_value, checksum";
const COLUMNS_OF_THEN = {
  counters: "id, name, uid, initial, clamp, monotonic, settings_revision, create_ms, labels, description",
  counts: COUNTS_OF_THEN,
  recent_counts: COUNTS_OF_THEN,
};

it("plain counters have no row of it; and counting writes none, but where a refill does not go on from the change", async () => {
  const { store, path, clock } = await filled();
  const db = openReadOnly(path, 64);
  onTestFinished(() => void db.close());
  const all = db.prepare("SELECT * FROM timings ORDER BY id");
  const bucket = db.prepare<[], Record<string, unknown>>(
    `SELECT carry, refill_ms, refill_carry, full_ms, due_ms FROM current_counts JOIN timings USING (id) WHERE id = 1`,
  );
  const moved = { refill_ms: null, refill_carry: null, full_ms: null, due_ms: null };
  const before = all.all();
  expect(before).toMatchObject([{ id: 1n }, { id: 2n }, { id: 4n }]);
  for (const op of [set("quota", 3n), increment("idle"), increment("plain")]) await apply(store, op);
  expect(bucket.get()).toEqual({ ...moved, carry: 0n });
  clock.advance(MINUTE);
  await apply(store, set("bucket", 3n));
  expect(bucket.get(), "a unit in 40 s").toEqual({ ...moved, carry: 20_000n });
  await apply(store, set("bucket", 0n));
  expect(bucket.get(), "at initial it is at rest").toEqual({ ...moved, carry: -1n });
  expect(all.all()).toEqual(before);
  await apply(store, set("bucket", 5n));
  clock.advance(45_000);
  await apply(store, update("bucket", { description: "later than the value" }));
  const at = BigInt(clock.now());
  const there = { carry: null, refill_ms: at, refill_carry: 5_000n, full_ms: at + 155_000n };
  expect(bucket.get()).toMatchObject(there);
  clock.advance(1_000);
  await apply(store, increment("bucket"));
  expect(bucket.get(), "back beside its value").toEqual({ ...moved, carry: 6_000n });
  await apply(store, update("bucket", { refill: undefined }));
  await apply(store, update("plain", { idleTtlMs: 3_600_000n }));
  expect(all.all()).toMatchObject([{ id: 2n }, { id: 3n }, { id: 4n }]);
});

describe("a flipped bit", () => {
  const NAMES: Readonly<Record<string, string>> = { 1: "bucket", 2: "idle", 4: "quota", 5: "kept" };
  /** Those of which a row says them: what may be NULL in others is there of one that was updated after it was counted. */
  async function filledToo(): Promise<Site> {
    const here = await filled();
    await commit(here.store, single(create("kept", BUCKET)), single(set("kept", 9n)));
    here.clock.advance(50_000);
    await apply(here.store, update("kept", { description: "later" }));
    return here;
  }
  /** By these sums and rankings are reckoned. */
  const RECKONED = [
    ...["window_end_ms", "refill_ms", "refill_carry", "refill_amount", "refill_every", "full_ms"],
    ...["idle_ttl_ms", "initial_value"],
  ];
  const OF_COUNTS = ["update_ms", "carry", "checksum"];
  const OTHERS = ["window_start_ms", "due_ms", "window_spec", "refill_spec"];

  function flipped(stored: unknown): unknown[] {
    if (stored === null) return [0n, 1n, ""];
    if (typeof stored === "string") return [stored.replace(/\d/, (digit) => `${Number(digit) ^ 1}`), null];
    return [
      null,
      ...Array.from({ length: 64 }, (_, bit) => BigInt.asIntN(64, (stored as bigint) ^ (1n << BigInt(bit)))),
    ];
  }

  it.each([...RECKONED, ...OTHERS, "update_ms", "carry", "checksum"])(
    "in %s is noticed: in the counter, and in what is reckoned by it, at any time",
    async (column) => {
      const here = await filledToo();
      const table = OF_COUNTS.includes(column) ? "counts" : "timings";
      const db = await here.file();
      const write = db.prepare(`UPDATE ${table} SET ${column} = ? WHERE id = ?`);
      const { find, list, sum, top } = readersOf(here.path);
      const now = here.clock.now();
      const times = [{ now }, { now: now + 2 * MINUTE }, { now, asStored: true }];
      for (const [id, name] of Object.entries(NAMES)) {
        const stored = db.prepare(`SELECT ${column} FROM ${table} WHERE id = ?`).pluck().get(id);
        for (const [i, wrong] of flipped(stored).entries()) {
          try {
            write.run(wrong, id);
          } catch {
            continue; // The table takes no such value.
          }
          expect(find(name), `${wrong}`).toBe(CORRUPT);
          // What is not reckoned by is in the checksum alone, which a sum does not look at.
          const guarded = table === "timings" ? RECKONED.includes(column) : isGuarded(column, i - 1);
          const asOf = times[i % 3]!;
          if (guarded) expect(sum(asOf).corruptNames, `${wrong} at ${i % 3}`).toEqual([name]);
          if (guarded && i % 5 === 0) expect(top(asOf).corruptNames).toEqual([name]);
          if (i % 5 === 0) expect(list(asOf).corruptNames).toEqual([name]);
        }
        write.run(stored, id);
        expect(sum({ now }).corruptNames).toEqual([]);
      }
    },
  );

  function isGuarded(column: string, bit: number): boolean {
    return column !== "checksum" || bit >= 32;
  }
});

it("a row of it that is lost is missed: by the counter, its next change, lists, sums and rankings", async () => {
  const here = await filled();
  const now = here.clock.now();
  (await here.file()).exec("DELETE FROM timings WHERE id = 4");
  const { find, list, sum, top } = readersOf(here.path);
  const lost = { corruptNames: ["quota"] };
  const told = () => [list({ now }), sum({ now }), top({ now })];
  expect(find("quota")).toBe(CORRUPT);
  expect(told()).toMatchObject([lost, lost, lost]);
  expect(await apply(here.store, increment("quota"))).toEqual(counterDamaged("quota"));
  (await here.file()).exec("DELETE FROM timings");
  expect(sum({ now }).corruptNames).toEqual(["bucket", "idle", "quota"]);
});

describe("tidying", () => {
  it("is done in slices, in the order in which they are due; while calls come 2,000 a second", async () => {
    const here = open();
    const { store, clock } = here;
    const COUNTERS = 5_000;
    const ops = Array.from({ length: COUNTERS }, (_, i) =>
      create(`q${i}`, { ...quotaFrom(here), value: 1n }),
    );
    for (let i = 0; i < COUNTERS; i += 1_000) await commit(store, batch(ops.slice(i, i + 1_000)));
    clock.advance(MINUTE);
    const db = openReadOnly(here.path, 64);
    onTestFinished(() => void db.close());
    const left = db.prepare<[], bigint>("SELECT count(*) FROM due_counters").pluck();
    const { sum } = readersOf(here.path);
    const asOf = { now: clock.now() };
    const rolled = { count: COUNTERS, sum: 0n };
    expect(sum(asOf)).toMatchObject(rolled);
    let before = left.get()!;
    expect(await store.maintain()).toBe(true);
    expect(before - left.get()!).toBeLessThan(200n);
    for (let more = true; more; ) {
      await apply(store, increment("other"));
      more = await store.maintain();
    }
    expect(before - left.get()!).toBeGreaterThan(1_900n);
    expect(before - left.get()!).toBeLessThan(2_200n);
    expect(sum({ ...asOf }).corruptNames).toEqual([]);
    before = left.get()!;
    await apply(store, increment("other"));
    expect(await store.maintain(), "in the same second").toBe(false);
    clock.advance(1_000);
    await tidy(here); // Nobody calls any more.
    expect(left.get()).toBe(0n);
    expect(sum(asOf)).toMatchObject({ count: COUNTERS + 1 });
    expect((await kindsIn(here)).filter((kind) => kind === ROLL)).toHaveLength(COUNTERS);
  });

  it("passes over what is damaged, or what a trigger is against; what leads to nothing is removed", async () => {
    const here = await filled();
    const { clock } = here;
    const quotas = [1, 2, 3].map((i) => single(create(`q${i}`, { ...quotaFrom(here), value: BigInt(i) })));
    await commit(here.store, ...quotas);
    (await here.file()).exec(`UPDATE timings SET window_end_ms = window_end_ms + 1 WHERE id = 4;
      INSERT INTO due_counters VALUES (1, 3), (2, 5), (3, 99);
      CREATE TRIGGER own BEFORE UPDATE ON counts WHEN old.value = 2 BEGIN SELECT RAISE(ABORT, 'not this one'); END`);
    clock.advance(2 * MINUTE);
    await tidy(here);
    expect((await kindsIn(here)).sort().filter((kind) => kind >= ROLL)).toEqual([ROLL, ROLL, EXPIRE]);
    const db = await here.file();
    const due = db.prepare("SELECT due_ms > 3, counter_id FROM due_counters ORDER BY counter_id").raw();
    expect(due.all()).toEqual([
      [1n, 4n],
      [1n, 6n],
    ]);
    db.exec("DROP TRIGGER own; UPDATE timings SET window_end_ms = window_end_ms - 1 WHERE id = 4");
    await tidy(here);
    expect(due.all()).toEqual([]);
    await expectLogLeadsTo(here.store as never);
  });

  it("does not look again and again at what it has passed over", async () => {
    const here = await filled();
    (await here.file()).exec("UPDATE timings SET window_end_ms = window_end_ms + 1 WHERE id = 4");
    here.clock.advance(2 * MINUTE);
    await tidy(here);
    const read = vi.spyOn(RowReader.prototype, "at");
    onTestFinished(() => read.mockRestore());
    await tidy(here);
    expect(read).not.toHaveBeenCalled();
    here.clock.advance(MINUTE);
    await tidy(here);
    expect(read).toHaveBeenCalled();
  });
});

it.each(["tidying", "a commit"])(
  "each step of %s that writes down what time did fails in turn: nothing of it stays, and again it is done once",
  async (way) => {
    const here = open();
    const { clock } = here;
    const faults = faultsBelow("sqlite", clock);
    onTestFinished(() => faults.end());
    let steps = 0;
    for (let n = 1; ; n++) {
      await tidy(here);
      const { store } = here;
      const names = [`quota${n}`, `idle${n}`, `bucket${n}`];
      const work =
        way === "tidying"
          ? () => tidy(here)
          : () =>
              commit(
                store,
                batch(
                  names.map((name) => increment(name)),
                  { id: `${n}`, allOrNothing: true },
                ),
              );
      await commit(
        store,
        single(create(names[0]!, { ...quotaFrom(here), value: 3n })),
        single(create(names[1]!, { value: 4n, idleTtlMs: BigInt(MINUTE) })),
        single(create(names[2]!, { ...BUCKET, value: 8n })),
      );
      clock.advance(MINUTE);
      const seen = async () => [await store.get(names), await kindsIn(here)];
      const before = await seen();
      const failure = await faults.during(n, work);
      if (failure === "whole") break;
      steps++;
      if (way !== "tidying") expect(await seen(), failure.step).toEqual(before);
      await work();
      await work();
      const values = (await store.get(names)).map((each) => typeof each === "object" && each.value);
      expect(values, failure.step).toEqual(way === "tidying" ? [0n, false, 8n] : [1n, 1n, 8n]);
      const changes = (await allChanges(store as never)).filter(({ name }) => names.includes(name));
      const kinds = changes.map(({ kind }) => kind).filter((kind) => kind >= ROLL);
      expect(kinds.sort(), failure.step).toEqual([ROLL, EXPIRE]);
      if (n % 7 === 0) await here.close();
    }
    expect(steps).toBeGreaterThan(10);
    await expectLogLeadsTo(here.store as never);
  },
);

it("a batch that a trigger has something against: what met an expired counter, or an ended window, counts all the same", async () => {
  const here = await filled();
  const { clock } = here;
  (await here.file()).exec(`CREATE TRIGGER own BEFORE INSERT ON counts WHEN new.value >= 100
    BEGIN SELECT RAISE(ABORT, 'below 100'); END`);
  clock.advance(MINUTE);
  const [gone] = await here.store.get(["idle"]);
  const refused = { code: "CONSTRAINT_VIOLATED", constraint: "below 100" };
  const answers = await commit(
    here.store,
    single(create("large", { value: 100n })),
    batch([increment("idle", 2n), increment("quota"), create("large", { value: 101n })], {
      allOrNothing: true,
    }),
    single(increment("idle", 7n), { id: "r" }),
    batch([
      increment("quota", 2n),
      increment("idle"),
      remove("idle", { keepHistory: true }),
      increment("idle", 9n),
      increment("bucket", 0n),
    ]),
  );
  expect(answers).toMatchObject([
    { refused },
    { refused: { ...refused, index: 2 } },
    { refused: undefined, results: [{ value: 7n, previous: 0n, revision: 1 }] },
    {
      results: [
        { value: 3n, previous: 1n, revision: 4 },
        { value: 8n, revision: 2 },
        { value: 8n },
        { value: 9n, revision: 1 },
        { value: 8n, previous: 8n },
      ],
    },
  ]);
  const uids = new Set(
    (await allChanges(here.store as never)).filter(({ name }) => name === "idle").map(({ uid }) => uid),
  );
  expect(uids.size).toBe(3);
  expect(gone).toMatchObject({ uid: [...uids][0] });
  expect((await kindsIn(here)).filter((kind) => kind >= ROLL).sort()).toEqual([ROLL, EXPIRE]);
  const [again] = await commit(here.store, single(increment("idle", 7n), { id: "r" }));
  expect(again).toMatchObject({ replayed: true, results: [{ value: 7n }] });
  await expectLogLeadsTo(here.store as never);
});

it("a refill that a group has taken to its count goes there again, when the database has undone that group", async () => {
  const here = await filled();
  here.clock.advance(45_000);
  await apply(here.store, update("bucket", { description: "so that its own row says where the refill is" }));
  (await here.file()).exec(`CREATE TRIGGER own BEFORE UPDATE ON counts WHEN new.value = 99
    BEGIN SELECT RAISE(ABORT, 'not this one'); END`);
  here.clock.advance(1_000);
  const group = batch([set("bucket", 4n), set("plain", 99n)], { allOrNothing: true });
  const [refused, counted] = await commit(here.store, group, single(decrement("bucket")));
  expect(refused).toMatchObject({ refused: { code: "CONSTRAINT_VIOLATED" } });
  expect(counted).toMatchObject({ results: [{ value: 7n }] });
  const { find, sum } = readersOf(here.path);
  expect(find("bucket")).toMatchObject({ value: 7n, carry: 6_000n, refill_ms: null });
  expect(sum({ now: here.clock.now() }).corruptNames).toEqual([]);
});

it("what was changed by hand is taken as it stands, and goes on from now; what cannot be is said", async () => {
  const here = await filled();
  await apply(here.store, create("full", BUCKET));
  const db = await here.file();
  const counts = db.prepare(
    "UPDATE counts SET value = 5 WHERE id = (SELECT id FROM counters WHERE name = ?)",
  );
  for (const name of ["bucket", "idle", "full"]) counts.run(name);
  db.exec(`UPDATE timings SET refill_spec = '1/0' WHERE id = 4;
    INSERT INTO counters (id, name, uid, initial, clamp, monotonic, settings_revision, create_ms)
      VALUES (900, 'wrong', randomblob(16), 0, 0, 0, 1, 5), (901, 'unending', randomblob(16), 0, 0, 0, 1, 5);
    INSERT INTO counts (id, value, revision, update_ms, checksum) VALUES (900, 9, 1, 5, 0), (901, 9, 1, 5, 0);
    INSERT INTO timings (id, refill_spec, initial_value) VALUES (900, '1/1', 0);
    INSERT INTO timings (id, window_spec, initial_value) VALUES (901, 'every 1000 0', 0)`);
  const { clock } = here;
  const names = ["bucket", "idle", "full", "quota", "wrong", "unending"];
  const found = await here.store.get(names);
  expect(found.map((each) => each === CORRUPT)).toEqual(
    names.map((name) => name !== "wrong" && name !== "unending"),
  );
  const { connection, moment } = here.store;
  const taken = connection.accept(
    { names, revisions: new Map(), lost: [] },
    moment,
    names.map(() => v7()),
  );
  expect(taken).toMatchObject([
    { value: 5n, timing: { refillTime: clock.now() } },
    { value: 5n, idleTtlMs: BigInt(MINUTE), timing: { due: clock.now() + MINUTE } },
    { value: 5n, timing: { refillTime: clock.now(), refillCarry: 0n } },
    "its window or its refill is none",
    "its refill needs min and max",
    "its window has no start and end",
  ]);
  clock.advance(MINUTE);
  expect(await apply(here.store, increment("full", 0n))).toMatchObject({ value: 4n });
  expect(await apply(here.store, increment("idle"))).toMatchObject({ value: 1n, revision: 1 });
  (await here.file()).exec(
    "DELETE FROM timings WHERE id = 4; DELETE FROM counts WHERE id = 4; DELETE FROM counters WHERE id = 4",
  );
  here.store.connection.accept({ names: [], revisions: new Map(), lost: ["4"] }, here.store.moment, [v7()]);
  const db2 = await here.file();
  expect(db2.prepare("SELECT counter_id FROM due_counters WHERE counter_id = 4").all()).toEqual([]);
});

it("after a start at another time than was saved nothing is removed for ten minutes, and it says so", async () => {
  const opened = await openFresh(async (dir) => `sqlite:${join(dir, "tally.db")}`);
  onTestFinished(() => opened.dispose());
  const { clock, warnings } = opened;
  await apply(opened.store, create("idle", { idleTtlMs: BigInt(MINUTE) }));
  clock.advance(11_000);
  while (await opened.store.maintain());
  await opened.store.close();
  clock.wallMs += 3 * 24 * 60 * MINUTE;
  const store = await opened.reopen();
  const kinds = async () => (await store.changesSince("", 9)).changes.map(({ kind }) => kind);
  while (await store.maintain());
  expect(warnings).toEqual([expect.stringContaining("3 days")]);
  expect(await store.get(["idle"])).toEqual([undefined]);
  expect(await kinds()).not.toContain(EXPIRE);
  clock.advance(10 * MINUTE + 1);
  while (await store.maintain());
  expect(await kinds()).toContain(EXPIRE);
  expect(warnings).toHaveLength(1);
});
