import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import { TallyError } from "../../../core/errors.ts";
import type { RequestIdPage, StoredRequestId } from "../../../service/store-copying.ts";
import { fits } from "../../shared/checksum.ts";
import { idLink, type RecordRow, soundRecord } from "../rows/generation-rows.ts";
import { generationsIn } from "../rows/live-generation.ts";

/**
 * Reads all request ids that live, for a copy: see Copying.exportRequestIds. The tables of the generations are merged
 * as they are read, each in its own order. The caller owns the transaction.
 */
export class RequestIdReader {
  readonly #db: Database;
  readonly #statements = new Map<bigint, Statement<[object], KeyedRow>>();

  constructor(db: Database) {
    this.#db = db;
  }

  page(cursor: string, limit: number): RequestIdPage {
    const live = generationsIn(this.#db).filter(({ forgotten }) => forgotten === 0n);
    const walks = live.map(({ id }) => idsFrom(Number(id), this.#statement(id), cursor));
    try {
      const heads = walks.map((walk) => walk.next().value);
      const requestIds: StoredRequestId[] = [];
      while (requestIds.length < limit) {
        let least = -1;
        for (const [i, head] of heads.entries()) {
          if (head && (least === -1 || head.key < heads[least]!.key)) least = i;
        }
        if (least === -1) break;
        requestIds.push(heads[least]!);
        heads[least] = walks[least]!.next().value;
      }
      return { requestIds, cursor: requestIds.at(-1)?.key ?? cursor };
    } finally {
      for (const walk of walks) walk.return(undefined);
    }
  }

  #statement(id: bigint): Statement<[object], KeyedRow> {
    const table = `request_ids_${id}`;
    let statement = this.#statements.get(id);
    statement ??= this.#db.prepare<[object], KeyedRow>(`
      SELECT key, checksum, record, next FROM ${table}
      WHERE key >= (SELECT key FROM ${table} WHERE key <= $cursor ORDER BY key DESC LIMIT 1)
      ORDER BY key`);
    this.#statements.set(id, statement);
    return statement;
  }
}

interface KeyedRow extends RecordRow {
  readonly key: string;
  readonly next: bigint;
}

/** The ids of a generation after the first row, which is the one before them: each must be the one that was to follow. */
function* idsFrom(
  generation: number,
  statement: Statement<[object], KeyedRow>,
  cursor: string,
): Generator<StoredRequestId, undefined, undefined> {
  let before: KeyedRow | undefined;
  for (const row of statement.iterate({ cursor })) {
    if (before !== undefined) {
      assertNext(generation, before, row.key);
      const record = soundRecord(row.key, row);
      if (record === CORRUPT) throw damaged();
      yield { generation, key: row.key, record };
    }
    before = row;
  }
  assertNext(generation, before, "");
}

function assertNext(generation: number, before: KeyedRow | undefined, key: string): void {
  if (before === undefined || !fits(() => idLink(generation, before.key, key), before.next)) throw damaged();
}

function damaged(): TallyError {
  return new TallyError(
    "ROW_CORRUPT",
    "an answer kept under a request id is damaged or cannot be found, so it could not be given again",
    { part: "request_id" },
  );
}
