import { CORRUPT } from "../../core/counter.ts";
import { TallyError } from "../../core/errors.ts";
import { endOf } from "../../core/selection.ts";
import { isSettled } from "../../core/settling.ts";
import type { PolicyProgress, PolicyReads } from "../../service/store-policies.ts";
import { CATALOGUE_MARK } from "./catalogue.ts";
import type { Database } from "./connection/database.ts";
import type { PoliciesInDatabase } from "./policies.ts";
import { FOLLOWED_COLUMNS, toFollowed } from "./rows.ts";

/** Counts the counters that follow a policy: see PolicyReads. */
export class PolicyCounts implements PolicyReads {
  readonly #database: Database;
  readonly #policies: PoliciesInDatabase;

  constructor(database: Database, policies: PoliciesInDatabase) {
    this.#database = database;
    this.#policies = policies;
  }

  progress(prefix: string, signal?: AbortSignal): Promise<PolicyProgress> {
    const [mark, slice] = [MARK, SLICE].map((sql) => this.#database.statement(sql));
    return this.#database.snapshot(async (session) => {
      const [state] = await session.send(mark!);
      const policies = await this.#policies.at(session, state!.catalogue, true);
      const progress = { applied: 0, remaining: 0 };
      for (let after = ""; ; ) {
        if (signal?.aborted) throw new TallyError("CALL_CANCELLED", "nobody waits for it any more");
        const rows = await session.send(slice!, [prefix, endOf(prefix), after]);
        for (const row of rows) {
          const name = row.name as string;
          const policy = policies.for(name);
          if (typeof policy !== "object" || policy.prefix !== prefix) continue;
          const followed = toFollowed(row);
          const settled = followed !== CORRUPT && isSettled({ policy: followed }, name, policies);
          progress[settled ? "applied" : "remaining"]++;
        }
        if (rows.length < A_SLICE) return progress;
        after = rows.at(-1)!.name as string;
      }
    });
  }
}

/** Some ten milliseconds. */
const A_SLICE = 5_000;
const MARK = `SELECT ${CATALOGUE_MARK}`;
const SLICE = `
  SELECT name, ${FOLLOWED_COLUMNS.join(", ")} FROM @counters
  WHERE name >= $1 AND name < $2 AND name > $3 AND policy IS NOT NULL ORDER BY name LIMIT ${A_SLICE}`;
