import {
  type Context,
  type decideBatch,
  type Loaded,
  requestKeys,
  type Save,
  type Touched,
  touchedBy,
} from "../../../core/batch.ts";
import type { Batch, Outcomes } from "../../../core/columns.ts";
import { CORRUPT, type Counter, type Fixed } from "../../../core/counter.ts";
import { TallyError } from "../../../core/errors.ts";
import type { PolicySet } from "../../../core/policies.ts";
import { isSettled } from "../../../core/settling.ts";
import type { Calendar } from "../../../core/window.ts";
import { Laps } from "../../shared/laps.ts";
import { rowIdsOf } from "../../shared/one-by-one.ts";
import { CATALOGUE_MARK } from "../catalogue.ts";
import type { ChangeLog } from "../change-log.ts";
import { beginWaiting, type Database } from "../connection/database.ts";
import {
  isConflict,
  isLockTimeout,
  isLost,
  isSkipped,
  isUnexpected,
  objectionIn,
  toStoreError,
} from "../connection/errors.ts";
import type { Call, Row, Session, Statement } from "../connection/session.ts";
import { assertServed, SERVED, SERVING_COLUMNS } from "../copy-lock.ts";
import type { PoliciesInDatabase } from "../policies.ts";
import { COUNTER_COLUMNS, DETAIL_COLUMNS, toCounter, toFixed, toFollowed } from "../rows.ts";
import { CounterIds } from "./counter-ids.ts";
import type { LockedCounters } from "./locked.ts";
import type { RequestIds } from "./request-ids.ts";
import { unattributed, writeOneByOne } from "./violation.ts";
import { CounterWrites, type LoadedRows } from "./writes.ts";

/**
 * The commit of a batch: two round trips, one that locks and loads, one that saves and commits.
 *
 * Rows are locked in the order of their names, and counters that are missing are inserted in that order once all
 * locks are held: no process ever waits for one that waits for it. What a row's lock cannot guard, because there is no
 * row yet, its unique name does: who comes second finds out, and decides the whole batch again.
 *
 * When all locks are held, it also asks how far the catalogue is, and decides by the policies that were set by then, in
 * whichever process: each that was before the call, and each that a locked row was settled by.
 */
export class Commits {
  readonly #database: Database;
  readonly #decide: typeof decideBatch;
  readonly #requestIds: RequestIds;
  readonly #log: ChangeLog;
  readonly #writes: CounterWrites;
  readonly #ids: CounterIds;
  readonly #locked: LockedCounters;
  readonly #lock: Statement;
  readonly #details: Statement;
  readonly #moment: Statement;
  readonly #absent: Statement;
  readonly #standIn: Statement;
  readonly #served: Statement;
  readonly #calendar: Calendar;
  readonly #policies: PoliciesInDatabase;

  /** @param decide  the rule; tests put another in its place */
  constructor(
    database: Database,
    requestIds: RequestIds,
    log: ChangeLog,
    locked: LockedCounters,
    policies: PoliciesInDatabase,
    calendar: Calendar,
    decide: typeof decideBatch,
  ) {
    this.#policies = policies;
    this.#locked = locked;
    this.#calendar = calendar;
    this.#database = database;
    this.#decide = decide;
    this.#requestIds = requestIds;
    this.#log = log;
    this.#writes = new CounterWrites(database);
    this.#ids = new CounterIds(database);
    this.#lock = database.statement(`
      SELECT ${COUNTER_COLUMNS} FROM @counters WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE`);
    this.#details = database.statement(
      `SELECT id, ${DETAIL_COLUMNS} FROM @counters WHERE name = ANY($1::text[])`,
    );
    this.#moment = database.statement(`
      SELECT nextval('@change_order') AS taken, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now,
        ${SERVING_COLUMNS(database.schema)}, ${CATALOGUE_MARK}`);
    // Divides by zero when there is one: then the batch is decided again.
    this.#absent = database.statement(
      "SELECT 1 / (count(*) = 0)::int FROM @counters WHERE name = ANY($1::text[])",
    );
    // Without a transaction id there is nothing to commit, and so nothing to wait for.
    this.#standIn = database.statement("SELECT pg_current_xact_id()");
    this.#served = database.statement(SERVED);
  }

  /**
   * See Store.commit.
   *
   * @param runMs  the running time of the service, in milliseconds
   */
  commit(batch: Batch, uidSeed: string, runMs: number): Promise<Outcomes> {
    const touched = touchedBy(batch);
    return this.#locked.commit(batch, touched, (only, lockMs) =>
      this.#commit({ batch, touched, only, lockMs }, { uidSeed, only }, runMs),
    );
  }

  /** @throws the server's error when a lock could not be had; else as a store does */
  async #commit(asked: Omit<Attempt, "spareIds">, context: Given, runMs: number): Promise<Outcomes> {
    // Before the transaction, because another connection gets them: who holds locks waits for no connection. One for each
    // name, whose counter is missing or has expired, and for each deletion: what was made in a batch does not expire in it.
    const { names, deletions } = asked.touched;
    const spareIds = await this.#ids.take(names.length + deletions);
    let lostAt: number | undefined;
    let oneByOne = false;
    for (let attempt = 1; ; ) {
      const session = await this.#database.commitSession(lostAt);
      try {
        const { outcomes, created } = await session.use(() =>
          this.#attempt(session, { ...asked, spareIds }, context, { runMs, oneByOne }),
        );
        this.#ids.giveBack(spareIds.slice(created));
        return outcomes;
      } catch (error) {
        if (isLockTimeout(error)) {
          this.#ids.giveBack(spareIds);
          throw error;
        }
        if (isLost(error) && lostAt === undefined) {
          lostAt = performance.now(); // Before COMMIT was sent, say while nobody used it: on another connection.
          continue;
        }
        const objection = objectionIn(error);
        if (objection !== undefined && oneByOne) throw unattributed(objection, error);
        const skipped: boolean = isSkipped(error) && !oneByOne;
        // A trigger that skips a new row looks like a process that was quicker, again and again.
        oneByOne ||= objection !== undefined || skipped || (isUnexpected(error) && attempt >= SKIPPED_AFTER);
        if (objection !== undefined || skipped) continue;
        if (!isConflict(error)) throw toStoreError(error);
        if (++attempt > ATTEMPTS_MAX) {
          throw new TallyError(
            "STORE_UNAVAILABLE",
            `other processes were quicker ${ATTEMPTS_MAX} times; nothing was saved`,
            { cause: error },
          );
        }
      }
    }
  }

  /** @returns also how many of the spare ids are in use now */
  async #attempt(
    session: Session,
    asked: Attempt,
    given: Given,
    { runMs, oneByOne }: { readonly runMs: number; readonly oneByOne: boolean },
  ): Promise<{ outcomes: Outcomes; created: number }> {
    const { batch, spareIds } = asked;
    const laps = new Laps();
    try {
      const { loaded, missing, taken, now, copied, policies } = await this.#load(session, asked, runMs);
      laps.ended("loadMs");
      const context = { ...given, now, calendar: this.#calendar, policies };
      const written = oneByOne
        ? await writeOneByOne(
            { database: this.#database, session, writes: this.#writes, decide: this.#decide },
            ...([batch, loaded, spareIds, context] as const),
          )
        : undefined;
      const { outcomes, save } = written?.decided ?? this.#decide(batch, loaded.facts, context);
      laps.ended("decideMs");
      outcomes.timings = laps.timings;
      // Who waits for a row that is deleted finds none under its name, though the same commit may have made another.
      const absent = missing.filter((index) => !save.fixed.has(index)).map((index) => save.names[index]!);
      const still: Call[] = absent.length === 0 ? [] : [[this.#absent, [absent]]];
      if (save.changed.length === 0 && save.answers.size === 0) {
        // What is answered again may be visible here and not on the standbys: its own wait for them was cancelled, or
        // the server started anew. A commit of its own waits for all that came before.
        if (outcomes.replayed.includes(1)) await session.commit([...still, [this.#standIn, []]]);
        else await Promise.all([...still.map((call) => session.send(...call)), session.rollback()]);
        return { outcomes, created: 0 };
      }
      const made = written?.made ?? madeBy(save, loaded, spareIds);
      const calls: Call[] = [...still, ...(copied ? [[this.#served, []] as const] : [])];
      if (save.changed.length > 0) {
        const ids = rowIdsOf(save, loaded.ids, made);
        if (written === undefined) calls.push(...this.#writes.of(save, foundOf(loaded), ids));
        calls.push(this.#log.append(taken, save.changes, ids, now));
      }
      if (save.answers.size > 0) calls.push(this.#requestIds.save(save.answers));
      await session.commit(calls); // In one round trip with what is saved.
      laps.ended("syncMs");
      this.#requestIds.saved(save.answers);
      return { outcomes, created: made.size };
    } catch (error) {
      await session.rollback();
      throw error;
    }
  }

  /** Lock and load. Request ids are looked for, and the time and the order taken, when all locks are held. */
  async #load(session: Session, { batch, touched, only, lockMs }: Attempt, runMs: number) {
    const keys = requestKeys(batch, touched);
    const given = keys.filter(
      (key, c): key is string => key !== undefined && (only === undefined || only.has(c)),
    );
    const wanted = only === undefined ? undefined : indexesOf(batch, touched, only);
    const names = wanted === undefined ? touched.names : [...wanted].map((index) => touched.names[index]!);
    const wholes = [...touched.whole].filter((index) => wanted === undefined || wanted.has(index));
    const whole = wholes.map((index) => touched.names[index]!);
    const [, rows, details, records, [moment]] = await Promise.all([
      session.simply(beginWaiting(lockMs), BEGUN_MS),
      session.send(this.#lock, [names], { timeoutMs: LOADED_MS }),
      whole.length === 0 ? [] : session.send(this.#details, [whole]),
      given.length === 0 ? [] : session.send(...this.#requestIds.find(given)),
      session.send(this.#moment),
    ]);
    assertServed(moment!);
    const byName = new Map(rows.map((row) => [row.name as string, row]));
    const now = Number(moment!.now);
    const byId = new Map(details.map((row) => [row.id as bigint, row]));
    const policies = await this.#policies.at(session, moment!.catalogue);
    const incomplete = rows.filter(
      (row) => !byId.has(row.id as bigint) && (isExpired(row, now) || isUnsettled(row, policies)),
    );
    if (incomplete.length > 0) {
      // They are locked, so nobody has changed them meanwhile.
      const more = await session.send(this.#details, [incomplete.map(({ name }) => name)]);
      for (const row of more) byId.set(row.id as bigint, row);
    }
    const counters: (Counter | undefined | typeof CORRUPT)[] = [];
    const ids: (bigint | undefined)[] = [];
    /** Those that were looked for. */
    const missing: number[] = [];
    const fixed = new Map<number, Fixed>();
    for (const [index, name] of touched.names.entries()) {
      const row = byName.get(name);
      let counter = row === undefined ? undefined : toCounter(row);
      ids.push(row?.id as bigint | undefined);
      if (row === undefined && wanted?.has(index) !== false) missing.push(index);
      const detail = row && byId.get(row.id as bigint);
      if (counter !== undefined && counter !== CORRUPT && detail !== undefined) {
        const whole = toFixed(counter, detail);
        if (whole === CORRUPT) counter = CORRUPT;
        else fixed.set(index, whole);
      }
      counters.push(counter);
    }
    const answered = new Map(records.map((row) => [row.key as string, row.record as Uint8Array]));
    const facts: Loaded = {
      ...touched,
      ...{ counters, fixed, keys, answered },
      requestIdsFullForMs: this.#requestIds.fullForMs(runMs),
    };
    return {
      loaded: { facts, ids },
      missing,
      taken: moment!.taken as bigint,
      now,
      copied: moment!.copied === true,
      policies,
    };
  }
}

/** Whether the row's counter is gone by now: then all of it is needed, for it is deleted with what comes after it. */
function isExpired({ update_ms, idle_ttl_ms }: Row, now: number): boolean {
  return idle_ttl_ms !== null && (update_ms as bigint) + (idle_ttl_ms as bigint) <= BigInt(now);
}

/** Whether the row's counter has not what its policy says by now: then all of it is needed, to be settled. */
function isUnsettled(row: Row, policies: PolicySet): boolean {
  if (row.policy === null) return false;
  const policy = toFollowed(row);
  return policy !== CORRUPT && !isSettled({ policy }, row.name as string, policies);
}

/** What a commit is decided with, but for the time and the policies. */
type Given = Pick<Context, "uidSeed" | "only">;

/** A batch, what it touches, which of its calls are meant, and an id for each counter that it might make. */
interface Attempt {
  readonly batch: Batch;
  readonly touched: Touched;
  /** All when undefined. */
  readonly only: ReadonlySet<number> | undefined;
  /** How long a lock is waited for. */
  readonly lockMs: number;
  readonly spareIds: readonly bigint[];
}

/** The counters that some calls touch, by their indexes in `touched.names`. */
function indexesOf({ calls }: Batch, { counterOf }: Touched, only: ReadonlySet<number>): Set<number> {
  const indexes = new Set<number>();
  for (const c of only) {
    for (let i = c === 0 ? 0 : calls.ends[c - 1]!; i < calls.ends[c]!; i++) indexes.add(counterOf[i]!);
  }
  return indexes;
}

/** When nothing has come back by then, nothing will: what is on its way to the server gets lost. */
const BEGUN_MS = 5_000;
const LOADED_MS = 10_000;

/** How often a batch is decided again because others were quicker. Each time at least one of them got on. */
const ATTEMPTS_MAX = 20;

/** From so many attempts on, new rows are written one by one: more than it ever takes while others are quicker. */
const SKIPPED_AFTER = 10;

/** By uid, the ids that the rows of new counters get. */
function madeBy(
  { changed, fixed }: Save,
  { ids }: LoadedRows,
  spareIds: readonly bigint[],
): Map<string, bigint> {
  const made = changed.filter((index) => ids[index] === undefined);
  return new Map(made.map((index, i) => [fixed.get(index)!.uid, spareIds[i]!]));
}

/** What the statements that save test for. */
function foundOf({ facts, ids }: LoadedRows) {
  const revisions = facts.counters.map((counter) => (counter as Counter | undefined)?.revision);
  return { facts: { fixed: facts.fixed, revisions }, ids };
}
