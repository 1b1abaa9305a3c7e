import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../core/batch.ts";
import { TallyError } from "../../core/errors.ts";
import type { RequestIdPage } from "../../service/store.ts";
import { type RecordRow, soundRecord } from "./request-ids.ts";

/**
 * Reads all request ids that live, for a copy: see Copying.exportRequestIds. SQLite merges the tables of the
 * generations as it reads, each in its own order. The caller owns the transaction.
 */
export class RequestIdReader {
  readonly #db: Database;
  readonly #live: Statement<[], bigint>;

  constructor(db: Database) {
    this.#db = db;
    this.#live = db.prepare<[], bigint>("SELECT id FROM request_id_generations WHERE forgotten = 0").pluck();
  }

  page(cursor: string, limit: number): RequestIdPage {
    const tables = this.#live
      .all()
      .map(
        (id) =>
          `SELECT ${id} AS generation, key, checksum, record FROM request_ids_${id} WHERE key > $cursor`,
      );
    const requestIds = this.#db
      .prepare<[object], KeyedRow>(`${tables.join(" UNION ALL ")} ORDER BY key LIMIT $limit`)
      .all({ cursor, limit })
      .map(({ generation, key, ...row }) => {
        const record = soundRecord(key, row);
        if (record === CORRUPT) throw new TallyError("ROW_CORRUPT", DAMAGED);
        return { generation: Number(generation), key, record };
      });
    return { requestIds, cursor: requestIds.at(-1)?.key ?? cursor };
  }
}

interface KeyedRow extends RecordRow {
  readonly generation: bigint;
  readonly key: string;
}

const DAMAGED =
  "The answer kept under a request id is damaged, so it could not be given again; restore the file from a backup.";
