/**
 * A setting that comes when there are counters already: made up, and put into the table of settings before anything else
 * reads that. Whatever was stored before it came stays good, byte by byte; and so does what does not use it.
 */
import Database from "better-sqlite3";
import { describe, expect, it, vi } from "vitest";
import { encodeAnswer, replayAnswer } from "../../src/core/answer.ts";
import { newOutcomes } from "../../src/core/columns.ts";
import { CORRUPT } from "../../src/core/counter.ts";
import { type Op, Verb } from "../../src/core/op.ts";
import { DEFAULTS, type SettingKey, type Settings } from "../../src/core/settings.ts";
import { RowReader } from "../../src/stores/sqlite/rows/row-reader.ts";
import { RowWriter } from "../../src/stores/sqlite/rows/row-writer.ts";
import { toFullCounter } from "../../src/stores/sqlite/rows/rows.ts";
import { migrate } from "../../src/stores/sqlite/schema/schema.ts";
import { create, update } from "../support/calls.ts";

vi.mock("../../src/core/settings.ts", async (importOriginal) => {
  const table = await importOriginal<Record<string, never>>();
  const { SETTINGS, SETTING_KEYS, COUNTING_KEYS, DEFAULTS } = table as Record<string, object & unknown[]>;
  const frozen = {
    field: "frozen",
    kind: "boolean",
    default: false,
    column: "frozen",
    bit: 2 ** 30,
    later: true,
  };
  Object.assign(SETTINGS!, { frozen });
  Object.assign(DEFAULTS!, { frozen: false });
  COUNTING_KEYS!.push("frozen");
  SETTING_KEYS!.push("frozen");
  return table;
});

const FROZEN = "frozen" as SettingKey;
const frozen = (settings: Partial<Settings> = {}) => ({ ...settings, [FROZEN]: true });

const CALL = { caller: "", requestId: "r", single: true, allOrNothing: false, digest: undefined, end: 1 };

/** The record of a request, in hex. */
function recordOf(op: Op): string {
  const outcomes = newOutcomes(1, 1);
  outcomes.uids[0] = "01900000-0000-7000-8000-0000000000ab";
  outcomes.revisions[0] = 1;
  const fixed = { uid: outcomes.uids[0], settingsRevision: 2, createTime: 1 };
  outcomes.counters.set(0, {
    name: "a",
    value: 0n,
    revision: 1,
    updateTime: 1,
    ...fixed,
    ...op.settings!,
    timing: undefined,
  });
  return Buffer.from(encodeAnswer(CALL, 0, 0, op, outcomes)).toString("hex");
}

function replayed(record: string, op: Op) {
  const outcomes = newOutcomes(1, 1);
  const refusal = replayAnswer(Buffer.from(record, "hex"), CALL, 0, 0, op, outcomes);
  return refusal ?? outcomes.counters.get(0);
}

describe("a setting that came later", () => {
  it("leaves no trace in the record of a request that does not name it", () => {
    expect(recordOf(create("a"))).toBe(
      "0104008481f7afd1b2a803f6bfdbc3da86db09f6bfdbc3da86db09f197e4d8b29a58f197e4d8b29a58adebeba5f1d8a007b9f3ddc5bbf28808019000000000700080000000000000ab00010000",
    );
    expect(recordOf(update("a", { min: undefined }))).toBe(
      "01050002f6bfdbc3da86db09019000000000700080000000000000ab0001000002010100000000",
    );
  });

  it("stands in the record of one that does, is given back, and tells such requests apart", () => {
    for (const op of [
      create("a", frozen({ max: 9n })),
      update("a", frozen({ max: 9n, labels: { a: "b" } })),
    ]) {
      const record = recordOf(op);
      const again = replayed(record, op);
      if (op.verb === Verb.CREATE)
        expect(again).toBeUndefined(); // Its answer is what was asked.
      else expect(again).toMatchObject({ name: "a", ...op.settings! });
      const without = { ...op, settings: { ...op.settings!, [FROZEN]: false } };
      const reused = { code: "REQUEST_ID_REUSED", field: FROZEN };
      expect(replayed(record, without)).toEqual(reused);
      expect(replayed(recordOf(without), op)).toEqual(reused);
    }
  });

  it("is NULL in rows that do not use it, whose checksums are what they were; and sound in those that do", () => {
    const db = new Database(":memory:");
    db.defaultSafeIntegers(true);
    migrate(db);
    db.exec("ALTER TABLE counters ADD COLUMN frozen INTEGER");
    const [writer, reader] = [new RowWriter(db), new RowReader(db)];
    const fixed = { uid: "01900000-0000-7000-8000-0000000000ab", settingsRevision: 1, createTime: 5 };
    const count = { value: 7n, revision: 1, updateTime: 6, timing: undefined };
    const before = { labels: {}, timing: undefined };
    const read = () => {
      const raw = reader.find("a");
      if (raw === undefined || raw === CORRUPT) return raw;
      return { ...toFullCounter(raw), stored: (raw as unknown as { frozen: bigint | null }).frozen, raw };
    };
    const was = { ...DEFAULTS, max: 9n };
    const row = writer.insert(1n, "a", { ...fixed, ...was }, count);
    expect(row.still).toBe(1_574_881_774); // As it was before there was such a setting.
    expect(read()).toMatchObject({ ...was, value: 7n, stored: null });
    const changed = writer.updateSettings(row, "a", before, { ...fixed, ...was, ...frozen() }, count);
    expect(read()).toMatchObject({ ...was, [FROZEN]: true, stored: 1n });
    db.exec("UPDATE counters SET frozen = NULL");
    expect(read()).toBe(CORRUPT);
    db.exec("UPDATE counters SET frozen = 0");
    expect(read()).toBe(CORRUPT);
    db.exec("UPDATE counters SET frozen = 1");
    writer.updateSettings(changed, "a", before, { ...fixed, ...was }, count);
    expect(read()).toMatchObject({ [FROZEN]: false, stored: null });
    db.close();
  });
});
