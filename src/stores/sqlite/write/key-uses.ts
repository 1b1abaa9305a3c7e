import type { Database, Statement } from "better-sqlite3";
import { KeyUseReader, keyUseChecksum } from "../rows/key-uses.ts";

/** Writes when keys were last used; the caller owns the transaction. */
export class KeyUseWrites {
  readonly #reader: KeyUseReader;
  readonly #put: Statement<[string, bigint, number]>;
  readonly #forget: Statement<[string]>;
  readonly #clear: Statement<[]>;

  constructor(db: Database) {
    this.#reader = new KeyUseReader(db);
    this.#put = db.prepare("INSERT OR REPLACE INTO key_uses (key_id, hour_ms, checksum) VALUES (?, ?, ?)");
    this.#forget = db.prepare("DELETE FROM key_uses WHERE key_id = ?");
    this.#clear = db.prepare("DELETE FROM key_uses");
  }

  /** See KeyUses.note. What is damaged is written over. */
  note(hours: ReadonlyMap<string, number>): void {
    for (const [keyId, hour] of hours) {
      const before = this.#reader.hourOf(keyId);
      if (before !== undefined && before >= hour) continue;
      const hourMs = BigInt(hour);
      this.#put.run(keyId, hourMs, keyUseChecksum(keyId, hourMs));
    }
  }

  /** After a key is gone. */
  forget(keyId: string): void {
    this.#forget.run(keyId);
  }

  clear(): void {
    this.#clear.run();
  }
}
