import { type Context, type decideBatch, type Save, touchedBy } from "../../../core/batch.ts";
import type { Batch, Outcomes } from "../../../core/columns.ts";
import type { Counter } from "../../../core/counter.ts";
import { TallyError } from "../../../core/errors.ts";
import type { Calendar } from "../../../core/window.ts";
import type { Metrics } from "../../../telemetry/metrics.ts";
import { Laps } from "../../shared/laps.ts";
import { rowIdsOf } from "../../shared/one-by-one.ts";
import type { ChangeLog } from "../change-log.ts";
import type { Database } from "../connection/database.ts";
import {
  isConflict,
  isLockTimeout,
  isLost,
  isSkipped,
  isUnexpected,
  objectionIn,
  toStoreError,
} from "../connection/errors.ts";
import type { Call, Session, Statement } from "../connection/session.ts";
import { SERVED } from "../copy-lock.ts";
import type { PoliciesInDatabase } from "../policies.ts";
import { CounterIds } from "./counter-ids.ts";
import { type CommitPart, Loading } from "./loading.ts";
import type { LockedCounters } from "./locked.ts";
import type { RequestIds } from "./request-ids.ts";
import { HELD, heldFrom } from "./sweeping.ts";
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
  readonly #loading: Loading;
  readonly #absent: Statement;
  readonly #standIn: Statement;
  readonly #served: Statement;
  readonly #held: Statement;
  readonly #calendar: Calendar;
  readonly #numbers: Float64Array;
  /** Where it is counted how often a batch was decided again. */
  readonly #again: number;
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
    metrics: Metrics,
  ) {
    this.#numbers = metrics.numbers;
    this.#again = metrics.know("decidedAgain", {});
    this.#locked = locked;
    this.#calendar = calendar;
    this.#policies = policies;
    this.#database = database;
    this.#decide = decide;
    this.#requestIds = requestIds;
    this.#log = log;
    this.#writes = new CounterWrites(database);
    this.#ids = new CounterIds(database);
    this.#loading = new Loading(database, requestIds, policies);
    // Divides by zero when there is one: then the batch is decided again.
    this.#absent = database.statement(
      "SELECT 1 / (count(*) = 0)::int FROM @counters WHERE name = ANY($1::text[])",
    );
    // Without a transaction id there is nothing to commit, and so nothing to wait for.
    this.#standIn = database.statement("SELECT pg_current_xact_id()");
    this.#served = database.statement(SERVED);
    this.#held = database.statement(HELD);
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
  async #commit(asked: CommitPart, context: Given, runMs: number): Promise<Outcomes> {
    // Before the transaction, because another connection gets them: who holds locks waits for no connection. One for each
    // name, whose counter is missing or has expired, and for each deletion: what was made in a batch does not expire in it.
    const { names, deletions } = asked.touched;
    const spareIds = await this.#ids.take(names.length + deletions);
    let lostAt: number | undefined;
    let oneByOne = false;
    for (let attempt = 1, tries = 1; ; tries++) {
      if (tries > 1) this.#numbers[this.#again]!++;
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
      const { loaded, missing, taken, now, copied, policies } = await this.#loading.load(
        session,
        asked,
        runMs,
      );
      laps.ended("loadMs");
      const context = { ...given, now, calendar: this.#calendar, epoch: this.#policies.epoch, policies };
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
        if (save.held.length > 0) calls.push([this.#held, [heldFrom(save, policies)]]);
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
}

/** What a commit is decided with, but for the time and the policies. */
type Given = Pick<Context, "uidSeed" | "only">;

/** One attempt at it, with an id for each counter that it might make. */
interface Attempt extends CommitPart {
  readonly spareIds: readonly bigint[];
}

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
