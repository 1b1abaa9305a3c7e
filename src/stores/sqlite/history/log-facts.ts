import type { Database } from "better-sqlite3";
import { Checksum } from "../../shared/checksum.ts";
import { headReader } from "../rows/head.ts";
import type { LogFacts } from "./belonging.ts";

/** What a data file says of its change log, as of the read transaction under way if there is one. */
export function logFactsOf(db: Database): LogFacts {
  type Bound = { log_id: string; position: bigint | null; sum: bigint | null };
  const {
    log_id: id,
    position,
    sum,
  } = db.prepare<[], Bound>("SELECT log_id, position, sum FROM history_binding").get()!;
  const { log_dropped, log_end } = headReader(db)();
  type Sums = { checksum: bigint; head_checksum: bigint | null };
  const sumsAt = db.prepare<[bigint], Sums>(
    "SELECT checksum, head_checksum FROM change_log WHERE position = ?",
  );
  return {
    id,
    dropped: Number(log_dropped),
    end: Number(log_end),
    begins: Number(db.prepare("SELECT time_ms FROM change_log ORDER BY position LIMIT 1").pluck().get() ?? 0),
    noted:
      position === null
        ? undefined
        : { position: Number(position), sum: sum === null ? undefined : Number(sum) },
    sumAt(at) {
      const found = sumsAt.get(BigInt(at));
      if (found === undefined) return undefined;
      // The one tells the changes, the other their time: the same may be done at another one.
      return new Checksum().int64(found.checksum).int64(found.head_checksum ?? 0n).value;
    },
  };
}
