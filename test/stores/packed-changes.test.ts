/** The bytes of a commit in the change log. */
import { expect, it } from "vitest";
import { ChangeColumns, ChangeKind } from "../../src/core/change.ts";
import { packChanges, unpackChanges } from "../../src/stores/shared/packed-changes.ts";

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
  const read = unpackChanges(bytes, NOW);
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
  const read = unpackChanges(packChanges(changes, IDS, NOW), NOW);
  expect(read.map(({ change }) => change)).toEqual(times.map((_, k) => changes.copy(k)));
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
  const read = unpackChanges(packChanges(changes, IDS, NOW), NOW).map(({ change }) => change);
  expect(read).toEqual([0, 1, 2, 3].map((k) => changes.copy(k)));
  expect(read[2]).toMatchObject({ added: 5n, removed: 6n, low: 3n, high: 8n, value: 8n });
  expect(read[3]).toMatchObject({ firstRevision: 6, revision: 5, removed: 1n });
});
