import type { Database, Statement } from "better-sqlite3";
import { blankCounter, type Fixed, putCountingSettings, type Timing } from "../../../core/counter.ts";
import type { Details } from "../../../core/settings.ts";
import { carryOf } from "./carry.ts";
import { Counts, Missed, MissedTiming, Place } from "./counts.ts";
import { corrupt, unlessCorrupt } from "./damage.ts";
import { LabelWriter } from "./labels.ts";
import { EntryWriter, linkOf } from "./linked-entries.ts";
import {
  type Count,
  type Row,
  rowChecksum,
  STILL_COLUMNS,
  type StillRow,
  stillChecksum,
  timedRowChecksum,
  toStillRow,
} from "./rows.ts";
import { STILL_SETTINGS } from "./setting-columns.ts";
import { isStoredAs, toStoredTiming } from "./stored-timing.ts";
import { TimingWriter } from "./timing-rows.ts";

/** Writes counters. The caller owns the transaction. */
export class RowWriter {
  readonly counts: Counts;
  readonly timings: TimingWriter;
  readonly #insert: Statement;
  readonly #updateSettings: Statement;
  readonly #delete: Statement<[bigint]>;
  readonly #lastId: Statement<[], bigint>;
  readonly #setLastId: Statement<[bigint]>;
  readonly #firstId: Statement<[bigint]>;
  readonly #clear: () => void;
  readonly #names: EntryWriter;
  readonly #labels: LabelWriter;

  constructor(db: Database) {
    this.counts = new Counts(db);
    this.timings = new TimingWriter(db);
    this.#insert = db.prepare(`
      INSERT INTO counters (${STILL_COLUMNS.join(", ")})
      VALUES (${STILL_COLUMNS.map((column) => `$${column}`).join(", ")})`);
    this.#updateSettings = db.prepare(`
      UPDATE counters SET settings_revision = $settings_revision, policy = $policy, policy_revision = $policy_revision,
        ${STILL_SETTINGS.map((column) => `${column} = $${column}`).join(", ")}
      WHERE id = $id`);
    this.#delete = db.prepare("DELETE FROM counters WHERE id = ?");
    this.#lastId = db.prepare<[], bigint>("SELECT seq FROM sqlite_sequence WHERE name = 'counters'").pluck();
    this.#setLastId = db.prepare("UPDATE sqlite_sequence SET seq = ? WHERE name = 'counters'");
    this.#firstId = db.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('counters', ?)");
    this.#clear = () => db.exec("DELETE FROM recent_counts; DELETE FROM counts; DELETE FROM counters");
    this.#names = new EntryWriter(db, "counter_names");
    this.#labels = new LabelWriter(db);
  }

  /** The id of the counter made last, 0 when there was none. */
  lastId(): bigint {
    return this.#lastId.get() ?? 0n;
  }

  insert(id: bigint, name: string, fixed: Fixed, count: Count): Row {
    const raw = toStillRow(id, name, fixed);
    if (this.#insert.run(raw).changes !== 1) throw new Missed(id);
    // One that was taken away a moment before may have been found another way: what led past it there says that there is none.
    if (!this.#names.insert({ key: "", value: "", name }, id))
      throw corrupt("no gap in the names is this one's");
    this.#labels.insert(id, name, fixed.labels);
    return this.#insertCount(raw, fixed, count);
  }

  /** Have no counter get this id: what was deleted in another store has it here. */
  reserve(id: bigint): void {
    if (this.#setLastId.run(id).changes === 0) this.#firstId.run(id);
  }

  /** Take all counters away. */
  clear(): void {
    this.#clear();
    this.timings.clear();
    this.#names.clear();
    this.#labels.clear();
  }

  /** Whether what leads to a counter is there and sound, to be taken away with it. */
  isFound(name: string, labels: Details["labels"]): boolean {
    const found = unlessCorrupt(() => {
      const entry = this.#names.at({ key: "", value: "", name });
      return entry !== undefined && linkOf(entry) !== undefined && this.#labels.has(name, labels);
    });
    return found === true;
  }

  /**
   * @param timing  as it is from now on
   * @param before  as it is in the file
   * @param whole   whether the row may say of its timing what the file does not have: what was written may have been undone
   * @throws SQLITE_CORRUPT when the row is not there any more
   */
  update(
    row: Row,
    value: bigint,
    revision: number,
    updateTime: number,
    timing: Timing | undefined,
    before: Timing | undefined,
    whole = false,
  ): void {
    const { id, still, counter } = row;
    const { min, max } = counter;
    if (before !== undefined) {
      this.#updateTimed(row, { value, revision, updateTime, timing }, before, whole);
      return;
    }
    const sum = rowChecksum(still, id, value, revision, updateTime);
    const place = this.counts.update(row.place, { id, value, revision, updateTime, min, max, checksum: sum });
    if (place === undefined) throw new Missed(id);
    row.place = place;
  }

  /** Of a counter that time does something to: mostly counting moves its count alone. */
  #updateTimed(row: Row, count: Count, before: Timing, whole: boolean): void {
    const { id, still, counter, place, timing: known } = row;
    const { value, revision, updateTime } = count;
    const timing = count.timing!;
    const { min, max, refill } = counter;
    const carry = refill === undefined ? undefined : carryOf(timing, updateTime);
    const stored =
      known !== undefined && isStoredAs(known, timing, carry)
        ? known
        : toStoredTiming(counter, value, timing, carry);
    const checksum = timedRowChecksum(still, id, count, stored, carry);
    const now = this.counts.update(place, { id, value, revision, updateTime, min, max, carry, checksum });
    if (now === undefined) throw new Missed(id);
    if ((stored !== known || whole) && !this.timings.update(id, before, stored.columns))
      throw new MissedTiming(id);
    row.place = now;
    row.timing = stored;
  }

  /**
   * Write a counter whole, with other settings than before.
   *
   * @param before  its labels until now, and its timing
   * @throws SQLITE_CORRUPT when the row is not there any more
   */
  updateSettings({ id }: Row, name: string, before: Before, fixed: Fixed, count: Count): Row {
    const raw = toStillRow(id, name, fixed);
    if (this.#updateSettings.run(raw).changes !== 1 || !this.counts.delete(id)) throw new Missed(id);
    if (before.timing !== undefined && !this.timings.delete(id, before.timing)) throw new MissedTiming(id);
    this.#labels.replace(id, name, before.labels, fixed.labels);
    return this.#insertCount(raw, fixed, count);
  }

  /**
   * @param before  its labels until now, and its timing
   * @throws SQLITE_CORRUPT when the row is not there any more
   */
  delete({ id }: Row, name: string, { labels, timing }: Before): void {
    this.#names.remove({ key: "", value: "", name });
    this.#labels.remove(name, labels);
    if (timing !== undefined && !this.timings.delete(id, timing)) throw new MissedTiming(id);
    if (this.#delete.run(id).changes !== 1 || !this.counts.delete(id)) throw new Missed(id);
  }

  #insertCount(raw: StillRow, fixed: Fixed, count: Count): Row {
    const { id } = raw;
    const { value, revision, updateTime, timing } = count;
    const { min, max } = fixed;
    const still = stillChecksum(raw);
    const counter = blankCounter();
    putCountingSettings(counter, fixed);
    counter.uid = fixed.uid;
    counter.value = value;
    counter.revision = revision;
    counter.updateTime = updateTime;
    counter.settingsRevision = fixed.settingsRevision;
    counter.timing = timing && { ...timing }; // It is moved in place from now on, and this one is the caller's.
    counter.policy = fixed.policy;
    const refills = timing !== undefined && fixed.refill !== undefined;
    const carry = refills ? carryOf(timing, updateTime) : undefined;
    const stored = timing === undefined ? undefined : toStoredTiming(counter, value, timing, carry);
    const checksum =
      stored === undefined
        ? rowChecksum(still, id, value, revision, updateTime)
        : timedRowChecksum(still, id, count, stored, carry);
    if (stored !== undefined) this.timings.insert({ ...raw, ...stored.columns });
    this.counts.insert({ id, value, revision, updateTime, min, max, carry, checksum });
    return { id, counter, still, place: Place.COLD, timing: stored };
  }
}

/** What of a counter as it stands in the file tells what leads to it. */
export interface Before {
  readonly labels: Details["labels"];
  readonly timing: Timing | undefined;
}
