/** A schema of a test's own on the PostgreSQL of the run, with any number of stores on it. */
import pg from "pg";
import { v7 } from "uuid";
import { onTestFinished } from "vitest";
import type { decideBatch } from "../../../src/core/batch.ts";
import { DEFAULT_RETENTION, type Purpose, type Retention, type Store } from "../../../src/service/store.ts";
import type { HistoryOptions } from "../../../src/service/store-history.ts";
import { openPostgres } from "../../../src/stores/postgres/store.ts";
import { HandClock } from "../../support/clock.ts";
import { ROLE } from "../../support/postgres/address.ts";
import { underHandClock } from "../../support/postgres/hand-clock.ts";
import { newSchema, sharedPostgres } from "../../support/postgres/shared.ts";

export interface OwnSchema {
  readonly name: string;
  readonly url: string;
  /** Where Tally's role may log in as a person does. */
  connect(): Promise<pg.Client>;
  /** One statement by that role, "@" standing for the schema. */
  sql(statement: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Be done with `sql`. */
  end(): Promise<void>;
  /** Another store on it, closed at the end of the test. */
  open(options?: OpenOptions): Promise<Store>;
}

interface OpenOptions {
  readonly clock?: HandClock;
  readonly decide?: typeof decideBatch;
  readonly retention?: Partial<Retention>;
  readonly purpose?: Purpose;
  /** How much history it keeps; none unless given. */
  readonly history?: HistoryOptions;
  readonly warn?: (message: string) => void;
  /** A role with the same password, in the place of the owner. */
  readonly as?: string;
  /** In the place of the schema's own. */
  readonly url?: string;
}

/**
 * A database of a test's own, for what is set or counted for a whole database.
 *
 * @param settings  what its sessions begin with
 */
export async function ownDatabase(settings: Readonly<Record<string, string>> = {}) {
  const postgres = await sharedPostgres();
  const name = newSchema();
  await postgres.sql(`CREATE DATABASE ${name} OWNER ${ROLE.user} TEMPLATE template0`);
  for (const [setting, value] of Object.entries(settings)) {
    await postgres.sql(`ALTER DATABASE ${name} SET ${setting} = ${value}`);
  }
  return {
    url: postgres.url().replace(/\w+$/, name),
    /** How many deadlocks PostgreSQL had to break in it; once all sessions have ended, for they tell at their end. */
    async deadlocks(): Promise<number> {
      const seen = `SELECT deadlocks FROM pg_stat_database WHERE datname = '${name}' AND numbackends = 0`;
      for (;;) {
        const row = await postgres.sql(seen);
        if (row !== "") return Number(row);
      }
    },
  };
}

/** @param database  a database's URL, if not that of the run's role */
export async function ownSchema(database?: string): Promise<OwnSchema> {
  const name = newSchema();
  const base = database ?? (await sharedPostgres()).url();
  const url = `${base}?schema=${name}`;
  const connect = async () => {
    const client = new pg.Client({ connectionString: base });
    await client.connect();
    onTestFinished(() => client.end());
    return client;
  };
  let client: Promise<pg.Client> | undefined;
  return {
    name,
    url,
    connect,
    async sql(statement, values = []) {
      client ??= connect();
      return (await (await client).query(statement.replaceAll("@", `${name}.`), [...values])).rows;
    },
    async end() {
      await (await client)?.end();
      client = undefined;
    },
    async open({
      clock = new HandClock(),
      decide,
      retention = {},
      purpose = "serve",
      history,
      warn = () => {},
      as = ROLE.user,
      url: seenBy = url,
    } = {}) {
      const options = {
        ...{ clock, warn, purpose, history, newUid: () => v7(), cachedCountersMax: 0 },
        retention: { ...DEFAULT_RETENTION, ...retention },
      };
      const store = await openPostgres(seenBy.replace(ROLE.user, as), options, decide);
      onTestFinished(() => store.close());
      return store;
    },
  };
}

/** Where the clock of a schema under `underClock` begins. */
export const START = Date.UTC(2026, 0, 1);

/** A schema whose stores see a clock of PostgreSQL that the test moves; their own moves along, if they are given no other. */
export async function underClock(database?: string) {
  const schema = await ownSchema(database);
  const clock = await underHandClock(schema.url);
  onTestFinished(() => clock.end());
  const own = new HandClock(START);
  await clock.set(START);
  return {
    ...schema,
    open: (options: OpenOptions = {}) => schema.open({ clock: own, ...options, url: clock.url }),
    async pass(ms: number): Promise<void> {
      own.advance(ms);
      await clock.set(own.now());
    },
  };
}

/** Resolves when a session of the schema's database waits for another; of a database of the test's own, then. */
export async function waitingForLock(schema: OwnSchema): Promise<void> {
  const waits =
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
  while ((await schema.sql(waits)).length === 0);
}
