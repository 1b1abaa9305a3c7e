import type { Database, Statement } from "better-sqlite3";
import { ChangeColumns } from "../../../core/change.ts";
import { TallyError } from "../../../core/errors.ts";
import { IdIndices } from "../../../core/id-indices.ts";
import { fits } from "../../shared/checksum.ts";
import { changesMaxIn, soundChanges, unpackChanges } from "../../shared/packed-changes.ts";
import {
  DELETED_COLUMNS,
  type DeletedRow,
  deletedChecksum,
  LOG_COLUMNS,
  type LogRow,
  OPENING_COLUMNS,
  type OpeningRow,
  openingChecksum,
  soundHead,
} from "../rows/change-log-rows.ts";
import { type HeadRow, headReader } from "../rows/head.ts";
import { COUNT_OF } from "../rows/rows.ts";
import type { LoggedSums } from "./sums.ts";
import { behind, LOWEST_ID, type Looked, SLICE_ROWS, type Walk } from "./walk.ts";

/** Told of each commit that is sound, in their order. */
export interface CommitSink {
  /** @param ids  of the counters, by their index in the changes; -1 in `indices` of those that are not there any more */
  commit(position: bigint, changes: ChangeColumns, indices: Int32Array): void;
  /** An opening stands for the changes of a counter up to an instant. */
  opening(index: number, time: number): void;
}

/** Goes through the change log, in one snapshot with what is to be compared with it. */
export class LogWalk implements Walk {
  readonly part = "the change log";
  rows = 0;
  readonly #looked: Looked;
  readonly #sums: LoggedSums;
  readonly #sinks: readonly CommitSink[];
  readonly #head: HeadRow | undefined;
  readonly #openings: Statement<[bigint, number], OpeningRow>;
  readonly #deleted: Statement<[bigint, number], DeletedRow>;
  readonly #isDeleted: Statement<[bigint], bigint>;
  readonly #commits: Statement<[bigint, number], LogRow>;
  #phase: "openings" | "deleted" | "commits" = "openings";
  #last = LOWEST_ID;
  #opened = { count: 0n, ids: 0n };

  /** @param sinks  told of what the log has, beside the sums */
  constructor(looked: Looked, sums: LoggedSums, sinks: readonly CommitSink[]) {
    const { db } = looked;
    this.#looked = looked;
    this.#sums = sums;
    this.#sinks = sinks;
    this.#head = headOf(db);
    const walk = (columns: string, table: string, key: string) =>
      `SELECT ${columns} FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ?`;
    this.#openings = db.prepare(walk(OPENING_COLUMNS, "change_openings", "counter_id"));
    this.#deleted = db.prepare(walk(DELETED_COLUMNS, "deleted_counters", "id"));
    this.#isDeleted = db.prepare<[bigint], bigint>("SELECT 1 FROM deleted_counters WHERE id = ?").pluck();
    this.#commits = db.prepare(walk(LOG_COLUMNS, "change_log", "position"));
  }

  step(): boolean {
    if (this.#head === undefined) return false; // Which says so itself.
    if (this.#phase === "openings") return this.#stepOpenings(this.#head);
    if (this.#phase === "deleted") return this.#stepDeleted(this.#head);
    return this.#stepCommits(this.#head);
  }

  #stepOpenings({ openings, opening_ids }: HeadRow): boolean {
    const found = this.#openings.all(this.#last, SLICE_ROWS);
    for (const row of found) {
      const { counter_id: id, revision, value, time_ms, checksum } = row;
      this.#opened = { count: this.#opened.count + 1n, ids: this.#opened.ids + id };
      if (!fits(() => openingChecksum(id, revision, value, time_ms), checksum)) {
        this.#damaged(`opening of row id ${id}`);
        continue;
      }
      const index = this.#sums.indexOf(id);
      if (index === -1) this.#assertDeleted(id);
      else {
        this.#sums.open(index, { value, revision: Number(revision) });
        for (const sink of this.#sinks) sink.opening(index, Number(time_ms));
      }
    }
    this.#last = behind(this.#last, found.at(-1)?.counter_id);
    if (found.length === SLICE_ROWS) return true;
    if (this.#opened.count !== openings || this.#opened.ids !== opening_ids) this.#damaged("openings");
    [this.#phase, this.#last] = ["deleted", LOWEST_ID];
    return true;
  }

  #stepDeleted({ log_dropped }: HeadRow): boolean {
    const found = this.#deleted.all(this.#last, SLICE_ROWS);
    for (const { id, name, uid, history, checksum } of found) {
      if (!fits(() => deletedChecksum(id, name, uid, history), checksum))
        this.#damaged(`end of row id ${id}`);
    }
    this.#last = behind(this.#last, found.at(-1)?.id);
    if (found.length === SLICE_ROWS) return true;
    [this.#phase, this.#last] = ["commits", log_dropped];
    return true;
  }

  #stepCommits({ log_end }: HeadRow): boolean {
    const found = this.#commits.all(this.#last, COMMITS_A_SLICE);
    for (const row of found) {
      if (row.position !== this.#last + 1n)
        this.#damaged(`positions ${this.#last + 1n} to ${row.position - 1n}`);
      this.#last = behind(this.#last, row.position);
      try {
        this.#take(soundHead(row), soundChanges(row));
      } catch (error) {
        if (!(error instanceof TallyError || error instanceof RangeError)) throw error;
        this.#damaged(`position ${row.position}`);
      }
    }
    this.rows += found.length;
    if (found.length === COMMITS_A_SLICE) return true;
    if (this.#last !== log_end) this.#damaged(`positions ${this.#last + 1n} to ${log_end}`);
    return false;
  }

  #take({ position, time_ms }: LogRow, bytes: Uint8Array): void {
    const changes = new ChangeColumns(changesMaxIn(bytes.length));
    const ids = new IdIndices();
    unpackChanges(bytes, Number(time_ms), changes, ids);
    const indices = Int32Array.from(ids.toColumn(), (id) => {
      const index = this.#sums.indexOf(id);
      if (index === -1) this.#assertDeleted(id);
      return index;
    });
    for (let k = 0; k < changes.count; k++) {
      const index = indices[changes.counters[k]!]!;
      if (index !== -1) this.#sums.take(index, changes, k);
    }
    for (const sink of this.#sinks) sink.commit(position, changes, indices);
  }

  /** What the log tells of is there, or was deleted. */
  #assertDeleted(id: bigint): void {
    if (this.#isDeleted.get(id) !== undefined) return;
    const about = "the change log tells of it, and its row is gone";
    this.#looked.findings.add("ROW_GONE", `row id ${id}`, about, "accept gone");
  }

  #damaged(what: string): void {
    this.#looked.findings.add("LOG_DAMAGED", what, "it fails its checksum, or is missing", "restore");
  }
}

/** A commit has up to 8,000 changes. */
const COMMITS_A_SLICE = 20;

/** Compares the values of all counters with where their changes lead. After the log was gone through, in the same snapshot. */
export class ValueWalk implements Walk {
  readonly part = "values";
  rows = 0;
  /** Of the values that are there. */
  sum = 0n;
  readonly #looked: Looked;
  readonly #sums: LoggedSums;
  readonly #some: Statement<[bigint, number], Valued>;
  #last = LOWEST_ID;

  constructor(looked: Looked, sums: LoggedSums) {
    this.#looked = looked;
    this.#sums = sums;
    this.#some = looked.db.prepare(`
      SELECT row.id, row.name, coalesce(recent.value, counts.value) AS value,
        coalesce(recent.revision, counts.revision) AS revision
      FROM (SELECT id, name FROM counters NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?) AS row ${COUNT_OF("row.id")}`);
  }

  step(): boolean {
    const found = this.#some.all(this.#last, SLICE_ROWS);
    for (const row of found) this.#look(row);
    this.rows += found.length;
    this.#last = behind(this.#last, found.at(-1)?.id);
    return found.length === SLICE_ROWS;
  }

  #look({ id, name, value, revision }: Valued): void {
    const { findings } = this.#looked;
    this.sum += typeof value === "bigint" ? value : 0n;
    // Of a log that lacks something, or a row that is none, that much is known already.
    if (value === null || findings.has("LOG_DAMAGED") || findings.has("HEAD_DAMAGED")) return;
    const index = this.#sums.indexOf(id);
    const [known, logged] = [this.#sums.known[index], this.#sums.values[index]];
    if (known === 1 && logged === value && BigInt(this.#sums.revisions[index]!) === revision) return;
    const leads =
      known === 1
        ? `its changes lead to ${logged} at revision ${this.#sums.revisions[index]}`
        : "the change log has none of it";
    const about = `it has the value ${value} at revision ${revision}, and ${leads}`;
    findings.add("VALUE_UNACCOUNTED", `${name}`, about, "accept");
  }
}

interface Valued {
  readonly id: bigint;
  readonly name: string;
  readonly value: bigint | null;
  readonly revision: bigint | null;
}

function headOf(db: Database): HeadRow | undefined {
  try {
    return headReader(db)();
  } catch (error) {
    if (error instanceof TallyError) return undefined;
    throw error;
  }
}
