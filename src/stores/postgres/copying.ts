import { ChangeColumns } from "../../core/change.ts";
import { inEpoch } from "../../core/epoch.ts";
import { TallyError } from "../../core/errors.ts";
import type {
  Copying,
  ExportHead,
  ImportPart,
  ImportState,
  RequestIdPage,
  StoredRequestId,
} from "../../service/store-copying.ts";
import type { HistoryExport } from "../../service/store-history-copying.ts";
import type { StoredChange } from "../../service/store-pages.ts";
import { assertTakesCopy, importStateOf, type Kept } from "../shared/import-state.ts";
import { packChanges } from "../shared/packed-changes.ts";
import { CLEAR_CATALOGUE, type PostgresCatalogue } from "./catalogue.ts";
import type { ChangeLog } from "./change-log.ts";
import type { Database } from "./connection/database.ts";
import { type Row, type Session, theRow } from "./connection/session.ts";
import type { CopyHold } from "./copy-lock.ts";
import { CLEAR_HISTORY, type PostgresHistoryCopying } from "./history/copying.ts";
import type { PostgresKeyUses } from "./key-uses.ts";
import { arrayOf } from "./rows.ts";
import { CounterIds } from "./write/counter-ids.ts";
import type { Maintenance } from "./write/maintenance.ts";
import { RECORD_OVERHEAD_BYTES, type RequestIds } from "./write/request-ids.ts";
import { CounterWrites } from "./write/writes.ts";

/** What the rest of the store lends to a copy. */
export interface CopyingParts {
  readonly database: Database;
  readonly requestIds: RequestIds;
  readonly log: ChangeLog;
  readonly maintenance: Maintenance;
  readonly catalogue: PostgresCatalogue;
  readonly keyUses: PostgresKeyUses;
  readonly history: PostgresHistoryCopying;
  readonly newUid: () => string;
  /** Undefined when the store was opened to be served. */
  readonly hold: CopyHold | undefined;
}

/** Copies from a store in PostgreSQL and into it: each step is one transaction of moderate size. */
export class PostgresCopying implements Copying {
  readonly #parts: CopyingParts;
  readonly #writes: CounterWrites;
  readonly #ids: CounterIds;
  /** Whether it is this process that copies into the store, or is about to: it reads what it has copied. */
  imports = false;

  constructor(parts: CopyingParts) {
    this.#parts = parts;
    this.#writes = new CounterWrites(parts.database);
    this.#ids = new CounterIds(parts.database);
  }

  async exportHead(): Promise<ExportHead> {
    const { catalogue, maintenance, requestIds, newUid } = this.#parts;
    await maintenance.place();
    const epoch = await catalogue.epoch();
    return this.#step(async (session) => {
      const row = theRow(await session.send(this.#statement(IDENTIFY), [newUid()]), "copying");
      const [ends] = await session.send(this.#statement(LOG_ENDS));
      requestIds.learn(await session.send(...requestIds.look));
      const generations = requestIds.generations.map(({ bytes, ...generation }) => generation);
      const kept = `${ends!.first}.${ends!.last}.${generations[0]!.id}.${generations.at(-1)!.id}`;
      const state = inEpoch(`${kept}.${ends!.catalogue}.${ends!.history}`, epoch);
      return { storeId: row.store_id as string, state, runMs: maintenance.runMs, generations };
    });
  }

  async exportRequestIds(cursor: string, limit: number): Promise<RequestIdPage> {
    const rows = await this.#parts.database.read(this.#statement(REQUEST_IDS), [cursor, limit]);
    const requestIds = rows.map(({ key, generation, record }): StoredRequestId => {
      return { key: key as string, generation: Number(generation), record: record as Uint8Array };
    });
    return { requestIds, cursor: requestIds.at(-1)?.key ?? cursor };
  }

  exportHistory(): Promise<HistoryExport | undefined> {
    return this.#parts.history.exported();
  }

  async importState(): Promise<ImportState> {
    this.imports = true;
    return toState(theRow(await this.#parts.database.read(this.#statement(IMPORT_STATE)), "copying"));
  }

  async beginImport({ storeId, state, runMs, generations }: ExportHead): Promise<void> {
    await this.#step(async (session) => {
      assertTakesCopy(toState(theRow(await session.send(this.#statement(IMPORT_STATE)), "copying")));
      await session.simply(this.#parts.database.inSchema(CLEAR));
      await session.send(this.#statement(OPEN_GENERATIONS), [
        arrayOf(generations.map(({ id }) => id)),
        arrayOf(generations.map(({ openedMs }) => Math.trunc(openedMs))),
        arrayOf(generations.map(({ closedMs }) => closedMs && Math.trunc(closedMs))),
      ]);
      await session.send(this.#statement(BEGIN_STATE), [Math.trunc(runMs)]);
      await session.send(this.#statement(BEGIN_COPY), [storeId, state]);
    });
    await this.#parts.maintenance.start();
  }

  async import(part: ImportPart): Promise<void> {
    const {
      catalogue = [],
      keyUses,
      counters = [],
      openings = [],
      commits = [],
      requestIds = [],
      history,
      progress,
    } = part;
    const changes = [...openings, ...commits.flat()];
    const uids = new Map(changes.map(({ uid, name }) => [uid, name]));
    const spareIds = await this.#ids.take(counters.length + uids.size); // Before the transaction: see CounterIds.
    await this.#step(async (session) => {
      if (catalogue.length > 0) await this.#parts.catalogue.import(session, catalogue);
      if (keyUses !== undefined) await this.#parts.keyUses.import(session, keyUses);
      if (counters.length > 0) await this.#importCounters(session, counters, spareIds);
      const idOf = await this.#idsOf(session, uids, spareIds.slice(counters.length));
      if (openings.length > 0) {
        await session.send(
          ...this.#parts.log.open(new Map(openings.map((opening) => [idOf(opening), opening]))),
        );
      }
      if (commits.length > 0) await this.#importCommits(session, commits, idOf);
      if (requestIds.length > 0) await this.#importRequestIds(session, requestIds);
      if (history !== undefined) await this.#parts.history.import(session, history);
      await session.send(this.#statement("UPDATE @copying SET progress = $1"), [progress]);
    });
  }

  async endImport(): Promise<void> {
    await this.#step((session) => session.simply(this.#parts.database.inSchema(END)));
    await this.#parts.maintenance.start();
  }

  /** Let others have the store. */
  async close(): Promise<void> {
    await this.#parts.history.close();
    await this.#parts.hold?.release();
  }

  async #step<T>(work: (session: Session) => Promise<T>): Promise<T> {
    await this.#parts.hold?.assertHeld();
    return this.#parts.database.transaction(work);
  }

  #statement(sql: string) {
    return this.#parts.database.statement(sql);
  }

  async #importCounters(
    session: Session,
    counters: NonNullable<ImportPart["counters"]>,
    ids: readonly bigint[],
  ): Promise<void> {
    const save = {
      names: counters.map(({ name }) => name),
      changed: counters.map((_, index) => index),
      values: BigInt64Array.from(counters, ({ value }) => value),
      revisions: Float64Array.from(counters, ({ revision }) => revision),
      updateTimes: Float64Array.from(counters, ({ updateTime }) => updateTime),
      timings: new Map(counters.map(({ timing }, index) => [index, timing])),
      fixed: new Map(counters.entries()),
      deleted: new Map<number, boolean>(),
    };
    const none = { revisions: [], fixed: new Map() };
    for (const call of this.#writes.of(save, { facts: none, ids: [] }, ids)) await session.send(...call);
  }

  /** What the counter of a change is known by here; one that was deleted gets an id with its first change. */
  async #idsOf(
    session: Session,
    uids: ReadonlyMap<string, string>,
    spareIds: readonly bigint[],
  ): Promise<(change: StoredChange) => bigint> {
    if (uids.size === 0) return () => 0n;
    const [live, deleted] = await Promise.all([
      session.send(this.#statement(COUNTERS), [[...new Set(uids.values())]]),
      session.send(this.#statement(DELETED), [[...uids.keys()]]),
    ]);
    const ids = new Map([...live, ...deleted].map(({ uid, id }) => [uid as string, id as bigint]));
    const missing = [...uids.keys()].filter((uid) => !ids.has(uid));
    for (const [i, uid] of missing.entries()) ids.set(uid, spareIds[i]!);
    if (missing.length > 0) {
      const names = missing.map((uid) => uids.get(uid)!);
      await session.send(this.#statement(TOMBSTONE), [
        arrayOf(spareIds.slice(0, missing.length)),
        names,
        missing,
      ]);
    }
    return ({ uid }) => ids.get(uid)!;
  }

  async #importCommits(
    session: Session,
    commits: readonly (readonly StoredChange[])[],
    idOf: (change: StoredChange) => bigint,
  ): Promise<void> {
    const times = commits.map((commit) => Math.min(...commit.map(({ time }) => time)));
    const packed = commits.map((commit, i) => {
      const columns = new ChangeColumns(commit.length);
      for (const [k, change] of commit.entries()) columns.append(k, change);
      return packChanges(columns, commit.map(idOf), times[i]!);
    });
    await session.send(this.#statement(APPEND), [arrayOf(times), packed]);
    await session.send(this.#statement(APPENDED), [
      commits.length,
      packed.reduce((total, { length }) => total + length, 0),
    ]);
  }

  async #importRequestIds(session: Session, requestIds: readonly StoredRequestId[]): Promise<void> {
    const bytes = new Map<number, number>();
    for (const { generation, key, record } of requestIds) {
      const size = key.length + record.length + RECORD_OVERHEAD_BYTES;
      bytes.set(generation, (bytes.get(generation) ?? 0) + size);
    }
    await session.send(this.#statement(KEEP_IDS), [
      requestIds.map(({ key }) => key),
      arrayOf(requestIds.map(({ generation }) => generation)),
      requestIds.map(({ record }) => Buffer.from(record)),
    ]);
    await session.send(this.#statement(COUNT_BYTES), [
      arrayOf([...bytes.keys()]),
      arrayOf([...bytes.values()]),
    ]);
  }
}

/** One that is there as long as nobody changes the tables by hand. */
function rowOf(row: Row | undefined): Row {
  if (row !== undefined) return row;
  throw new TallyError(
    "STORE_UNAVAILABLE",
    "a table of one row has lost it; restore the schema from a backup",
  );
}

function toState(found: Row | undefined): ImportState {
  const row = rowOf(found);
  const kept = row as unknown as Kept;
  if (row.source_id === null) return importStateOf(kept, undefined);
  const { source_id, source_state, progress, ended } = row as Record<string, string> & { ended: boolean };
  return importStateOf(kept, { storeId: source_id!, state: source_state!, progress: progress!, ended });
}

const IDENTIFY = "UPDATE @copying SET store_id = coalesce(store_id, $1) RETURNING store_id";
const LOG_ENDS = `
  SELECT coalesce(min(position), 0) AS first, coalesce(max(position), 0) AS last,
    (SELECT version FROM @catalogue_state) AS catalogue, (SELECT saves FROM @history_state) AS history
  FROM @change_log`;
const REQUEST_IDS = `
  SELECT key, generation, record FROM @request_ids
  WHERE key > $1 AND generation IN (SELECT id FROM @request_id_generations WHERE NOT forgotten)
  ORDER BY key LIMIT $2`;
const IMPORT_STATE = `
  SELECT source_id, source_state, progress, ended, EXISTS (SELECT 1 FROM @counters) AS counters,
    EXISTS (SELECT 1 FROM @change_log) AS changes,
    EXISTS (SELECT 1 FROM @request_ids JOIN @request_id_generations AS g ON g.id = generation
      WHERE NOT forgotten) AS "requestIds",
    coalesce((SELECT version FROM @catalogue_state) > 0, false) AS catalogue,
    EXISTS (SELECT 1 FROM @history_counters) AS history
  FROM @copying AS c`;

const CLEAR = `
  TRUNCATE @counters, @counter_labels, @change_log, @change_openings, @deleted_counters, @request_ids,
    @request_id_generations;
  ${CLEAR_CATALOGUE};
  ${CLEAR_HISTORY};
  CREATE INDEX IF NOT EXISTS deleted_counters_by_uid ON @deleted_counters (uid)`; // For the time of the copy.
const END = `
  DROP INDEX IF EXISTS @deleted_counters_by_uid;
  UPDATE @copying SET ended = true`;
const OPEN_GENERATIONS = `
  INSERT INTO @request_id_generations (id, opened_ms, closed_ms, bytes)
  SELECT id, opened_ms, closed_ms, 0
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (id, opened_ms, closed_ms)`;
/** Openings are given to who has not come to the first commit, so that one is the second. */
const BEGIN_STATE = "UPDATE @service_state SET run_ms = $1, log_position = 1, log_bytes_end = 0";
const BEGIN_COPY = `UPDATE @copying SET source_id = $1, source_state = $2, progress = '', ended = false`;

const COUNTERS = "SELECT id, uid FROM @counters WHERE name = ANY($1::text[])";
const DELETED = "SELECT id, uid FROM @deleted_counters WHERE uid = ANY($1::uuid[])";
const TOMBSTONE = `
  INSERT INTO @deleted_counters (id, name, uid, history)
  SELECT id, name, uid, true FROM unnest($1::bigint[], $2::text[], $3::uuid[]) AS u (id, name, uid)`;
const APPEND = `
  INSERT INTO @change_log (taken, position, bytes_end, time_ms, changes)
  SELECT nextval('@change_order'), s.log_position + n,
    s.log_bytes_end + sum(length(changes)) OVER (ORDER BY n), time_ms, changes
  FROM unnest($1::bigint[], $2::bytea[]) WITH ORDINALITY AS u (time_ms, changes, n), @service_state AS s
  ORDER BY n`;
const APPENDED =
  "UPDATE @service_state SET log_position = log_position + $1::bigint, log_bytes_end = log_bytes_end + $2::bigint";
const KEEP_IDS = `
  INSERT INTO @request_ids (key, generation, record)
  SELECT key, generation, record
  FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS u (key, generation, record)`;
const COUNT_BYTES = `
  UPDATE @request_id_generations AS g SET bytes = g.bytes + u.bytes
  FROM unnest($1::bigint[], $2::bigint[]) AS u (id, bytes) WHERE g.id = u.id`;
