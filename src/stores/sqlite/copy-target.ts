import type { Database, Statement } from "better-sqlite3";
import { ChangeColumns } from "../../core/change.ts";
import { uidToBytes } from "../../core/uid.ts";
import type { ExportHead, ImportPart, ImportState, StoredChange } from "../../service/store.ts";
import { unusable } from "../unusable.ts";
import type { BatchRows } from "./batch-rows.ts";
import type { ChangeLog } from "./change-log.ts";
import type { RequestIds } from "./request-ids.ts";

/** The file as something that is copied into: see Copying. The caller owns the transaction. */
export class CopyTarget {
  readonly #db: Database;
  readonly #rows: BatchRows;
  readonly #requestIds: RequestIds;
  readonly #log: ChangeLog;
  readonly #state: Statement<[], StateRow>;
  readonly #progress: Statement<[string]>;
  readonly #counter: Statement<[string], { id: bigint; uid: Uint8Array }>;
  readonly #deleted: Statement<[Uint8Array], bigint>;
  readonly #any: Statement<[], bigint>;

  constructor(db: Database, rows: BatchRows, requestIds: RequestIds, log: ChangeLog) {
    this.#db = db;
    this.#rows = rows;
    this.#requestIds = requestIds;
    this.#log = log;
    this.#state = db.prepare("SELECT source_id, source_state, progress, ended FROM copying");
    this.#progress = db.prepare("UPDATE copying SET progress = ?");
    this.#counter = db.prepare("SELECT id, uid FROM counters INDEXED BY counters_by_name WHERE name = ?");
    this.#deleted = db.prepare<[Uint8Array], bigint>("SELECT id FROM deleted_counters WHERE uid = ?").pluck();
    this.#any = db.prepare<[], bigint>("SELECT EXISTS (SELECT 1 FROM counters)").pluck();
  }

  get state(): ImportState {
    const { source_id, source_state, progress, ended } = this.#state.get() ?? noCopying();
    const empty = this.#any.get() === 0n && this.#log.isEmpty && this.#requestIds.isEmpty;
    if (source_id === null) return { empty, copy: undefined };
    return { empty, copy: { storeId: source_id, state: source_state, progress, ended: ended === 1n } };
  }

  begin({ storeId, state, generations }: ExportHead): void {
    const { empty, copy } = this.state;
    if (!empty && copy === undefined) {
      throw new TypeError("expected a store that is empty, or has a copy only");
    }
    this.#rows.clear();
    this.#log.clear();
    this.#requestIds.begin(generations);
    this.#db.exec(`CREATE INDEX IF NOT EXISTS ${DELETED_BY_UID} ON deleted_counters (uid)`);
    this.#db
      .prepare("UPDATE copying SET source_id = ?, source_state = ?, progress = '', ended = 0")
      .run(storeId, state);
  }

  import({ counters = [], openings = [], commits = [], requestIds = [], progress }: ImportPart): void {
    for (const counter of counters) this.#rows.import(counter);
    const ids = new Map<string, bigint>();
    for (const opening of openings) this.#log.importOpening(this.#idOf(opening, ids), opening);
    for (const commit of commits) this.#importCommit(commit, ids);
    this.#requestIds.import(requestIds);
    this.#progress.run(progress);
  }

  end(): void {
    // Openings are read from before the first commit on, so there must be one.
    if (this.#log.isEmpty) this.#log.importCommit(new ChangeColumns(0), [], 0);
    this.#db.exec(`DROP INDEX IF EXISTS ${DELETED_BY_UID}; UPDATE copying SET ended = 1`);
  }

  /** From now on there is more here than the copy. */
  served(): void {
    this.#db.exec(SERVED);
  }

  #importCommit(changes: readonly StoredChange[], ids: Map<string, bigint>): void {
    const columns = new ChangeColumns(changes.length);
    for (const [i, change] of changes.entries()) columns.append(i, change);
    const time = Math.min(...changes.map((change) => change.time));
    this.#log.importCommit(
      columns,
      changes.map((change) => this.#idOf(change, ids)),
      time,
    );
  }

  /** What the counter of a change is known by here; one that was deleted gets an id with its first change. */
  #idOf({ name, uid }: StoredChange, ids: Map<string, bigint>): bigint {
    let id = ids.get(uid);
    if (id !== undefined) return id;
    const bytes = uidToBytes(uid);
    const counter = this.#counter.get(name);
    if (counter !== undefined && Buffer.compare(counter.uid, bytes) === 0) id = counter.id;
    else id = this.#deleted.get(bytes);
    if (id === undefined) {
      id = this.#rows.reserveId();
      this.#log.deleted(id, name, uid, true);
    }
    ids.set(uid, id);
    return id;
  }
}

/** @throws TallyError STORE_UNAVAILABLE */
export function noCopying(): never {
  throw unusable(
    "The table copying has no row, which somebody deleted by hand; put it back: INSERT INTO copying (opens) VALUES (0).",
  );
}

interface StateRow {
  readonly source_id: string | null;
  readonly source_state: string;
  readonly progress: string;
  readonly ended: bigint;
}

/** An index for the time of a copy. */
const DELETED_BY_UID = "deleted_counters_by_uid";

/** Forgets that what is here was copied. */
export const SERVED =
  "UPDATE copying SET source_id = NULL, source_state = NULL, progress = NULL, ended = NULL WHERE source_id IS NOT NULL";
