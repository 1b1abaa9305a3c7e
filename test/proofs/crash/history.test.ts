import { describe, expect, test } from "vitest";
import {
  type Asked,
  checkCounter,
  type Entry,
  History,
  PLAIN_RULES,
  type Rules,
  type Told,
} from "./history.ts";
import { freshSeed, seededRandom } from "./random.ts";

const ABSENT = { revision: 0, value: undefined, uid: undefined };

/** An entry at `[startUs, endUs]`; without a time it took the whole run, which contradicts no order. */
function entry(asked: Asked, told: Told, [startUs, endUs] = [0, 1000]): Entry {
  return { name: "c", asked, told, startUs: startUs!, endUs: endUs!, id: "i" };
}

function add(amount: bigint, value: bigint, revision: number, time?: [number, number]): Entry {
  return entry({ verb: "add", amount }, { value, previous: value - amount, revision, uid: "u" }, time);
}

function read(value: bigint, revision: number, time?: [number, number]): Entry {
  return entry({ verb: "read" }, { value, revision, uid: "u" }, time);
}

function kinds(entries: Entry[], from = ABSENT, rules: Rules = PLAIN_RULES): string[] {
  return checkCounter(entries, from, rules).violations.map(({ kind }) => kind);
}

describe("a right history passes:", () => {
  test("increments, decrements, sets, resets and reads, given in any order", () => {
    const entries = [
      add(5n, 5n, 1),
      add(-7n, -2n, 2),
      entry({ verb: "set", value: 40n }, { value: 40n, previous: -2n, revision: 3 }),
      read(40n, 3),
      entry({ verb: "reset" }, { value: 0n, previous: 40n, revision: 4 }),
      add(1n, 1n, 5),
    ];
    expect(kinds(entries.toReversed())).toEqual([]);
    expect(checkCounter(entries, ABSENT, PLAIN_RULES).known).toEqual({ revision: 5, value: 1n, uid: "u" });
  });

  test("a read that overlaps a change may see it or not", () => {
    expect(kinds([add(1n, 1n, 1, [0, 10]), add(1n, 2n, 2, [20, 40]), read(1n, 1, [30, 35])])).toEqual([]);
    expect(kinds([add(1n, 1n, 1, [0, 10]), add(1n, 2n, 2, [20, 40]), read(2n, 2, [30, 35])])).toEqual([]);
  });

  test("a counter that is made within bounds, clamps, and is refused what is too much", () => {
    const clamping = { initial: 0n, min: 0n, max: 10n, clamp: true };
    const created = entry({ verb: "create", value: 8n }, { value: 8n, revision: 1, uid: "u" });
    const clamped = entry({ verb: "add", amount: 5n }, { value: 10n, previous: 8n, revision: 2 });
    expect(kinds([created, clamped], ABSENT, clamping)).toEqual([]);
    const refused = entry({ verb: "add", amount: 5n }, { refused: "ABOVE_MAX", value: 8n });
    expect(kinds([created, refused], ABSENT, { ...clamping, clamp: false })).toEqual([]);
  });

  test("a missing counter is refused before it was made, and while it was being made", () => {
    const missing = { refused: "COUNTER_NOT_FOUND" };
    expect(
      kinds([
        entry({ verb: "read" }, missing, [0, 10]),
        entry({ verb: "add", amount: -1n }, missing, [5, 30]),
        add(1n, 1n, 1, [20, 40]),
      ]),
    ).toEqual([]);
  });
});

describe("the check notices", () => {
  test("a change that was acknowledged and lost: another has its revision", () => {
    expect(kinds([add(1n, 1n, 1), add(1n, 2n, 2), add(3n, 4n, 2)])).toEqual(["lost"]);
  });

  test("a change that was acknowledged and lost: the counter ended before it", () => {
    expect(kinds([add(1n, 1n, 1, [0, 10]), add(1n, 2n, 2, [10, 20]), read(1n, 1, [30, 40])])).toEqual([
      "order",
    ]);
  });

  test("a change counted twice: its first revision is nobody's", () => {
    expect(kinds([add(1n, 1n, 1), add(1n, 3n, 3)])).toEqual(["doubled"]);
  });

  test("a change counted twice at the end of all: a read shows what is nobody's", () => {
    expect(kinds([add(1n, 1n, 1), read(2n, 2)])).toEqual(["doubled"]);
  });

  test("a value that does not follow from the one before", () => {
    expect(kinds([add(1n, 1n, 1), add(1n, 3n, 2)])).toEqual(["value"]);
    expect(kinds([add(5n, 6n, 1)])).toEqual(["value"]);
    expect(kinds([add(1n, 1n, 1), read(2n, 1)])).toEqual(["value"]);
    const set = entry({ verb: "set", value: 7n }, { value: 8n, previous: 1n, revision: 2 });
    expect(kinds([add(1n, 1n, 1), set])).toEqual(["value"]);
  });

  test("a stale read: it began after a later change was acknowledged", () => {
    const entries = [add(1n, 1n, 1, [0, 10]), add(1n, 2n, 2, [10, 20]), read(1n, 1, [21, 30])];
    expect(kinds(entries)).toEqual(["order"]);
  });

  test("two reads that go back, even while the change between them is under way", () => {
    const entries = [
      add(1n, 1n, 1, [0, 5]),
      add(1n, 2n, 2, [6, 100]),
      read(2n, 2, [10, 20]),
      read(1n, 1, [30, 40]),
    ];
    expect(kinds(entries)).toEqual(["order"]);
  });

  test("a read from the future: it ended before the change began", () => {
    expect(kinds([add(1n, 1n, 1, [50, 60]), read(1n, 1, [10, 20])])).toEqual(["order"]);
  });

  test("changes in an order that real time contradicts", () => {
    expect(kinds([add(1n, 1n, 1, [50, 60]), add(1n, 2n, 2, [10, 20])])).toEqual(["order"]);
  });

  test("a counter that got another uid", () => {
    expect(kinds([add(1n, 1n, 1), entry({ verb: "read" }, { value: 1n, revision: 1, uid: "v" })])).toEqual([
      "identity",
    ]);
  });

  test("a refusal that nothing explains", () => {
    const rules = { initial: 0n, min: 0n, max: 10n, clamp: false };
    const history = [add(8n, 8n, 1, [0, 10]), add(-8n, 0n, 2, [20, 30])];
    const refused = (value: bigint, time: [number, number]) =>
      entry({ verb: "add", amount: 5n }, { refused: "ABOVE_MAX", value }, time);
    expect(kinds([...history, refused(8n, [15, 40])], ABSENT, rules)).toEqual([]);
    expect(kinds([...history, refused(8n, [31, 40])], ABSENT, rules)).toEqual(["refusal"]);
    expect(kinds([...history, refused(7n, [15, 40])], ABSENT, rules)).toEqual(["refusal"]);
    const missing = entry({ verb: "read" }, { refused: "COUNTER_NOT_FOUND" }, [31, 40]);
    expect(kinds([...history, missing], ABSENT, rules)).toEqual(["refusal"]);
  });

  test("what it forgot in stages: a revision from before comes again, and so does an old value", () => {
    const history = new History();
    history.add(add(1n, 1n, 1));
    history.add(add(1n, 2n, 2));
    expect(history.check()).toEqual([]);
    history.add(add(1n, 2n, 2, [2000, 2010]));
    history.add(read(1n, 1, [2000, 2010]));
    expect(history.check().map(({ kind }) => kind)).toEqual(["lost", "order"]);
  });
});

/**
 * Goal: the check accepts whatever a right counter can do, and notices each of the classic faults wherever it
 * strikes.
 *
 * Method: play 32 callers on a model counter that applies each operation at a random moment between its start and
 * its end; check; then change one entry as the fault would have, and check again.
 */
test("histories of a right counter pass, and one fault in any of them is noticed", () => {
  const seed = freshSeed();
  const random = seededRandom(seed);
  for (let run = 0; run < 100; run++) {
    const entries = play(random);
    expect(kinds(entries), `seed ${seed}, run ${run}`).toEqual([]);
    for (const [fault, spoil] of Object.entries(SPOILERS)) {
      const spoilt = spoil(entries, random.between(0, entries.length - 1));
      expect(kinds(spoilt), `seed ${seed}, run ${run}, ${fault}`).not.toEqual([]);
    }
  }
});

/** Sequential operations with the moment each took effect, its start and end spread around that moment. */
function play(random: ReturnType<typeof seededRandom>): Entry[] {
  let value = 0n;
  const entries: Entry[] = [];
  for (let revision = 1; revision <= 200; revision++) {
    const amount = BigInt(random.between(1, 9)) * (revision > 1 && random.fraction() < 0.3 ? -1n : 1n);
    value += amount;
    const at = revision * 100;
    const around = (): [number, number] => [at - random.between(0, 3000), at + 1 + random.between(0, 3000)];
    entries.push(add(amount, value, revision, around()));
    if (random.fraction() < 0.3) entries.push(read(value, revision, around()));
  }
  return entries;
}

const SPOILERS: Record<string, (entries: Entry[], at: number) => Entry[]> = {
  "an acknowledged change is lost, and another takes its revision": (entries, at) => [
    ...entries,
    add(1n, 1n, revisionOf(entries[at]!), [0, 1e9]),
  ],
  "a change counts twice": (entries, at) => {
    const from = revisionOf(entries[at]!);
    return entries.map((e) => (revisionOf(e) < from ? e : shifted(e)));
  },
  "a read is served stale": (entries, at) => {
    const last = entries.at(-1)!;
    const old = entries.find(
      (e) => revisionOf(e) === Math.min(revisionOf(entries[at]!), revisionOf(last) - 1),
    )!;
    const time = { startUs: 1e9, endUs: 1e9 + 1 };
    return [...entries, { ...old, ...time, asked: { verb: "read" } }];
  },
};

function revisionOf({ told }: Entry): number {
  return "revision" in told ? told.revision : 0;
}

/** An entry that comes one revision later, because something counted 1 before it that nobody asked for. */
function shifted(entry: Entry): Entry {
  const { told } = entry;
  if (!("revision" in told)) return entry;
  const previous = told.previous === undefined ? {} : { previous: told.previous + 1n };
  return { ...entry, told: { ...told, revision: told.revision + 1, value: told.value + 1n, ...previous } };
}
