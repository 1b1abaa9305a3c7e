import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../core/batch.ts";
import { TallyError } from "../../core/errors.ts";
import type { RequestIdPage, StoredRequestId } from "../../service/store.ts";
import { type RecordRow, soundRecord } from "./request-ids.ts";

/** Reads all request ids that live, for a copy: see Copying.exportRequestIds. The caller owns the transaction. */
export class RequestIdReader {
  readonly #db: Database;
  readonly #live: Statement<[bigint], bigint>;

  constructor(db: Database) {
    this.#db = db;
    this.#live = db
      .prepare<[bigint], bigint>(
        "SELECT id FROM request_id_generations WHERE forgotten = 0 AND id >= ? ORDER BY id",
      )
      .pluck();
  }

  page(cursor: string, limit: number): RequestIdPage {
    const [first, after] = parseCursor(cursor);
    const requestIds: StoredRequestId[] = [];
    for (const id of this.#live.all(first)) {
      const room = limit - requestIds.length;
      if (room > 0) requestIds.push(...this.#read(id, id === first ? after : "", room));
    }
    const last = requestIds.at(-1);
    return { requestIds, cursor: last === undefined ? cursor : `${last.generation} ${last.key}` };
  }

  #read(id: bigint, after: string, limit: number): StoredRequestId[] {
    const generation = Number(id);
    return this.#db
      .prepare<[string, number], KeyedRow>(
        `SELECT key, checksum, record FROM request_ids_${id} WHERE key > ? ORDER BY key LIMIT ?`,
      )
      .all(after, limit)
      .map((row) => {
        const record = soundRecord(row.key, row);
        if (record === CORRUPT) throw new TallyError("ROW_CORRUPT", DAMAGED);
        return { generation, key: row.key, record };
      });
  }
}

interface KeyedRow extends RecordRow {
  readonly key: string;
}

const DAMAGED =
  "The answer kept under a request id is damaged, so it could not be given again; restore the file from a backup.";

/** "7 KEY": behind this key of generation 7. */
function parseCursor(cursor: string): [generation: bigint, after: string] {
  const space = cursor.indexOf(" ");
  return space === -1 ? [0n, ""] : [BigInt(cursor.slice(0, space)), cursor.slice(space + 1)];
}
