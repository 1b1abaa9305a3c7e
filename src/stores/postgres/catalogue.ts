import { assertCatalogueWrite, type CatalogueEntry, type CatalogueWrite } from "../../core/catalogue.ts";
import { EPOCH_UNKNOWN, type Epoch, epochIn } from "../../core/epoch.ts";
import { TallyError } from "../../core/errors.ts";
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
import type { Database } from "./connection/database.ts";
import { type Row, type Session, theRow } from "./connection/session.ts";
import { assertServed, type CopyHold, SERVED, SERVING_COLUMNS } from "./copy-lock.ts";
import { FORGET_KEY_USE } from "./key-uses.ts";
import { databaseNow } from "./now.ts";
import { arrayOf } from "./rows.ts";

/**
 * The catalogue of a store that many processes have: who has locked the row of catalogue_state writes. So versions become
 * visible in their order, and a process that asks for what came after one misses nothing.
 */
export class PostgresCatalogue implements Catalogue {
  readonly #database: Database;
  readonly #hold: CopyHold | undefined;
  /** The one that was read last. */
  #which: string | undefined;

  /** @param hold  where this process keeps servers away, and writes all the same */
  constructor(database: Database, hold?: CopyHold) {
    this.#database = database;
    this.#hold = hold;
  }

  async read(since: number): Promise<CatalogueChanges> {
    const {
      which,
      mark: _,
      ...changes
    } = toChanges(await this.#database.read(this.#statement(NEWER), [since]), since);
    const another = this.#which !== undefined && which !== this.#which;
    this.#which = which;
    return another && since > 0 ? { version: 0, entries: [], corrupt: [] } : changes;
  }

  /** Of the store; unknown where all that shows that it is whole is damaged. */
  async epoch(): Promise<Epoch> {
    try {
      return epochIn(await new PostgresCatalogue(this.#database).read(0));
    } catch (error) {
      if (error instanceof TallyError && error.code === "ROW_CORRUPT") return EPOCH_UNKNOWN;
      throw error;
    }
  }

  forReader(): Catalogue {
    return new PostgresCatalogue(this.#database);
  }

  /** The time by the database's clock. */
  now(): Promise<number> {
    return databaseNow(this.#database);
  }

  async write(entry: CatalogueWrite): Promise<number | undefined> {
    assertCatalogueWrite(entry);
    const { kind, key, body = null, expectedVersion, latestVersion } = entry;
    return this.#database.transaction(async (session) => {
      const locked = await session.send(this.#statement(lock(this.#database.schema)));
      const row = theRow(locked, "catalogue_state");
      await this.#hold?.assertHeld();
      assertServed(this.#hold === undefined ? row : { ...row, free: true });
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
        ...(kind === "key" && body === null ? [session.send(this.#statement(FORGET_KEY_USE), [key])] : []),
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

/** Takes away all of the catalogue, also that there was anything, with when its keys were used, and how far its policies were swept. */
export const CLEAR_CATALOGUE = `
  TRUNCATE @catalogue, @key_uses;
  UPDATE @catalogue_state SET version = 0, entries = 0, versions = 0, round = round + 1;
  UPDATE @policy_sweep SET swept = 0, owner = NULL, until = NULL`;

/**
 * Which catalogue it is: another one after a copy has replaced it, and on a server that was started since, which may have
 * been given an older state (a backup, a standby that lacked the end) and has written other things under the same versions.
 */
const WHICH = "round || '@' || extract(epoch FROM pg_postmaster_start_time())";

/** Which catalogue there is, and up to which write, in a column: NULL where somebody has taken its row away. */
export const CATALOGUE_MARK = `(SELECT ${WHICH} || '.' || version FROM @catalogue_state) AS catalogue`;

/** What came after a version, as of one moment: at least one row. */
export const NEWER = `
  SELECT ${WHICH} AS which, s.version AS latest, s.entries AS rows, s.versions AS sum, scan.entries, scan.versions, scan.newer,
    ${CATALOGUE_COLUMNS.replace(/\w+/g, "c.$&")}
  FROM @catalogue_state AS s
  LEFT JOIN LATERAL (
    SELECT count(*) AS entries, coalesce(sum(version), 0) AS versions, count(*) FILTER (WHERE version > $1) AS newer
    FROM @catalogue
  ) AS scan ON s.version > $1
  LEFT JOIN @catalogue AS c ON s.version > $1 AND c.version > $1
  ORDER BY c.version`;

/** The same, read. @throws TallyError  as Catalogue.read does */
export function toChanges(
  found: readonly Row[],
  since: number,
): CatalogueChanges & { readonly which: string; readonly mark: string } {
  const head = theRow(found, "catalogue_state") as Record<string, bigint>;
  const version = head.latest!;
  const of = { which: `${head.which}`, mark: `${head.which}.${version}` };
  if (version <= BigInt(since)) return { version: Number(version), entries: [], corrupt: [], ...of };
  const state: CatalogueState = { version, entries: head.rows!, versions: head.sum! };
  const rows = found.filter((row) => row.version !== null) as unknown as CatalogueRow[];
  return { ...toCatalogueChanges(state, head as unknown as CatalogueScan, rows), ...of };
}

function toState(rows: readonly Row[]): CatalogueState {
  const { version, entries, versions } = theRow(rows, "catalogue_state") as unknown as CatalogueState;
  return { version, entries, versions };
}

const STATE = "SELECT version, entries, versions FROM @catalogue_state";
const lock = (schema: string) =>
  `SELECT version, entries, versions, ${SERVING_COLUMNS(schema)} FROM @catalogue_state FOR UPDATE`;
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
