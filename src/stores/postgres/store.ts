import { decideBatch } from "../../core/batch.ts";
import type { Batch, Outcomes } from "../../core/columns.ts";
import type { CORRUPT, FullCounter } from "../../core/counter.ts";
import type { Epoch } from "../../core/epoch.ts";
import { TallyError } from "../../core/errors.ts";
import type { Order, Selection, Sum } from "../../core/selection.ts";
import type { Store, StoreOptions, StoreTraits } from "../../service/store.ts";
import type { Accepting } from "../../service/store-accepting.ts";
import type { Catalogue } from "../../service/store-catalogue.ts";
import type { KeyUses } from "../../service/store-key-uses.ts";
import type { ChangeLogReads } from "../../service/store-log.ts";
import type { ChangePage, CounterPage, Counters } from "../../service/store-pages.ts";
import type { PolicyReads } from "../../service/store-policies.ts";
import type { StoreSize } from "../../service/store-size.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { ZoneCalendar } from "../shared/calendar.ts";
import { covers } from "../shared/log-mark.ts";
import { PostgresCatalogue } from "./catalogue.ts";
import { ChangeLog } from "./change-log.ts";
import { Database } from "./connection/database.ts";
import type { Row, Session } from "./connection/session.ts";
import { startFailure } from "./connection/start-failure.ts";
import { parseUrl } from "./connection/url.ts";
import { assertServable, type CopyHold, halfCopied, holdForCopy } from "./copy-lock.ts";
import { PostgresCopying } from "./copying.ts";
import { PostgresHistoryCopying } from "./history/copying.ts";
import { PostgresHistory } from "./history/history.ts";
import { PostgresKeyUses } from "./key-uses.ts";
import { databaseNow } from "./now.ts";
import { PoliciesInDatabase } from "./policies.ts";
import { PolicyCounts } from "./policy-counts.ts";
import { Probe } from "./probe.ts";
import { CounterReads } from "./reads.ts";
import { assertAccess } from "./schema/access.ts";
import { assertThere, assertUpToDate, assertWhole, migrate, SCHEMA_VERSION } from "./schema/schema.ts";
import { SchemaSize } from "./size.ts";
import { PostgresAccepting } from "./write/accepting.ts";
import { Commits } from "./write/commits.ts";
import { LockedCounters } from "./write/locked.ts";
import { Maintenance } from "./write/maintenance.ts";
import { RequestIds } from "./write/request-ids.ts";
import { Sweeping } from "./write/sweeping.ts";
import { Tidying } from "./write/tidying.ts";
import { WritingDown } from "./write/writing-down.ts";

/**
 * Counters in a PostgreSQL database, which any number of processes may serve at once: nothing that another may write
 * is kept from one commit to the next.
 *
 * @param url     postgres://user:password@host:port/database?schema=NAME, and what else libpq takes
 * @param decide  the rule; tests put another in its place
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function openPostgres(
  url: string,
  options: StoreOptions,
  decide: typeof decideBatch = decideBatch,
): Promise<Store> {
  const { warn, clock, retention, newUid, purpose = "serve", migrates = true } = options;
  const { metrics = new Metrics() } = options;
  const parsed = parseUrl(url);
  const { schema, shown } = parsed;
  const database = new Database(parsed, COMMITS_IN_FLIGHT, warn, metrics);
  let hold: CopyHold | undefined;
  try {
    await assertAccess(database);
    if (purpose === "copyFrom") await assertThere(database);
    if (!migrates) await assertUpToDate(database);
    const migratedFrom = await migrate(database);
    if (migratedFrom !== undefined) {
      warn(`The schema "${schema}" was of version ${migratedFrom} and now is of ${SCHEMA_VERSION}.`);
    }
    await assertWhole(database);
    if (purpose !== "serve") hold = await holdForCopy(database);
    if (purpose !== "copyTo") await assertServable(database, hold !== undefined);
    const requestIds = new RequestIds(database, retention);
    const log = new ChangeLog(database, retention.changeLogBytesMax);
    const calendar = new ZoneCalendar(warn);
    const catalogue = new PostgresCatalogue(database, hold);
    const policies = new PoliciesInDatabase(database, await catalogue.epoch());
    const writing = new WritingDown({ database, log, policies, calendar, newUid });
    const tidying = new Tidying({ database, writing, clock, warn });
    const doubts = (row: Row) => tidying.doubts(row);
    const sweeping = new Sweeping({ database, writing, clock, owner: newUid(), doubts });
    const maintenance = new Maintenance({
      ...{ database, clock, requestIds, log, tidying, sweeping, policies, warn, metrics },
      copies: hold !== undefined,
    });
    await maintenance.start();
    const locked = new LockedCounters(database, clock, warn);
    const commits = new Commits(database, requestIds, log, locked, policies, calendar, decide, metrics);
    const reads = new CounterReads(database, calendar, purpose !== "serve");
    const keyUses = new PostgresKeyUses(database);
    const historyCopying = new PostgresHistoryCopying(database, newUid());
    const parts = {
      database,
      requestIds,
      log,
      maintenance,
      catalogue,
      keyUses,
      history: historyCopying,
      newUid,
      hold,
    };
    const [copying, accepting] = [new PostgresCopying(parts), new PostgresAccepting(parts)];
    const history =
      options.history && purpose === "serve"
        ? new PostgresHistory(database, options.history, {
            place: () => maintenance.place(),
            doubts,
            owner: newUid(),
          })
        : undefined;
    const counts = new PolicyCounts(database, policies);
    const beside = {
      catalogue,
      epochNow: () => policies.epoch,
      keyUses,
      copying,
      accepting,
      history,
      policies: counts,
    };
    return new PostgresStore(database, commits, reads, log, maintenance, beside, options, shown);
  } catch (error) {
    await hold?.release();
    await database.close();
    throw startFailure(shown, error);
  }
}

class PostgresStore implements Store {
  readonly traits: StoreTraits;
  readonly #epochNow: () => Epoch;
  readonly catalogue: Catalogue;
  readonly keyUses: KeyUses;
  readonly copying: PostgresCopying;
  readonly accepting: Accepting;
  readonly history: PostgresHistory | undefined;
  readonly policies: PolicyReads;
  /** A connection that fails is replaced, so this never settles. */
  readonly failed = new Promise<never>(() => {});
  readonly #database: Database;
  readonly #commits: Commits;
  readonly changeLog: ChangeLogReads = {
    read: (cursor, limit) => this.#following((session) => this.#log.read(session, cursor, limit)),
    counters: (ids) => this.#following((session) => this.#log.counters(session, ids)),
  };
  readonly #log: ChangeLog;
  readonly #maintenance: Maintenance;
  readonly #reads: CounterReads;
  readonly #probe: Probe;
  readonly #size: SchemaSize;
  readonly #options: StoreOptions;
  #closing: Promise<void> | undefined;

  constructor(
    database: Database,
    commits: Commits,
    reads: CounterReads,
    log: ChangeLog,
    maintenance: Maintenance,
    beside: Pick<
      PostgresStore,
      "catalogue" | "keyUses" | "copying" | "accepting" | "history" | "policies"
    > & { readonly epochNow: () => Epoch },
    options: StoreOptions,
    shown: string,
  ) {
    this.#epochNow = beside.epochNow;
    this.catalogue = beside.catalogue;
    this.keyUses = beside.keyUses;
    this.copying = beside.copying;
    this.accepting = beside.accepting;
    this.history = beside.history;
    this.policies = beside.policies;
    this.#database = database;
    this.#commits = commits;
    this.#log = log;
    this.#maintenance = maintenance;
    this.#options = options;
    this.#reads = reads;
    this.#probe = new Probe(database);
    this.#size = new SchemaSize(database);
    const { serverVersion, sentence } = database.durability;
    this.traits = {
      title: `PostgreSQL ${serverVersion}, ${shown}`,
      promise: sentence,
      durability: "fsync",
      groups: "all",
      enforcesBounds: true,
      commitsInFlight: COMMITS_IN_FLIGHT,
      time: "server",
    };
  }

  /** Also one that another process has given it since. */
  get epoch(): Epoch {
    return this.#epochNow();
  }

  async now(): Promise<number> {
    this.#assertReadable();
    return databaseNow(this.#database);
  }

  async commit(batch: Batch): Promise<Outcomes> {
    this.#assertOpen();
    this.#maintenance.called();
    return this.#commits.commit(batch, this.#options.newUid(), this.#maintenance.runMs);
  }

  async get(names: readonly string[]): Promise<(FullCounter | undefined | typeof CORRUPT)[]> {
    this.#assertReadable();
    return this.#reads.get(names);
  }

  async list(selection: Selection, from: string, limit: number, marked = false): Promise<CounterPage> {
    this.#assertReadable();
    if (!marked) return this.#reads.list(selection, from, limit);
    return this.#reads.markedPage(selection, from, limit, this.#log);
  }

  covers(mark: string, position: string): boolean {
    return covers(mark, position);
  }

  async top(selection: Selection, n: number, order: Order): Promise<Counters> {
    this.#assertReadable();
    return this.#reads.top(selection, n, order);
  }

  async sum(selection: Selection): Promise<Sum> {
    this.#assertReadable();
    return this.#reads.sum(selection);
  }

  async changesSince(cursor: string, limit: number): Promise<ChangePage> {
    return this.#following((session) => this.#log.since(session, cursor, limit));
  }

  async maintain(): Promise<boolean> {
    this.#assertOpen();
    const more = await this.#maintenance.maintain();
    return (await this.history?.tidy()) || more;
  }

  async size(): Promise<StoreSize> {
    this.#assertOpen();
    return this.#size.read();
  }

  async probeReads(): Promise<void> {
    this.#assertReadable();
    await this.#probe.reads();
  }

  async probeWrites(thorough: boolean): Promise<void> {
    this.#assertOpen();
    await this.#probe.writes(thorough);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.history?.intake.end();
      await this.#maintenance.close();
      await this.copying.close();
    } catch (error) {
      this.#options.warn(`What is kept beside the counters could not be saved: ${(error as Error).message}.`);
    } finally {
      await this.#database.close();
    }
  }

  /** Read the log as of one moment, when all that is visible has its place in it. */
  async #following<T>(read: (session: Session) => Promise<T>): Promise<T> {
    this.#assertReadable();
    await this.#maintenance.place();
    return this.#database.snapshot(read);
  }

  #assertReadable(): void {
    this.#assertOpen();
    if (this.#maintenance.hasHalf && !this.copying.imports) throw halfCopied();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new TallyError("STORE_UNAVAILABLE", "the store is closed");
  }
}

/** Each has a connection of its own, and a batch of counters that the others do not touch. */
const COMMITS_IN_FLIGHT = 4;
