/** The bytes of a commit in the change log. */
import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { ChangeColumns, ChangeKind } from "../../src/core/change.ts";
import { INT64_MAX, INT64_MIN, UINT64_MAX } from "../../src/core/int64.ts";
import { LogPages } from "../../src/stores/shared/log-page.ts";
import { changesIn, packChanges } from "../../src/stores/shared/packed-changes.ts";

const NOW = 1_767_225_600_000;
const IDS = [1n, 300n, 2n ** 40n];

/** As every release until 2026-11 wrote them, which knew no change that was earlier than its commit. */
const GOLDEN =
  "8001010a050000ac0204061310030a060000000180808080802002feffffffffffffffff01ffffffffffffffffff010001000000026d65" +
  "0677687920c3a902ac0207000003010000c41300000580808080802003feffffffffffffffff0100000000000000000601020a0000000000000000";

/** Of every shape: alone, merged, with a remark, from edge to edge, later than its commit, without a revision. */
function golden(): ChangeColumns {
  const changes = new ChangeColumns(6);
  changes.push(0, ChangeKind.ADD, 0n, 5n, 1, NOW);
  const merged = changes.push(1, ChangeKind.ADD, 0n, 9n, 4, NOW);
  changes.merge(merged, 9n, -7n, 5, NOW);
  changes.merge(merged, -7n, 3n, 6, NOW);
  const set = changes.push(2, ChangeKind.SET, -(2n ** 63n), 2n ** 63n - 1n, 2, NOW);
  changes.remarks.set(set, { caller: "me", note: "why é" });
  changes.push(1, ChangeKind.RESET, 3n, 0n, 7, NOW + 2_500);
  changes.push(2, ChangeKind.SETTINGS, 2n ** 63n - 1n, 2n ** 63n - 1n, 2, NOW);
  changes.push(0, ChangeKind.DELETE, 5n, 5n, 1, NOW);
  return changes;
}

it("records of before are read as they were written, and are still written so", () => {
  const bytes = Buffer.from(GOLDEN, "hex");
  const read = changesIn(bytes, NOW);
  expect(read.map(({ id }) => id)).toEqual([0, 1, 2, 1, 2, 0].map((index) => IDS[index]));
  const written = golden();
  expect(read.map(({ change }) => change)).toEqual(read.map((_, k) => written.copy(k)));
  expect(read.map(({ change }) => change.time - NOW)).toEqual([0, 0, 0, 2_500, 0, 0]);
  expect(Buffer.from(packChanges(written, IDS, NOW)).toString("hex")).toBe(GOLDEN);
});

it("a change may be earlier than its commit, by any time, beside others that are not", () => {
  const times = [NOW, NOW - 1, NOW - 60_000, NOW + 3, 0, NOW];
  const changes = new ChangeColumns(times.length);
  for (const [k, time] of times.entries()) changes.push(k % 3, ChangeKind.SET, 1n, BigInt(k), k + 1, time);
  changes.remarks.set(1, { caller: "", note: "early" });
  const read = changesIn(packChanges(changes, IDS, NOW), NOW);
  expect(read.map(({ change }) => change)).toEqual(times.map((_, k) => changes.copy(k)));
});

/**
 * Goal: what is unpacked, into columns and from them, is what was packed, to the edges of every number. Method: random changes
 * of every shape, three commits after another into one page, compared with the columns that they were packed from.
 */
it("whatever changes are packed, the columns have them", () => {
  const int64 = fc.oneof(fc.bigInt({ min: INT64_MIN, max: INT64_MAX }), fc.bigInt({ min: -300n, max: 300n }));
  const uint64 = fc.oneof(fc.bigInt({ min: 0n, max: UINT64_MAX }), fc.bigInt({ min: 0n, max: 2n ** 50n }));
  const text = fc.oneof(fc.constant(""), fc.string({ unit: "grapheme", maxLength: 20 }));
  const revision = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 53 - 100_000 }));
  const change = fc
    .record({
      id: fc.oneof(int64, fc.constantFrom(1n, 2n, 2n ** 49n, 2n ** 53n)),
      kind: fc.integer({ min: 0, max: 63 }),
      first: revision,
      ops: fc.integer({ min: 0, max: 70_000 }),
      added: uint64,
      removed: uint64,
      values: fc.tuple(int64, int64, int64),
      later: fc.integer({ min: -NOW, max: 10_000 }),
      caller: text,
      note: text,
      plain: fc.boolean(),
    })
    .map(({ id, kind, first, ops, added, removed, values, later, caller, note, plain }) => {
      const [low, value, high] = [...values].sort((a, b) => (a < b ? -1 : 1)) as [bigint, bigint, bigint];
      const sums = { kind: kind as ChangeKind, firstRevision: first, added, removed, value };
      const alone = { revision: first, ops: 1, low: value, high: value, time: NOW, caller: "", note: "" };
      const more = { revision: first + ops - 1, ops, low, high, time: NOW + later, caller, note };
      return { id, change: { ...sums, ...(plain ? alone : more) } };
    });
  const commits = fc.array(fc.array(change, { maxLength: 20 }), { minLength: 3, maxLength: 3 });
  void fc.assert(
    fc.property(commits, (given) => {
      const pages = new LogPages();
      pages.begin(1_000);
      for (const [i, changes] of given.entries()) {
        const columns = new ChangeColumns(changes.length);
        for (const [k, each] of changes.entries()) columns.append(k, each.change);
        const ids = changes.map(({ id }) => id);
        const packed = packChanges(
          columns,
          ids.map((id) => BigInt.asUintN(64, id)),
          NOW,
        );
        expect(changesIn(packed, NOW)).toEqual(changes);
        expect(pages.add({ position: i, time: NOW }, packed)).toBe(true);
      }
      const { commits } = pages.commits("");
      const all = given.flat();
      expect(Array.from(all, (_, k) => commits.changes.copy(k))).toEqual(all.map((each) => each.change));
      expect(Array.from(all, (_, k) => commits.counterIds[commits.changes.counters[k]!])).toEqual(
        all.map(({ id }) => id),
      );
      expect(commits.counterIds).toHaveLength(new Set(all.map(({ id }) => id)).size);
      expect([...commits.ends]).toEqual([1, 2, 3].map((n) => given.slice(0, n).flat().length));
    }),
    { numRuns: 300 },
  );
});

it("a commit that ends too early is refused, wherever that is", () => {
  const bytes = Buffer.from(GOLDEN, "hex");
  const whole = changesIn(bytes, NOW);
  for (let length = 1; length < bytes.length; length++) {
    const read = (): unknown => changesIn(bytes.subarray(0, length), NOW);
    try {
      expect(read()).toEqual(whole.slice(0, (read() as unknown[]).length)); // It ends between two changes.
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
  }
});

it("a page that is full is as it was before the commit that did not fit", () => {
  const packed = (count: number, first: number): Uint8Array => {
    const changes = new ChangeColumns(count);
    for (let k = 0; k < count; k++) changes.push(k, ChangeKind.SET, 0n, BigInt(k), 1, NOW - 5);
    for (let k = 0; k < count; k++) changes.remarks.set(k, { caller: "me", note: `${first + k}` });
    return packChanges(
      changes,
      Array.from({ length: count }, (_, k) => BigInt(first + k)),
      NOW,
    );
  };
  const pages = new LogPages();
  for (const more of [1, 500, 7]) {
    pages.begin(100);
    expect(pages.add({ position: 1n, time: NOW }, packed(90, 1))).toBe(true);
    const before = pages.commits("");
    expect(pages.add({ position: 2n, time: NOW }, packed(10 + more, 50))).toBe(false);
    expect(pages.commits("")).toEqual(before);
    expect(pages.add({ position: 2n, time: NOW }, packed(10, 85))).toBe(true); // Six of them are on it already.
    const { commits, cursor } = pages.commits("");
    expect([cursor, commits.counterIds.length, commits.changes.count]).toEqual(["2", 94, 100]);
    expect(
      Array.from({ length: 10 }, (_, k) => commits.counterIds[commits.changes.counters[90 + k]!]),
    ).toEqual(Array.from({ length: 10 }, (_, k) => BigInt(85 + k)));
    expect(commits.changes.remarks.get(99)).toEqual({ caller: "me", note: "94" });
    const rest = commits.after(1); // As one reads who stands between the two.
    expect([[...rest.positions], [...rest.ends], rest.changes.remarks.size]).toEqual([[2], [10], 10]);
    for (let k = 0; k < 10; k++) expect(rest.changes.copy(k)).toEqual(commits.changes.copy(90 + k));
  }
});

it("one change more than there is room for is a defect, and not dropped in silence", () => {
  const changes = new ChangeColumns(1);
  changes.push(0, ChangeKind.ADD, 0n, 1n, 1, NOW);
  const one = changes.copy(0);
  expect(() => changes.push(0, ChangeKind.SET, 1n, 2n, 2, NOW)).toThrow("expected at most 1 changes");
  expect(() => changes.append(0, one)).toThrow("expected at most 1 changes");
  expect(changes.count).toBe(1);
  changes.truncate(0);
  changes.append(0, one); // Room that was given back is there again.
  expect(changes.copy(0)).toEqual(one);
});

it("a roll is as of its window's end, before its commit; a change that met a refill keeps the value it met", () => {
  const changes = new ChangeColumns(4);
  changes.push(0, ChangeKind.ROLL, 5n, 0n, 2, NOW - 3_600_000);
  changes.push(0, ChangeKind.ADD, 0n, 1n, 3, NOW);
  changes.push(1, ChangeKind.ADD, 9n, 8n, 4, NOW, 3n); // Refilled by 6, and 5 were taken.
  changes.push(2, ChangeKind.EXPIRE, 7n, 6n, 5, NOW - 1);
  const read = changesIn(packChanges(changes, IDS, NOW), NOW).map(({ change }) => change);
  expect(read).toEqual([0, 1, 2, 3].map((k) => changes.copy(k)));
  expect(read[2]).toMatchObject({ added: 5n, removed: 6n, low: 3n, high: 8n, value: 8n });
  expect(read[3]).toMatchObject({ firstRevision: 6, revision: 5, removed: 1n });
});
