import { COUNTED_MAX, type StoreSize } from "../../service/store-size.ts";
import type { Database } from "./connection/database.ts";
import type { Statement } from "./connection/session.ts";

/** How much a schema has: few counters are counted, of many PostgreSQL knows about how many there are. */
export class SchemaSize {
  readonly #database: Database;
  readonly #size: Statement;

  constructor(database: Database) {
    this.#database = database;
    this.#size = database.statement(`
      SELECT (SELECT count(*) FROM (SELECT 1 FROM @counters LIMIT ${COUNTED_MAX + 1}) AS few) AS few,
        (SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = '@counters'::regclass) AS about,
        (SELECT sum(pg_catalog.pg_total_relation_size(c.oid)) FROM pg_catalog.pg_class AS c
          WHERE c.relkind = 'r' AND c.relnamespace = (SELECT relnamespace FROM pg_catalog.pg_class
            WHERE oid = '@counters'::regclass)) AS bytes`);
  }

  /** See Store.size. The room is the machine's on which PostgreSQL runs. */
  async read(): Promise<StoreSize> {
    const [row] = await this.#database.read(this.#size);
    const { few, about, bytes } = row as Record<"few" | "about" | "bytes", bigint>;
    const counters = few > BigInt(COUNTED_MAX) && about > few ? about : few; // Not known before it was analyzed.
    return { counters: Number(counters), bytes: Number(bytes), roomBytes: undefined };
  }
}
