import type { KeyUses } from "../../service/store-key-uses.ts";
import type { Database } from "./connection/database.ts";
import type { Session } from "./connection/session.ts";
import { assertServed, SERVING_COLUMNS } from "./copy-lock.ts";
import { arrayOf } from "./rows.ts";

/** When keys were last used, noted by each process of a store: see KeyUses. */
export class PostgresKeyUses implements KeyUses {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  note(hours: ReadonlyMap<string, number>): Promise<void> {
    const serving = `SELECT ${SERVING_COLUMNS(this.#database.schema)}`;
    return this.#database.upkeep(async (session) => {
      const [row] = await session.send(this.#statement(serving));
      assertServed(row!);
      await this.import(session, hours);
    });
  }

  async read(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.read(this.#statement(READ), [keyIds]);
    return new Map(rows.map(({ key_id, hour_ms }) => [key_id as string, Number(hour_ms)]));
  }

  /** The same as `note`, inside a step of a copy. */
  async import(session: Session, hours: ReadonlyMap<string, number>): Promise<void> {
    await session.send(this.#statement(NOTE), [[...hours.keys()], arrayOf([...hours.values()])]);
  }

  #statement(sql: string) {
    return this.#database.statement(sql);
  }
}

/** After a key is gone. */
export const FORGET_KEY_USE = "DELETE FROM @key_uses WHERE key_id = $1";

/** In one order for every process, so that none waits for another that waits for it. */
const NOTE = `
  INSERT INTO @key_uses AS k (key_id, hour_ms)
  SELECT key_id, hour_ms FROM unnest($1::text[], $2::bigint[]) AS u (key_id, hour_ms)
  ORDER BY key_id COLLATE "C"
  ON CONFLICT (key_id) DO UPDATE SET hour_ms = greatest(k.hour_ms, excluded.hour_ms)`;
const READ = "SELECT key_id, hour_ms FROM @key_uses WHERE key_id = ANY($1::text[])";
