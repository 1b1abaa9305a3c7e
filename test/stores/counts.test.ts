/** Where counts stand: busy ones together, each in one place, whatever is moved, folded or rolled back. */
import { fc, test } from "@fast-check/vitest";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Counts, Place } from "../../src/stores/sqlite/rows/counts.ts";
import { migrate } from "../../src/stores/sqlite/schema/schema.ts";

let db: Database.Database;
beforeEach(() => {
  db = new Database(":memory:");
  db.defaultSafeIntegers(true);
  migrate(db);
});
afterEach(() => {
  db.close();
});

function count(id: number, value: number) {
  return {
    id: BigInt(id),
    value: BigInt(value),
    revision: value,
    updateTime: 1,
    min: -1n,
    max: 99n,
    checksum: 7,
  };
}

function rowsOf(table: string): Record<string, bigint>[] {
  return db.prepare<[], Record<string, bigint>>(`SELECT * FROM ${table} ORDER BY id`).all();
}

describe("a count", () => {
  it("moves when it is changed a second time, with its bounds, and stays until a fold", () => {
    const counts = new Counts(db, 0);
    counts.insert(count(1, 1));
    expect(counts.update(Place.COLD, count(1, 2))).toBe(Place.WARM);
    expect(rowsOf("recent_counts")).toEqual([]);
    expect(counts.update(Place.WARM, count(1, 3))).toBe(Place.RECENT);
    expect(counts.update(Place.RECENT, count(1, 4))).toBe(Place.RECENT);
    expect(rowsOf("counts")).toEqual([]);
    expect(rowsOf("recent_counts")).toMatchObject([{ id: 1n, value: 4n, min_value: -1n, max_value: 99n }]);
    while (counts.foldDue) counts.fold();
    expect(rowsOf("recent_counts")).toEqual([]);
    expect(rowsOf("counts")).toMatchObject([{ id: 1n, value: 4n, min_value: -1n, max_value: 99n }]);
  });

  it("that was folded back unnoticed is found where it is", () => {
    const counts = new Counts(db, 0);
    counts.insert(count(1, 1));
    counts.update(Place.WARM, count(1, 2));
    while (counts.foldDue) counts.fold();
    expect(counts.update(Place.RECENT, count(1, 3))).toBe(Place.WARM);
    expect(rowsOf("current_counts")).toMatchObject([{ value: 3n }]);
  });

  it.for([Place.COLD, Place.WARM, Place.RECENT])("that is in neither table is missed (place %i)", (place) => {
    expect(new Counts(db).update(place, count(1, 2))).toBeUndefined();
    expect(rowsOf("current_counts")).toEqual([]);
  });

  it.for([Place.COLD, Place.WARM, Place.RECENT])(
    "outside its bounds is refused by name (place %i)",
    (place) => {
      const counts = new Counts(db);
      counts.insert(count(1, 1));
      if (place === Place.RECENT) counts.update(Place.WARM, count(1, 2));
      for (const [value, constraint] of [
        [100, /value_at_most_max/],
        [-2, /value_at_least_min/],
      ] as const) {
        db.exec("BEGIN");
        expect(() => counts.update(place, count(1, value))).toThrow(constraint);
        db.exec("ROLLBACK");
        counts.reload();
      }
    },
  );
});

it("a fold is in slices, begins above its size only, and then takes all", () => {
  const counts = new Counts(db, 2_500);
  for (let id = 1; id <= 2_501; id++) {
    counts.insert(count(id, 1));
    if (id > 1) counts.update(Place.WARM, count(id, 2));
  }
  expect(counts.foldDue).toBe(false);
  counts.update(Place.WARM, count(1, 2));
  let slices = 0;
  for (; counts.foldDue; slices++) counts.fold();
  expect(slices).toBe(4); // Three of 1,000 at most, and one that finds nothing left.
  expect(rowsOf("recent_counts")).toEqual([]);
  expect(rowsOf("counts").every(({ value }) => value === 2n)).toBe(true);
});

it("counts that were quiet for ten seconds are folded back, the others stay, and few are left alone", () => {
  const counts = new Counts(db, 100_000);
  for (let id = 1; id <= 5_000; id++) {
    counts.insert(count(id, 1));
    counts.update(Place.WARM, { ...count(id, 2), updateTime: id % 2 === 0 ? 90_000 : 89_999 });
  }
  let folded = 0;
  for (let slice = 0; slice < 7; slice++) if (counts.foldQuiet(100_000)) folded++;
  expect(folded).toBe(2); // Of 500 quiet ones each: what is left are too few to matter.
  expect(rowsOf("counts").length).toBe(1_000);
  expect(rowsOf("counts").every(({ update_ms }) => update_ms === 89_999n)).toBe(true);
  expect(rowsOf("recent_counts").length).toBe(4_000);
  expect(counts.update(Place.RECENT, count(1, 3))).toBe(Place.WARM);
  expect(counts.update(Place.RECENT, count(2, 3))).toBe(Place.RECENT);
});

/** What may happen, in any order: a transaction of updates that commits or not, a slice of a fold, a restart. */
const STEP = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ ids: fc.array(fc.integer({ min: 1, max: 8 })), commit: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.constant("fold" as const) },
  { weight: 1, arbitrary: fc.constant("restart" as const) },
);

test.prop([fc.array(STEP, { maxLength: 60 })])("stands in one table, with its latest value", (steps) => {
  db.exec("DELETE FROM counts; DELETE FROM recent_counts");
  let counts = new Counts(db, 3);
  const values = new Map<number, number>();
  let places = new Map<number, Place>();
  for (const step of steps) {
    if (step === "restart") {
      counts = new Counts(db, 3);
      places = new Map(rowsOf("recent_counts").map(({ id }) => [Number(id), Place.RECENT]));
    } else if (step === "fold") {
      if (counts.foldDue) counts.fold();
      counts.foldQuiet(Number.MAX_SAFE_INTEGER);
    } else {
      const before = new Map(values);
      db.exec("BEGIN");
      for (const id of step.ids) {
        const value = (values.get(id) ?? 0) + 1;
        if (value === 1) counts.insert(count(id, value));
        else places.set(id, counts.update(places.get(id) ?? Place.COLD, count(id, value))!);
        values.set(id, value);
      }
      db.exec(step.commit ? "COMMIT" : "ROLLBACK");
      if (!step.commit) {
        values.clear();
        for (const [id, value] of before) values.set(id, value);
        places = new Map(rowsOf("recent_counts").map(({ id }) => [Number(id), Place.RECENT]));
        counts.reload();
      }
    }
    const stored = rowsOf("current_counts").map(({ id, value }) => [Number(id), Number(value)]);
    expect(stored.toSorted(([a], [b]) => a! - b!)).toEqual([...values].toSorted(([a], [b]) => a - b));
  }
});
