/**
 * Stores of every kind in this very process, where a test can put another rule in place of `decide`, and have what
 * lies below the store fail: `openStore` has SQLite in threads of their own.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { v7 } from "uuid";
import { CORRUPT, decideBatch } from "../../src/core/batch.ts";
import { DEFAULT_RETENTION, type Retention, type Store } from "../../src/service/store.ts";
import type { Catalogue } from "../../src/service/store-catalogue.ts";
import type { ChangeLogReads } from "../../src/service/store-log.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import { openPostgres } from "../../src/stores/postgres/store.ts";
import { ChangeLogReader } from "../../src/stores/sqlite/read/change-log-reader.ts";
import { asOfOneMoment, openReadOnly } from "../../src/stores/sqlite/read/reading.ts";
import { CatalogueReader } from "../../src/stores/sqlite/rows/catalogue-rows.ts";
import { RowReader } from "../../src/stores/sqlite/rows/row-reader.ts";
import { toFullCounter } from "../../src/stores/sqlite/rows/rows.ts";
import { WriteConnection } from "../../src/stores/sqlite/write/connection.ts";
import { HandClock } from "./clock.ts";
import { folderInMemory } from "./folder.ts";
import { newSchema, sharedPostgres } from "./postgres/shared.ts";

/** What of a store is here. */
export type StoreHere = Pick<
  Store,
  "commit" | "maintain" | "get" | "changesSince" | "changeLog" | "catalogue"
>;

export interface Here {
  readonly store: StoreHere;
  readonly clock: HandClock;
  /** Close, and open what was kept again; without durability it goes on. */
  reopen(): Promise<StoreHere>;
  dispose(): Promise<void>;
}

export interface HereOptions {
  readonly decide?: typeof decideBatch;
  readonly retention?: Partial<Retention>;
  readonly cachedCountersMax?: number;
}

/** @param kind  the name of one of STORES */
export async function openHere(kind: string, options: HereOptions = {}): Promise<Here> {
  const clock = new HandClock();
  const dir = await mkdtemp(join(folderInMemory(), "tally-here-"));
  const opening = await openingOf(kind, dir, clock, options);
  let store = await opening();
  return {
    get store() {
      return store;
    },
    clock,
    async reopen() {
      if (kind === "memory") return store;
      await store.close();
      store = await opening();
      return store;
    },
    async dispose() {
      await store.close();
      await rm(dir, { recursive: true });
    },
  };
}

type Closable = StoreHere & { close(): Promise<void> };

async function openingOf(
  kind: string,
  dir: string,
  clock: HandClock,
  { decide = decideBatch, retention = {}, cachedCountersMax = 100 }: HereOptions,
): Promise<() => Promise<Closable>> {
  const options = {
    ...{ clock, newUid: () => v7(), cachedCountersMax, warn: () => {} },
    retention: { ...DEFAULT_RETENTION, ...retention },
  };
  if (kind === "memory") return async () => new MemoryStore(options, decide);
  if (kind === "sqlite") return async () => new SqliteHere(join(dir, "tally.db"), options, decide);
  const url = (await sharedPostgres()).url({ schema: newSchema() });
  return () => openPostgres(url, options, decide);
}

interface SqliteOptions {
  readonly clock: HandClock;
  readonly newUid: () => string;
  readonly retention: Retention;
  readonly cachedCountersMax: number;
}

/** The connections of SQLite's threads, without the threads. */
export class SqliteHere implements Closable {
  readonly path: string;
  readonly catalogue: Catalogue;
  readonly changeLog: ChangeLogReads;
  readonly connection: WriteConnection;
  readonly #options: SqliteOptions;
  readonly #reads: ReturnType<typeof openReadOnly>;
  readonly #get: (names: readonly string[]) => Awaited<ReturnType<Store["get"]>>;
  readonly #since: (from: { cursor: string; limit: number }) => Awaited<ReturnType<Store["changesSince"]>>;

  constructor(path: string, options: SqliteOptions, decide: typeof decideBatch) {
    this.path = path;
    this.#options = options;
    this.connection = new WriteConnection(
      path,
      { ...options, startId: options.newUid() },
      this.moment,
      decide,
    );
    const db = openReadOnly(path, 1_024);
    this.#reads = db;
    const rows = new RowReader(db);
    const log = new ChangeLogReader(db, rows);
    this.#get = asOfOneMoment(db, (names) =>
      names.map((name) => {
        const raw = rows.find(name);
        return raw === undefined || raw === CORRUPT ? raw : toFullCounter(raw);
      }),
    );
    const catalogue = new CatalogueReader(db);
    const read = asOfOneMoment(db, (since: number) => catalogue.read(since));
    this.catalogue = {
      read: async (since) => read(since),
      write: async (entry) => this.connection.writeCatalogue(entry, this.moment),
    };
    const readLog = asOfOneMoment(db, (from: { cursor: string; limit: number }) =>
      log.read(from.cursor, from.limit),
    );
    this.changeLog = {
      read: async (cursor, limit) => readLog({ cursor, limit }),
      counters: async (ids) => log.counters(ids),
    };
    this.#since = asOfOneMoment(db, ({ cursor, limit }) => log.since(cursor, limit));
  }

  get moment() {
    const { clock } = this.#options;
    return { now: clock.now(), monotonic: clock.monotonic() };
  }

  async commit(...[batch]: Parameters<Store["commit"]>) {
    return this.connection.commit(batch, this.moment, this.#options.newUid());
  }

  async maintain() {
    return this.connection.maintain(this.moment, () => {});
  }

  async get(names: readonly string[]) {
    return this.#get(names);
  }

  async changesSince(cursor: string, limit: number) {
    return this.#since({ cursor, limit });
  }

  async close() {
    this.#reads.close();
    this.connection.close(this.moment);
  }
}
