import { assertCatalogueWrite, type CatalogueEntry, type CatalogueWrite } from "../../core/catalogue.ts";
import type { Catalogue, CatalogueChanges } from "../../service/store-catalogue.ts";
import {
  afterImport,
  afterWrite,
  CATALOGUE_COLUMNS,
  type CatalogueRow,
  type CatalogueScan,
  type CatalogueState,
  catalogueChecksum,
  catalogueDamaged,
  isSoundEntry,
  toCatalogueChanges,
} from "../shared/catalogue-rows.ts";
import { assertServed, SERVED, SERVING_COLUMNS } from "./copy-lock.ts";
import type { Database } from "./database.ts";
import { arrayOf } from "./rows.ts";
import { type Row, type Session, theRow } from "./session.ts";

/**
 * The catalogue of a store that many processes have: who has locked the row of catalogue_state writes. So versions become
 * visible in their order, and a process that asks for what came after one misses nothing.
 */
export class PostgresCatalogue implements Catalogue {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async read(since: number): Promise<CatalogueChanges> {
    return this.#database.snapshot(async (session) => {
      const state = toState(await session.send(this.#statement(STATE)));
      if (state.version <= BigInt(since)) return { version: Number(state.version), entries: [], corrupt: [] };
      const [[scan], rows] = await Promise.all([
        session.send(this.#statement(SCAN), [since]),
        session.send(this.#statement(NEWER), [since]),
      ]);
      return toCatalogueChanges(state, scan as unknown as CatalogueScan, rows as unknown as CatalogueRow[]);
    });
  }

  async write(entry: CatalogueWrite): Promise<number | undefined> {
    assertCatalogueWrite(entry);
    const { kind, key, body = null, expectedVersion, latestVersion } = entry;
    return this.#database.transaction(async (session) => {
      const locked = await session.send(this.#statement(lock(this.#database.schema)));
      assertServed(theRow(locked, "catalogue_state"));
      const [found] = (await session.send(this.#statement(FIND), [kind, key])) as unknown as CatalogueRow[];
      if (found !== undefined && !isSoundEntry(found)) throw catalogueDamaged();
      const version = found === undefined || found.body === null ? 0n : found.version;
      if (version !== BigInt(expectedVersion)) return undefined;
      const before = toState(locked);
      if (latestVersion !== undefined && before.version !== BigInt(latestVersion)) return undefined;
      const state = afterWrite(before, found?.version);
      const checksum = catalogueChecksum(state.version, kind, key, body);
      await Promise.all([
        session.send(this.#statement(PUT), [state.version, kind, key, body, checksum]),
        this.#save(session, state),
        ...(locked[0]!.copied === true ? [session.send(this.#statement(SERVED))] : []),
      ]);
      return Number(state.version);
    });
  }

  /** Take in entries that another store has. Inside a step of a copy. */
  async import(session: Session, entries: readonly CatalogueEntry[]): Promise<void> {
    const state = toState(await session.send(this.#statement(STATE)));
    const checksums = entries.map(({ version, kind, key, body = null }) =>
      catalogueChecksum(BigInt(version), kind, key, body),
    );
    await session.send(this.#statement(IMPORT), [
      arrayOf(entries.map(({ version }) => version)),
      entries.map(({ kind }) => kind),
      entries.map(({ key }) => key),
      entries.map(({ body }) => body ?? null),
      arrayOf(checksums),
    ]);
    await this.#save(session, afterImport(state, entries));
  }

  #save(session: Session, { version, entries, versions }: CatalogueState): Promise<readonly Row[]> {
    return session.send(this.#statement(SAVE), [version, entries, versions]);
  }

  #statement(sql: string) {
    return this.#database.statement(sql);
  }
}

/** Takes away all of the catalogue, also that there was anything. */
export const CLEAR_CATALOGUE =
  "TRUNCATE @catalogue; UPDATE @catalogue_state SET version = 0, entries = 0, versions = 0";

function toState(rows: readonly Row[]): CatalogueState {
  const { version, entries, versions } = theRow(rows, "catalogue_state") as unknown as CatalogueState;
  return { version, entries, versions };
}

const STATE = "SELECT version, entries, versions FROM @catalogue_state";
const lock = (schema: string) =>
  `SELECT version, entries, versions, ${SERVING_COLUMNS(schema)} FROM @catalogue_state FOR UPDATE`;
const SCAN = `
  SELECT count(*) AS entries, coalesce(sum(version), 0) AS versions, count(*) FILTER (WHERE version > $1) AS newer
  FROM @catalogue`;
const NEWER = `SELECT ${CATALOGUE_COLUMNS} FROM @catalogue WHERE version > $1 ORDER BY version`;
const FIND = `SELECT ${CATALOGUE_COLUMNS} FROM @catalogue WHERE kind = $1 AND key = $2`;
const PUT = `
  INSERT INTO @catalogue (version, kind, key, body, checksum) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (kind, key) DO UPDATE
  SET version = excluded.version, body = excluded.body, checksum = excluded.checksum`;
const SAVE = "UPDATE @catalogue_state SET version = $1, entries = $2, versions = $3";
const IMPORT = `
  INSERT INTO @catalogue (version, kind, key, body, checksum)
  SELECT version, kind, key, body, checksum
  FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::int[]) AS u (version, kind, key, body, checksum)`;
