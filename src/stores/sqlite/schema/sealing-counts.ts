import type { Database } from "better-sqlite3";
import { fits } from "../../shared/checksum.ts";
import { guarded } from "../rows/guard.ts";
import { COUNT_AT_FIRST, type RawRow, rowOf, stillChecksum, stillColumns, unguarded } from "../rows/rows.ts";
import { STILL_AT_FIRST } from "../rows/setting-columns.ts";

/**
 * Give the counts of a file from before there were guards theirs, except for those whose rows fail their checksums.
 * Inside the caller's transaction.
 */
export function sealCounts(db: Database): void {
  const rows = db
    .prepare<[bigint], RawRow>(
      `${rowOf(stillColumns(STILL_AT_FIRST), COUNT_AT_FIRST)} WHERE counters.id > ? ORDER BY counters.id LIMIT 1000`,
    )
    .safeIntegers(true);
  const seals = ["counts", "recent_counts"].map((table) =>
    db.prepare<[number, bigint]>(`UPDATE ${table} SET checksum = ? WHERE id = ?`),
  );
  for (let last: bigint | undefined = 0n; last !== undefined; ) {
    const slice: RawRow[] = rows.all(last);
    for (const raw of slice) {
      if (!fits(() => unguarded(stillChecksum(raw), raw), raw.checksum)) continue;
      const sum = Number(raw.checksum);
      seals[Number(raw.recent)]!.run(guarded(sum, raw.id, raw.value), raw.id);
    }
    last = slice.at(-1)?.id;
  }
}
