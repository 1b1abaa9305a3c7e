import type { Database } from "better-sqlite3";
import { CORRUPT } from "../../../core/batch.ts";
import { TallyError } from "../../../core/errors.ts";
import { fits } from "../../shared/checksum.ts";
import { idLink, type RecordRow, soundRecord } from "../rows/generation-rows.ts";
import { generationsIn } from "../rows/live-generation.ts";
import { behindTexts, type Looked, SLICE_ROWS, type Walk } from "./walk.ts";

/** Looks at each answer kept under a request id that lives: it is sound, and the next of the one before. */
export class RequestIdWalk implements Walk {
  readonly part = "request ids";
  rows = 0;
  readonly #looked: Looked;
  /** Where it stands: a generation, and the last key of it; the first row, "", is before all ids. */
  #place: { readonly generation: bigint; readonly key: string | undefined } = {
    generation: -1n,
    key: undefined,
  };

  constructor(looked: Looked) {
    this.#looked = looked;
  }

  step(): boolean {
    const { db } = this.#looked;
    const { generation, key } = this.#place;
    // Each time anew: meanwhile one may have been forgotten, and its table dropped.
    const live = this.#live();
    const at = live.find((id) => id >= generation);
    if (at === undefined) return false;
    const from = at === generation ? key : undefined;
    const found = this.#some(db, at, from);
    for (const [i, row] of found.entries()) if (i > 0) this.#look(at, found[i - 1]!, row);
    if (from !== undefined && found.length > 1) behindTexts([from], [found.at(-1)!.key]);
    const ended = found.length <= SLICE_ROWS;
    if (ended) this.#end(at, found.at(-1));
    this.rows += Math.max(0, found.length - 1);
    this.#place = ended
      ? { generation: at + 1n, key: undefined }
      : { generation: at, key: found.at(-1)!.key };
    return true;
  }

  #live(): readonly bigint[] {
    try {
      return generationsIn(this.#looked.db)
        .filter(({ forgotten }) => forgotten === 0n)
        .map(({ id }) => id);
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      this.#looked.findings.add(
        "HEAD_DAMAGED",
        "request ids",
        "what the file says of them is damaged",
        "restore",
      );
      return [];
    }
  }

  /** The row at the place or before it, and those that follow. */
  #some(db: Database, generation: bigint, key: string | undefined): KeyedRow[] {
    const table = `request_ids_${generation}`;
    return db
      .prepare<[object], KeyedRow>(`
        SELECT key, checksum, record, next FROM ${table}
        WHERE key >= coalesce((SELECT key FROM ${table} WHERE key <= $key ORDER BY key DESC LIMIT 1), '')
        ORDER BY key LIMIT $limit`)
      .all({ key: key ?? "", limit: SLICE_ROWS + 1 });
  }

  #look(generation: bigint, before: KeyedRow, row: KeyedRow): void {
    if (!fits(() => idLink(generation, before.key, row.key), before.next)) this.#tell(generation, before.key);
    if (soundRecord(row.key, row) === CORRUPT) this.#tell(generation, row.key);
  }

  #end(generation: bigint, last: KeyedRow | undefined): void {
    if (last === undefined || !fits(() => idLink(generation, last.key, ""), last.next))
      this.#tell(generation, last?.key ?? "");
  }

  #tell(generation: bigint, key: string): void {
    const name = `id ${key.slice(0, KEY_SHOWN)} of generation ${generation}`;
    const about = "the answer kept under it, or what leads to the next one, is damaged or missing";
    this.#looked.findings.add("REQUEST_ID_DAMAGED", name, about, "time");
  }
}

interface KeyedRow extends RecordRow {
  readonly key: string;
  readonly next: bigint;
}

/** Callers choose them, and they may be long. */
const KEY_SHOWN = 80;
