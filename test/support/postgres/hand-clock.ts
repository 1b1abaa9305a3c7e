/** A PostgreSQL whose clock a test moves, for the sessions of one URL. */
import pg from "pg";

export interface ServerClock {
  /** The same store, seen by sessions under this clock. */
  readonly url: string;
  /** Have it show a time, in milliseconds since the Unix epoch. It stands still until the next. */
  set(ms: number): Promise<void>;
  end(): Promise<void>;
}

/**
 * Functions that tell a time out of a table, by the names of PostgreSQL's own, in a schema that the sessions of the URL look
 * into first.
 *
 * @param url  with ?schema=NAME
 */
export async function underHandClock(url: string): Promise<ServerClock> {
  const [base, name] = url.split("?schema=");
  const clock = `${name}_clock`;
  const client = new pg.Client({ connectionString: base! });
  await client.connect();
  // Whatever the database has as its defaults.
  await client.query(`SET default_transaction_read_only = off; SET lock_timeout = 0;
    SET default_transaction_isolation = 'read committed'`);
  await client.query(`CREATE SCHEMA ${clock}; CREATE TABLE ${clock}.hand (at timestamptz NOT NULL);
    INSERT INTO ${clock}.hand VALUES (to_timestamp(0));`);
  for (const its of ["clock_timestamp", "statement_timestamp"]) {
    await client.query(`CREATE FUNCTION ${clock}.${its}() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
      AS 'SELECT at FROM ${clock}.hand'`);
  }
  const path = encodeURIComponent(`-c search_path=${clock},pg_catalog`);
  return {
    url: `${url}&options=${path}`,
    async set(ms) {
      await client.query(`UPDATE ${clock}.hand SET at = to_timestamp($1::numeric / 1000)`, [ms]);
    },
    end: () => client.end(),
  };
}
