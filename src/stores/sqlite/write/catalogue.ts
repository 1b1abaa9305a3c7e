import type { Database, Statement } from "better-sqlite3";
import type { CatalogueEntry, CatalogueName, CatalogueWrite } from "../../../core/catalogue.ts";
import { EPOCH_UNKNOWN, type Epoch, epochIn } from "../../../core/epoch.ts";
import { TallyError } from "../../../core/errors.ts";
import type { CatalogueChanges } from "../../../service/store-catalogue.ts";
import {
  afterImport,
  afterWrite,
  type CatalogueState,
  catalogueChecksum,
  catalogueDamaged,
} from "../../shared/catalogue-rows.ts";
import { CatalogueReader, stateChecksum } from "../rows/catalogue-rows.ts";
import { KeyUseWrites } from "./key-uses.ts";

/**
 * Writes the catalogue; the caller owns the transaction.
 *
 * Which entries there are is kept in memory from the first write on, and not looked for in an index: one that has lost an
 * entry would show nothing of it, and it would be there twice.
 */
export class CatalogueWrites {
  /** When its keys were last used. */
  readonly keyUses: KeyUseWrites;
  readonly #reader: CatalogueReader;
  readonly #insert: Statement<[bigint, string, string, string | null, number]>;
  readonly #update: Statement<[bigint, string | null, number, bigint]>;
  readonly #clear: Statement<[]>;
  readonly #setState: Statement<[CatalogueState & { checksum: number }]>;
  #known: Known | undefined;

  constructor(db: Database) {
    this.keyUses = new KeyUseWrites(db);
    this.#reader = new CatalogueReader(db);
    this.#insert = db.prepare(
      "INSERT INTO catalogue (version, kind, key, body, checksum) VALUES (?, ?, ?, ?, ?)",
    );
    this.#update = db.prepare("UPDATE catalogue SET version = ?, body = ?, checksum = ? WHERE version = ?");
    this.#clear = db.prepare("DELETE FROM catalogue");
    this.#setState = db.prepare(
      `UPDATE catalogue_state SET version = $version, entries = $entries, versions = $versions, checksum = $checksum`,
    );
  }

  get state(): CatalogueState {
    return this.#reader.state;
  }

  /** Of the store; unknown where all that shows that it is whole is damaged. */
  get epoch(): Epoch {
    try {
      return epochIn(this.#reader.read(0));
    } catch (error) {
      if (error instanceof TallyError && error.code === "ROW_CORRUPT") return EPOCH_UNKNOWN;
      throw error;
    }
  }

  /** See Catalogue.write. @param entry  its shape checked */
  write(entry: CatalogueWrite): number | undefined {
    const { kind, key, body = null, expectedVersion, latestVersion } = entry;
    this.#known ??= knownOf(this.#reader.read(0));
    const known = this.#known.entries.get(idOf(entry));
    if (known === undefined && this.#known.corrupt) throw catalogueDamaged();
    const found = known === undefined || known.gone ? 0n : known.version;
    if (found !== BigInt(expectedVersion)) return undefined;
    const before = this.state;
    if (latestVersion !== undefined && before.version !== BigInt(latestVersion)) return undefined;
    const state = afterWrite(before, known?.version);
    const { version } = state;
    const checksum = catalogueChecksum(version, kind, key, body);
    if (known === undefined) this.#insert.run(version, kind, key, body, checksum);
    else if (this.#update.run(version, body, checksum, known.version).changes !== 1) throw catalogueDamaged();
    if (kind === "key" && body === null) this.keyUses.forget(key);
    this.#save(state);
    this.#known.entries.set(idOf(entry), { version, gone: body === null });
    return Number(version);
  }

  /** After a transaction was rolled back. */
  forget(): void {
    this.#known = undefined;
  }

  /** Take away all of it, also that there was anything. */
  clear(): void {
    this.#clear.run();
    this.keyUses.clear();
    this.#save({ version: 0n, entries: 0n, versions: 0n });
    this.forget();
  }

  /** Take in entries that another store has. */
  import(entries: readonly CatalogueEntry[]): void {
    if (entries.length === 0) return;
    for (const { version, kind, key, body = null } of entries) {
      const stored = BigInt(version);
      this.#insert.run(stored, kind, key, body, catalogueChecksum(stored, kind, key, body));
    }
    this.#save(afterImport(this.state, entries));
    this.forget();
  }

  #save(state: CatalogueState): void {
    this.#setState.run({ ...state, checksum: stateChecksum(state) });
  }
}

interface Known {
  readonly entries: Map<string, { readonly version: bigint; readonly gone: boolean }>;
  /** Whether there are rows of which nobody knows what they are. */
  readonly corrupt: boolean;
}

function knownOf({ entries, corrupt }: CatalogueChanges): Known {
  return {
    entries: new Map(
      entries.map((entry) => [
        idOf(entry),
        { version: BigInt(entry.version), gone: entry.body === undefined },
      ]),
    ),
    corrupt: corrupt.length > 0,
  };
}

function idOf({ kind, key }: CatalogueName): string {
  return `${kind} ${key}`;
}
