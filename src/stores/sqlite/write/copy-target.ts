import type { Database, Statement } from "better-sqlite3";
import { ChangeColumns } from "../../../core/change.ts";
import { uidToBytes } from "../../../core/uid.ts";
import type { ExportHead, ImportPart, ImportState } from "../../../service/store-copying.ts";
import type { StoredChange } from "../../../service/store-pages.ts";
import { assertTakesCopy, importStateOf } from "../../shared/import-state.ts";
import { readCopying, writeCopying } from "../rows/copying-row.ts";
import type { Head } from "../rows/head.ts";
import type { BatchRows } from "./batch-rows.ts";
import type { CatalogueWrites } from "./catalogue.ts";
import type { ChangeLog } from "./change-log.ts";
import type { HistoryBinding } from "./history-binding.ts";
import type { RequestIds } from "./request-ids.ts";

/** What the connection that writes lends to it. */
interface TargetParts {
  readonly file: { readonly db: Database; readonly head: Head };
  readonly rows: BatchRows;
  readonly requestIds: RequestIds;
  readonly log: ChangeLog;
  readonly catalogue: CatalogueWrites;
  readonly history: HistoryBinding;
}

/** The file as something that is copied into: see Copying. The caller owns the transaction. */
export class CopyTarget {
  readonly #db: Database;
  readonly #head: Head;
  readonly #rows: BatchRows;
  readonly #requestIds: RequestIds;
  readonly #log: ChangeLog;
  readonly #catalogue: CatalogueWrites;
  readonly #history: HistoryBinding;
  readonly #counter: Statement<[string], { id: bigint; uid: Uint8Array }>;
  readonly #deleted: Statement<[Uint8Array], bigint>;
  readonly #any: Statement<[], bigint>;
  /**
   * Where the log and the catalogue ended after the latest step of a copy. Each commit and each write moves one of them, so
   * that none has to tell.
   */
  #end: string;

  constructor({ file, rows, requestIds, log, catalogue, history }: TargetParts) {
    const { db, head } = file;
    this.#db = db;
    this.#head = head;
    this.#rows = rows;
    this.#requestIds = requestIds;
    this.#log = log;
    this.#catalogue = catalogue;
    this.#history = history;
    this.#counter = db.prepare(
      "SELECT id, uid FROM counters WHERE id = (SELECT counter_id FROM counter_names WHERE name = ?)",
    );
    this.#deleted = db.prepare<[Uint8Array], bigint>("SELECT id FROM deleted_counters WHERE uid = ?").pluck();
    this.#end = this.#endNow;
    this.#any = db.prepare<[], bigint>("SELECT EXISTS (SELECT 1 FROM counters)").pluck();
  }

  get state(): ImportState {
    const { source_id, source_state, progress, ended } = readCopying(this.#db);
    const [counters, changes] = [this.#any.get() !== 0n, !this.#log.isEmpty];
    const catalogue = this.#catalogue.state.version > 0n;
    // History stands beside: see ../history-copying.ts.
    const kept = { counters, changes, requestIds: !this.#requestIds.isEmpty, catalogue, history: false };
    if (source_id === null || this.#served) return importStateOf(kept, undefined);
    const copy = { storeId: source_id, state: source_state!, progress: progress!, ended: ended === 1n };
    return importStateOf(kept, copy);
  }

  begin({ storeId, state, generations }: ExportHead): void {
    assertTakesCopy(this.state);
    this.#catalogue.clear();
    this.#rows.clear();
    this.#db.exec("UPDATE policy_sweep SET swept = 0");
    this.#log.clear();
    this.#history.name(undefined); // It is another log from now on.
    this.#requestIds.begin(generations);
    this.#db.exec(`CREATE INDEX IF NOT EXISTS ${DELETED_BY_UID} ON deleted_counters (uid)`);
    this.#head.noteSchema();
    writeCopying(this.#db, { source_id: storeId, source_state: state, progress: "", ended: 0n });
  }

  import(part: ImportPart): void {
    const { catalogue = [], keyUses, counters = [], openings = [], commits = [], requestIds = [] } = part;
    this.#catalogue.import(catalogue);
    if (keyUses !== undefined) this.#catalogue.keyUses.note(keyUses);
    for (const counter of counters) this.#rows.import(counter);
    const ids = new Map<string, bigint>();
    for (const opening of openings) this.#log.importOpening(this.#idOf(opening, ids), opening);
    for (const commit of commits) this.#importCommit(commit, ids);
    this.#requestIds.import(requestIds);
    writeCopying(this.#db, { progress: part.progress });
  }

  /** Openings are read from before the first commit on, so there must be one. */
  endLog(): void {
    if (this.#log.isEmpty) this.#log.importCommit(new ChangeColumns(0), [], 0);
  }

  end(): void {
    this.endLog();
    this.#db.exec(`DROP INDEX IF EXISTS ${DELETED_BY_UID}`);
    this.#head.noteSchema();
    writeCopying(this.#db, { ended: 1n });
  }

  /** A step is durable. */
  settled(): void {
    this.#end = this.#endNow;
  }

  /** Before the file is closed: whoever opens it next is to know, if there is more here than the copy. */
  sealing(): void {
    if (this.#served) forgetCopy(this.#db);
  }

  get #served(): boolean {
    return this.#endNow !== this.#end;
  }

  get #endNow(): string {
    return `${this.#log.end.position}.${this.#catalogue.state.version}`;
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

/** An index for the time of a copy. */
const DELETED_BY_UID = "deleted_counters_by_uid";

/** Forget that what is here was copied. Inside the caller's transaction. */
export function forgetCopy(db: Database): void {
  if (readCopying(db).source_id === null) return;
  writeCopying(db, { source_id: null, source_state: null, progress: null, ended: null });
}
