import type { Database } from "better-sqlite3";
import { Checksum, fits } from "../../shared/checksum.ts";
import { unusable } from "../../shared/unusable.ts";

/** The row of `copying`: copies from the file and into it; see copy-target.ts. */
export interface CopyingRow {
  readonly store_id: string | null;
  readonly opens: bigint;
  readonly source_id: string | null;
  readonly source_state: string | null;
  readonly progress: string | null;
  readonly ended: bigint | null;
}

/** @throws TallyError STORE_UNAVAILABLE when the row is damaged */
export function readCopying(db: Database): CopyingRow {
  const [row, ...others] = db
    .prepare<[], CopyingRow & { checksum: bigint }>(
      `SELECT ${COLUMNS.join(", ")}, checksum FROM copying LIMIT 2`,
    )
    .all();
  if (row !== undefined && others.length === 0 && fits(() => checksumOf(row), row.checksum)) return row;
  throw unusable(DAMAGED);
}

const DAMAGED = "What the file says of copies is damaged; restore it from a backup.";

/** Change the row, which is sound. Inside the caller's transaction. */
export function writeCopying(db: Database, columns: Partial<CopyingRow>): void {
  const row = { ...readCopying(db), ...columns };
  const set = [...COLUMNS, "checksum"].map((column) => `${column} = $${column}`).join(", ");
  db.prepare(`UPDATE copying SET ${set}`).run({ ...row, checksum: checksumOf(row) });
}

/** Give the row of a file from before there was a checksum its first one. Inside the caller's transaction. */
export function sealCopying(db: Database): void {
  const row = db
    .prepare<[], CopyingRow>(`SELECT ${COLUMNS.join(", ")} FROM copying`)
    .safeIntegers(true)
    .get();
  if (row === undefined) throw unusable(DAMAGED);
  db.prepare("UPDATE copying SET checksum = ?").run(checksumOf(row));
}

const COLUMNS = ["store_id", "opens", "source_id", "source_state", "progress", "ended"] as const;

function checksumOf({ store_id, opens, source_id, source_state, progress, ended }: CopyingRow): number {
  const sum = new Checksum().int64(opens).optional(ended ?? undefined);
  for (const text of [store_id, source_id, source_state, progress]) {
    if (text === null) sum.word(0);
    else sum.word(1).text(text);
  }
  return sum.value;
}
