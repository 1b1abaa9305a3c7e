import type { Database, Statement } from "better-sqlite3";
import { ChangeColumns } from "../../core/change.ts";
import type { FullCounter } from "../../core/counter.ts";
import { accepted, endAt, flawOf, nameOfLost, openingOf } from "../by-hand.ts";
import type { BatchRows } from "./batch-rows.ts";
import type { ChangeLog } from "./change-log.ts";
import { type RawRow, ROW, toFullCounter } from "./rows.ts";

/** Takes what was changed by hand as it stands: see Accepting. The caller owns the transaction. */
export class CounterAccepting {
  readonly #rows: BatchRows;
  readonly #log: ChangeLog;
  readonly #row: Statement<[string], RawRow>;
  readonly #remove: readonly Statement<[bigint]>[];
  readonly #unlabel: Statement<[string]>;
  readonly #unbury: Statement<[bigint]>;

  constructor(db: Database, rows: BatchRows, log: ChangeLog) {
    this.#rows = rows;
    this.#log = log;
    // Neither by the index, which somebody may not have written, nor by the checksum.
    this.#row = db.prepare(`${ROW} WHERE +counters.name = ?`);
    this.#remove = ["counts", "recent_counts", "counters"].map((table) =>
      db.prepare<[bigint]>(`DELETE FROM ${table} WHERE id = ?`),
    );
    this.#unlabel = db.prepare("DELETE FROM counter_labels WHERE name = ?");
    this.#unbury = db.prepare("DELETE FROM deleted_counters WHERE id = ?");
  }

  accept(
    names: readonly string[],
    revisions: ReadonlyMap<string, number>,
    lost: readonly string[],
    now: number,
    newUids: readonly string[],
  ): (FullCounter | string)[] {
    const columns = new ChangeColumns(2 * names.length + lost.length);
    const changed: bigint[] = [];
    const gone = lost.map(BigInt);
    const taken = names.map((name) => {
      const row = this.#row.get(name);
      const counter = row === undefined ? "there is none" : counterIn(row);
      if (typeof counter === "string") return counter;
      const after = accepted(counter, revisions.get(name) ?? 0, now);
      for (const remove of this.#remove) remove.run(row!.id);
      this.#unlabel.run(name);
      this.#rows.import(after);
      columns.append(changed.push(this.#rows.lastId) - 1, openingOf(after));
      gone.push(row!.id);
      return after;
    });
    for (const [i, id] of gone.entries()) {
      columns.append(changed.push(id) - 1, endAt(now));
      this.#unbury.run(id);
      this.#log.deleted(id, nameOfLost(id), newUids[i]!, false);
    }
    if (changed.length > 0) this.#log.append(columns, changed, now);
    return taken;
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
  } catch {
    return "its labels are no JSON";
  }
}
