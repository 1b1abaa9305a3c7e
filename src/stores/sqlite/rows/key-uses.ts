import type { Database, Statement } from "better-sqlite3";
import { Checksum, fits } from "../../shared/checksum.ts";

/** A row of `key_uses`; one that is damaged may have anything in its columns. */
interface KeyUseRow {
  readonly key_id: string;
  readonly hour_ms: bigint;
  readonly checksum: bigint;
}

/** Reads when keys were last used, on any connection. The caller owns the transaction. */
export class KeyUseReader {
  readonly #find: Statement<[string], Omit<KeyUseRow, "key_id">>;

  constructor(db: Database) {
    this.#find = db.prepare("SELECT hour_ms, checksum FROM key_uses WHERE key_id = ?");
  }

  /** When the hour of the latest use began; undefined: nothing is noted, or it is damaged. */
  hourOf(keyId: string): number | undefined {
    const row = this.#find.get(keyId);
    const sound = row !== undefined && fits(() => keyUseChecksum(keyId, row.hour_ms), row.checksum);
    return sound ? Number(row.hour_ms) : undefined;
  }

  /** See KeyUses.read. */
  read(keyIds: readonly string[]): Map<string, number> {
    const found = new Map<string, number>();
    for (const keyId of keyIds) {
      const hour = this.hourOf(keyId);
      if (hour !== undefined) found.set(keyId, hour);
    }
    return found;
  }
}

/** All rows, damaged ones too, in the order of their keys. */
export function readKeyUses(db: Database): IterableIterator<KeyUseRow> {
  return db
    .prepare<[], KeyUseRow>("SELECT key_id, hour_ms, checksum FROM key_uses ORDER BY key_id")
    .safeIntegers()
    .iterate();
}

/** The checksum of a row of `key_uses`. */
export function keyUseChecksum(keyId: string, hourMs: bigint): number {
  return new Checksum().text(keyId).int64(hourMs).value;
}
