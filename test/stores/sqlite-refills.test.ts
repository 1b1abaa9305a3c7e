/**
 * Where a refill is stands beside the value it moves with, or in a row of its own (see rows/carry.ts): shown to be the same
 * as in memory, whichever it is, by anything that may happen in any order; and in what SQL reckons, at any time.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { v7 } from "uuid";
import { expect } from "vitest";
import { type CORRUPT, decideBatch } from "../../src/core/batch.ts";
import type { FullCounter } from "../../src/core/counter.ts";
import type { Op } from "../../src/core/op.ts";
import { present } from "../../src/core/present.ts";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";
import { openReadOnly } from "../../src/stores/sqlite/read/reading.ts";
import { Scanner } from "../../src/stores/sqlite/read/scans.ts";
import { RowReader } from "../../src/stores/sqlite/rows/row-reader.ts";
import { batch, commit, create, decrement, increment, set, single, update } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";
import { SqliteHere } from "../support/here.ts";

const ALL = { prefix: "", labels: {} };
const NAMES = ["a", "b", "c", "d"];
const BUCKETS = [
  { min: 0n, max: 20n, refill: { amount: 7n, everyMs: 4_000 } },
  { min: -10n, max: 10n, initial: 3n, refill: { amount: 1n, everyMs: 900 }, idleTtlMs: 60_000n },
  { min: 0n, max: 2n ** 62n / 31_622_400_000n, refill: { amount: 13n, everyMs: 31_622_400_000 } },
  { min: 0n, max: 9n, refill: { amount: 7n, everyMs: 2 } },
];

const name = fc.constantFrom(...NAMES);
const amount = fc.bigInt(0n, 9n);
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.tuple(name, amount).map(([of, by]) => increment(of, by)),
  fc.tuple(name, amount).map(([of, by]) => decrement(of, by)),
  fc.tuple(name, amount).map(([of, to]) => set(of, to)),
  fc.tuple(name, fc.string({ maxLength: 3 })).map(([of, description]) => update(of, { description })),
  name.map((of) => update(of, { refill: { amount: 2n, everyMs: 3_000 } })),
  fc.tuple(name, amount).map(([of, initial]) => update(of, { initial })),
);
const step = fc.oneof(
  fc.record({ ops: fc.array(op, { minLength: 1, maxLength: 4 }), together: fc.boolean() }),
  fc.oneof(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 5_000 }),
    fc.integer({ min: -200_000, max: 3_000_000 }),
  ),
  fc.constant("tidied" as const),
  fc.constant("opened anew" as const),
);

test.prop(
  [
    fc.array(step, { maxLength: 25 }),
    fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 100_000 })),
  ],
  { numRuns: 60 },
)("a refill is the same as in memory, wherever it stands", async (steps, later) => {
  const folder = mkdtempSync(join(folderInMemory(), "tally-refills-"));
  const clock = new HandClock();
  const options = {
    ...{ clock, newUid: () => v7(), cachedCountersMax: 100, warn: () => {} },
    retention: DEFAULT_RETENTION,
  };
  const path = join(folder, "tally.db");
  const memory = new MemoryStore(options);
  let here = new SqliteHere(path, options, decideBatch);
  try {
    const made = NAMES.map((of, i) => single(create(of, BUCKETS[i]!)));
    for (const store of [memory, here]) await commit(store, ...made);
    for (const each of steps) {
      if (typeof each === "number") {
        clock.advance(Math.abs(each));
        if (each < 0) clock.wallMs += 2 * each;
      } else if (each === "opened anew") {
        await here.close();
        here = new SqliteHere(path, options, decideBatch);
      } else if (each === "tidied") {
        for (const store of [memory, here]) await store.maintain();
      } else {
        const call = batch(each.ops, { allOrNothing: each.together });
        expect(withoutUids(await commit(here, call))).toEqual(withoutUids(await commit(memory, call)));
      }
    }
    const db = openReadOnly(path, 64);
    const rows = new RowReader(db);
    const calendar = new ZoneCalendar(() => {});
    const sums = new Scanner(db, rows, calendar);
    for (const ahead of [0, later]) {
      clock.advance(ahead);
      const known = (await memory.get(NAMES)).map(numbersOf);
      const stored = await here.get(NAMES);
      const seen = stored.map((each) =>
        each === undefined ? undefined : present(each as FullCounter, { now: clock.now() }, calendar),
      );
      expect(seen.map(numbersOf)).toEqual(known);
      const { sum, count, corruptNames } = sums.sum(ALL, { now: clock.now() }, () => {});
      expect({ sum, count, corruptNames }).toEqual({
        ...{ sum: known.reduce((all, each) => all + (each?.value ?? 0n), 0n), corruptNames: [] },
        count: known.filter((each) => each !== undefined).length,
      });
    }
    db.close();
  } finally {
    await here.close();
    rmSync(folder, { recursive: true });
  }
});

/** Each store has drawn its own. */
function withoutUids(answers: unknown): unknown {
  const text = JSON.stringify(answers, (key, value) =>
    key === "uid" ? "" : typeof value === "bigint" ? `${value}` : value,
  );
  return JSON.parse(text);
}

function numbersOf(counter: Awaited<ReturnType<MemoryStore["get"]>>[number] | typeof CORRUPT) {
  if (counter === undefined || typeof counter !== "object") return undefined;
  const { value, revision, updateTime, timing } = counter;
  return { value, revision, updateTime, timing };
}
