import type { Database, Statement } from "better-sqlite3";
import { ChangeColumns } from "../../../core/change.ts";
import type { FullCounter } from "../../../core/counter.ts";
import { accepted, endAt, flawOf, nameOfLost, openingOf } from "../../shared/by-hand.ts";
import { type RawRow, ROW, toFullCounter } from "../rows/rows.ts";
import { TimingReader } from "../rows/timing-rows.ts";
import type { BatchRows } from "./batch-rows.ts";
import type { ChangeLog } from "./change-log.ts";
import { EntryMending } from "./mending.ts";

/** Takes what was changed by hand as it stands: see Accepting. The caller owns the transaction. */
export class CounterAccepting {
  readonly #rows: BatchRows;
  readonly #log: ChangeLog;
  readonly #mending: EntryMending;
  readonly #named: Statement<[string], RawRow>;
  readonly #timings: TimingReader;
  readonly #remove: readonly Statement<[bigint]>[];
  readonly #unbury: Statement<[bigint]>;

  constructor(db: Database, rows: BatchRows, log: ChangeLog) {
    this.#rows = rows;
    this.#log = log;
    this.#mending = new EntryMending(db);
    // Neither by what leads to it, which somebody may not have written, nor by the checksum.
    this.#named = db.prepare(`${ROW} WHERE +counters.name = ? LIMIT 2`);
    this.#timings = new TimingReader(db);
    const of = [
      "counts WHERE id",
      "recent_counts WHERE id",
      "timings WHERE id",
      "due_counters WHERE counter_id",
    ];
    this.#remove = [...of, "counters WHERE id"].map((which) =>
      db.prepare<[bigint]>(`DELETE FROM ${which} = ?`),
    );
    this.#unbury = db.prepare("DELETE FROM deleted_counters WHERE id = ?");
  }

  accept(
    names: readonly string[],
    revisions: ReadonlyMap<string, number>,
    lost: readonly string[],
    now: number,
    newUids: readonly string[],
  ): (FullCounter | string)[] {
    const taken: { id: bigint; name: string; after: FullCounter }[] = [];
    const results = names.map((name) => {
      const [row, ...others] = this.#named.all(name);
      const counter = row === undefined ? "there is none" : counterIn(this.#timings.joined(row));
      if (others.length > 0) return "two rows have its name: delete one of them";
      if (typeof counter === "string") return counter;
      const after = accepted(counter, revisions.get(name) ?? 0, now);
      taken.push({ id: row!.id, name, after });
      return after;
    });
    const gone = [...taken.map(({ id }) => id), ...lost.map(BigInt)];
    if (gone.length === 0) return results;
    for (const { id } of taken) for (const remove of this.#remove) remove.run(id);
    for (const id of lost) for (const remove of this.#remove.slice(0, -1)) remove.run(BigInt(id)); // What was left of it.
    this.#mending.forget(taken, lost.map(BigInt));

    const columns = new ChangeColumns(taken.length + gone.length);
    const changed: bigint[] = [];
    for (const { after } of taken) {
      this.#rows.import(after);
      columns.append(changed.push(this.#rows.lastId) - 1, openingOf(after));
    }
    for (const [i, id] of gone.entries()) {
      columns.append(changed.push(id) - 1, endAt(now));
      this.#unbury.run(id);
      this.#log.deleted(id, nameOfLost(id), newUids[i]!, false);
    }
    this.#log.append(columns, changed, now);
    return results;
  }
}

/** The counter that a row says, or why it says none. */
function counterIn(row: RawRow): FullCounter | string {
  if (row.value === null)
    return "its count is gone: delete its row too, and accept that, or restore the file from a backup";
  if (row.uid.length !== 16) return "its uid is none";
  try {
    const counter = toFullCounter(row);
    return flawOf(counter) ?? counter;
  } catch (error) {
    return error instanceof SyntaxError ? "its labels are no JSON" : "its window or its refill is none";
  }
}

/** What is to be taken as it stands: see Accepting.accept. */
export interface AcceptRequest {
  readonly names: readonly string[];
  readonly revisions: ReadonlyMap<string, number>;
  readonly lost: readonly string[];
}
