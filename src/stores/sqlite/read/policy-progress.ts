import type { Database, Statement } from "better-sqlite3";
import { endOf } from "../../../core/selection.ts";
import { isSettled } from "../../../core/settling.ts";
import type { PolicyProgress } from "../../../service/store-policies.ts";
import { PoliciesInFile } from "../rows/policies.ts";
import { type FollowedColumns, toFollowed } from "../rows/rows.ts";

/** Counts the counters that follow a policy: see PolicyReads. The caller owns the transaction. */
export class PolicyCounts {
  readonly #policies: PoliciesInFile;
  readonly #rows: Statement<[string, string, bigint], FollowedColumns & { readonly name: string }>;

  constructor(db: Database) {
    this.#policies = new PoliciesInFile(db);
    this.#rows = db.prepare(`
      SELECT entry.name, policy, policy_revision FROM counter_names AS entry
      LEFT JOIN counters ON counters.id = entry.counter_id
      WHERE entry.name >= ? AND entry.name < ? ORDER BY entry.name LIMIT ?`);
  }

  /** @param goOn  called between slices; what it throws ends the count */
  progress(prefix: string, goOn: () => void): PolicyProgress {
    this.#policies.written();
    const policies = this.#policies.now;
    const progress = { applied: 0, remaining: 0 };
    let from = prefix;
    for (;;) {
      goOn();
      const rows = this.#rows.all(from, endOf(prefix), A_SLICE);
      for (const { name, ...columns } of rows) {
        const policy = columns.policy === null ? undefined : policies.for(name);
        if (typeof policy !== "object" || policy.prefix !== prefix) continue;
        progress[isSettled({ policy: toFollowed(columns) }, name, policies) ? "applied" : "remaining"]++;
      }
      if (rows.length < A_SLICE) return progress;
      from = `${rows.at(-1)!.name}!`; // "!" is the lowest that a name can go on with.
    }
  }
}

const A_SLICE = 2_000n;
