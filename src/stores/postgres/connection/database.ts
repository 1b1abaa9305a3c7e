import { createHash } from "node:crypto";
import pg from "pg";
import { TallyError } from "../../../core/errors.ts";
import { Metrics } from "../../../telemetry/metrics.ts";
import { Connecting } from "./connecting.ts";
import { assertDurable, type Durability } from "./durability.ts";
import { isLost, isStale, isUnprepared, toStoreError } from "./errors.ts";
import { settingsOf } from "./parameters.ts";
import { PoolMeter } from "./pool-meter.ts";
import { Route } from "./route.ts";
import { asStore, type Row, Session, type Statement } from "./session.ts";
import type { PostgresUrl } from "./url.ts";

/**
 * The connections to one PostgreSQL: some for commits, others for reads, so that commits which wait for a row that
 * another process has locked keep nobody from reading; and one for maintenance, whose slices thus run one after
 * another, however many followers ask for one, and take no commit's place.
 */
export class Database {
  /** The schema that the tables are in. */
  readonly schema: string;
  readonly #commits: pg.Pool;
  readonly #reads: pg.Pool;
  readonly #upkeep: pg.Pool;
  readonly #route: Route;
  readonly #connections: Connecting;
  readonly #preparing: { prepares: boolean; round: number; forbid(): void; anew(): void };
  readonly #meter: PoolMeter;
  readonly #connecting = new Set<Promise<pg.PoolClient>>();
  #durability: Durability | undefined;
  #closed = false;

  /**
   * @param url      of the database, as libpq understands it
   * @param commits  connections for commits
   */
  constructor(
    url: PostgresUrl,
    commits: number,
    warn: (message: string) => void,
    metrics: Metrics = new Metrics(),
  ) {
    this.schema = url.schema;
    this.#preparing = {
      prepares: true,
      round: 0,
      forbid() {
        if (this.prepares) warn(UNPREPARED);
        this.prepares = false;
      },
      anew() {
        this.round++;
      },
    };
    const settings = settingsOf(url);
    this.#route = new Route(url, settings);
    const config: pg.PoolConfig & { onConnect: (client: pg.ClientBase) => Promise<void> } = {
      ...settings.config,
      Client: this.#route.Client,
      pipeline: true,
      query_timeout: ANSWER_TIMEOUT_MS,
      types: { getTypeParser: parserOf as pg.CustomTypesConfig["getTypeParser"] },
      onConnect: async (client) => {
        client.on("error", () => {}); // Whoever waits for an answer is told of it too.
        this.#durability = await assertDurable(client);
      },
    };
    this.#commits = new pg.Pool({ ...config, max: commits });
    this.#reads = new pg.Pool({ ...config, max: READ_CONNECTIONS });
    this.#upkeep = new pg.Pool({ ...config, max: 1 });
    this.#connections = new Connecting(this.#pools, (pool) => this.#route.connect(pool));
    for (const pool of this.#pools) pool.on("error", () => {}); // An idle one ended: the next is new.
    this.#meter = new PoolMeter(metrics, {
      commits: this.#commits,
      reads: this.#reads,
      upkeep: this.#upkeep,
    });
  }

  /** What the server promised to the connection made last. */
  get durability(): Durability {
    return this.#durability!;
  }

  /** SQL as a statement, `@` standing for the schema: `SELECT 1 FROM @counters`. */
  statement(sql: string): Statement {
    const text = this.inSchema(sql);
    return { text, name: `tally_${createHash("sha256").update(text).digest("hex").slice(0, 16)}` };
  }

  inSchema(sql: string): string {
    return sql.replaceAll("@", `${pg.escapeIdentifier(this.schema)}.`);
  }

  /**
   * Run one statement that reads, on what is committed at this moment. It is planned anew each time, for the tables as
   * they are by now.
   */
  async read(statement: Statement, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const read = async (newerThan?: number) => {
      const session = await this.#session(this.#reads, newerThan);
      return session.use(() => session.send(statement, values, { prepared: false }));
    };
    return asStore(
      read().catch((error: unknown) => {
        if (isLost(error)) return read(performance.now()); // The connection had died while nobody used it.
        throw error;
      }),
    );
  }

  /** Read with several statements as of one moment. */
  snapshot<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#transaction(this.#reads, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work);
  }

  /**
   * Run statements as one transaction.
   *
   * @param begin  what begins it; see beginWaiting
   * @throws TallyError STORE_UNAVAILABLE: nothing was saved
   * @throws TallyError OUTCOME_UNKNOWN: the connection ended at COMMIT
   */
  transaction<T>(work: (session: Session) => Promise<T>, begin = BEGIN): Promise<T> {
    return this.#transaction(this.#commits, begin, work);
  }

  /** The same for maintenance: one at a time, and none waits for a commit, nor a commit for one. */
  upkeep<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#transaction(this.#upkeep, BEGIN, work);
  }

  /**
   * A connection for the commit of a batch; the caller begins, ends, and gives it back (`Session.use`).
   *
   * @param newerThan  a moment of `performance.now()` that it must have been made after
   */
  commitSession(newerThan?: number): Promise<Session> {
    return this.#session(this.#commits, newerThan);
  }

  /**
   * Try whether it does what is asked of it, as reads or commits ask it.
   *
   * @throws the server's or the driver's error, or a TallyError
   */
  async probe(as: "reads" | "commits", work: (session: Session) => Promise<void>): Promise<void> {
    const session = await this.#session(as === "reads" ? this.#reads : this.#commits);
    await session.use(() => work(session));
  }

  /** Give up all connections; those in use, and those that are waited for already, when they are given back. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#meter.end();
    await Promise.allSettled(this.#connecting); // A pool that ends forgets who waits for a connection.
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }

  get #pools(): readonly pg.Pool[] {
    return [this.#commits, this.#reads, this.#upkeep];
  }

  async #transaction<T>(pool: pg.Pool, begin: string, work: (session: Session) => Promise<T>): Promise<T> {
    let newerThan: number | undefined;
    for (let attempt = 1; ; attempt++) {
      const session = await this.#session(pool, newerThan);
      try {
        return await session.use(() => inTransaction(session, begin, work));
      } catch (error) {
        // A pooler mixed up its statements, the tables have changed, or the connection had died while nobody used it:
        // nothing was done, and it is done again, with other statements or on another connection.
        if (!(isUnprepared(error) || isStale(error) || isLost(error)) || attempt === 3)
          throw toStoreError(error);
        if (isLost(error)) newerThan = performance.now();
      }
    }
  }

  async #session(pool: pg.Pool, newerThan?: number): Promise<Session> {
    if (this.#closed) throw new TallyError("STORE_UNAVAILABLE", "the store is closed");
    const since = performance.now();
    const connecting = this.#connections.connect(pool, newerThan);
    this.#connecting.add(connecting);
    try {
      const client = await asStore(connecting);
      this.#meter.waited(pool, performance.now() - since);
      return new Session(client, this.#preparing);
    } finally {
      this.#connecting.delete(connecting);
    }
  }
}

async function inTransaction<T>(
  session: Session,
  begin: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  try {
    await session.simply(begin);
    const result = await work(session);
    await session.commit([]);
    return result;
  } catch (error) {
    await session.rollback();
    throw error;
  }
}

/** What a transaction needs, whatever the defaults of its database and role are. */
const LOCALLY = {
  row_security: "off", // Where it would hide rows, an error says so.
  idle_in_transaction_session_timeout: "20s",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off",
  array_nulls: "on", // As arrayOf writes them.
};

/**
 * Begins every transaction that writes. The level is said because a database may have another as its default: here
 * each statement is to see what was committed before it. A process that hangs in the middle loses its locks.
 *
 * Rows are always found by an index. Left alone, the planner takes whole tables while they are small, and keeps that
 * plan for a prepared statement until they are analyzed, which may be a million rows later.
 */
export const BEGIN = beginWaiting(10_000);

/** The same, with another time for which a lock is waited for. */
export function beginWaiting(lockMs: number): string {
  return `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${setLocally({ lock_timeout: `${lockMs}`, ...LOCALLY })}`;
}

function setLocally(settings: Readonly<Record<string, string>>): string {
  const each = Object.entries(settings).map(([name, value]) => `set_config('${name}', '${value}', true)`);
  return `SELECT ${each.join(", ")}`;
}

const { INT2, INT4, INT8, NUMERIC } = pg.types.builtins;
const WHOLE: ReadonlySet<number> = new Set([INT2, INT4, INT8, NUMERIC]);

const READ_CONNECTIONS = 8;

/** Longer than any lock is waited for. A scan of some million counters takes seconds. */
const ANSWER_TIMEOUT_MS = 30_000;

const UNPREPARED =
  "A pooler in front of PostgreSQL mixes up prepared statements; Tally goes on without them, which takes more of the " +
  "server's time. PgBouncer keeps them apart from 1.21 on, with max_prepared_statements above 0.";

/** Whole numbers as bigint, whichever type somebody has given a column; bytea as Buffer; the rest as pg has it. */
function parserOf(oid: number, format?: string): (text: string) => unknown {
  if (WHOLE.has(oid) && format !== "binary") return BigInt;
  return pg.types.getTypeParser(oid, format as "text");
}
