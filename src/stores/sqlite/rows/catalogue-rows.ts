import type { Database, Statement } from "better-sqlite3";
import type { CatalogueChanges } from "../../../service/store-catalogue.ts";
import {
  CATALOGUE_COLUMNS,
  type CatalogueRow,
  type CatalogueScan,
  type CatalogueState,
  catalogueDamaged,
  toCatalogueChanges,
} from "../../shared/catalogue-rows.ts";
import { Checksum, fits } from "../../shared/checksum.ts";

/** Reads the catalogue, on any connection. The caller owns the transaction. */
export class CatalogueReader {
  readonly #state: Statement<[], CatalogueState & { checksum: bigint }>;
  readonly #scan: Statement<[bigint], CatalogueScan>;
  readonly #newer: Statement<[bigint], CatalogueRow>;

  constructor(db: Database) {
    this.#state = db.prepare("SELECT version, entries, versions, checksum FROM catalogue_state LIMIT 2");
    // Looks at every row, so that none is missing, and none is missed by who looks for those after a version.
    this.#scan = db.prepare(
      `SELECT count(*) AS entries, coalesce(sum(version), 0) AS versions, coalesce(sum(version > ?), 0) AS newer
       FROM catalogue`,
    );
    this.#newer = db.prepare(`SELECT ${CATALOGUE_COLUMNS} FROM catalogue WHERE version > ? ORDER BY version`);
  }

  /** @throws TallyError ROW_CORRUPT */
  get state(): CatalogueState {
    const [row, ...others] = this.#state.all();
    if (row === undefined || others.length > 0 || !fits(() => stateChecksum(row), row.checksum))
      throw catalogueDamaged();
    const { version, entries, versions } = row;
    return { version, entries, versions };
  }

  /** See Catalogue.read. */
  read(since: number): CatalogueChanges {
    const { state } = this;
    if (state.version <= BigInt(since)) return { version: Number(state.version), entries: [], corrupt: [] };
    const after = BigInt(since);
    return toCatalogueChanges(state, this.#scanned(after), this.#newer.all(after));
  }

  #scanned(after: bigint): CatalogueScan {
    try {
      return this.#scan.get(after)!;
    } catch (error) {
      // Versions that no write has given: their sum is too large.
      if ((error as { code?: string }).code === "SQLITE_ERROR") throw catalogueDamaged();
      throw error;
    }
  }
}

/** The checksum of the row that tells how many entries there are. */
export function stateChecksum({ version, entries, versions }: CatalogueState): number {
  return new Checksum().int64(version).int64(entries).int64(versions).value;
}
