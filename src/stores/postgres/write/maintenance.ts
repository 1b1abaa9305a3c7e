import type { Clock } from "../../../core/clock.ts";
import { TallyError } from "../../../core/errors.ts";
import { PolicySet } from "../../../core/policies.ts";
import { knowKept, noteKept } from "../../../telemetry/kept.ts";
import type { Metrics } from "../../../telemetry/metrics.ts";
import { ForgottenEarly } from "../../shared/forgotten-early.ts";
import { CATALOGUE_MARK } from "../catalogue.ts";
import type { ChangeLog } from "../change-log.ts";
import type { Database } from "../connection/database.ts";
import { type Row, type Session, type Statement, theRow } from "../connection/session.ts";
import { SERVING_COLUMNS } from "../copy-lock.ts";
import { NOW_MS } from "../now.ts";
import type { PoliciesInDatabase } from "../policies.ts";
import type { RequestIds } from "./request-ids.ts";
import type { Sweeping } from "./sweeping.ts";
import type { Tidying } from "./tidying.ts";

/** What the rest of the store lends. */
interface Parts {
  readonly database: Database;
  readonly clock: Clock;
  readonly requestIds: RequestIds;
  readonly log: ChangeLog;
  readonly tidying: Tidying;
  readonly sweeping: Sweeping;
  readonly policies: PoliciesInDatabase;
  readonly warn: (message: string) => void;
  /** Whether it is a copy that has the store opened. */
  readonly copies: boolean;
  readonly metrics: Metrics;
}

/**
 * What keeps a store within its sizes, on any number of processes: whoever has locked the row of service_state does
 * a slice, the others wait for a moment.
 *
 * Request ids age by running time: time in which at least one process ran. Each process goes on from the running time
 * it saw last, by its own clock, and the database keeps the highest; so the time never goes faster than any clock,
 * however many processes there are.
 */
export class Maintenance {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #requestIds: RequestIds;
  readonly #log: ChangeLog;
  readonly #tidying: Tidying;
  readonly #sweeping: Sweeping;
  readonly #policies: PoliciesInDatabase;
  readonly #warn: (message: string) => void;
  /** Whether it is a copy that has the store opened. */
  readonly #copies: boolean;
  readonly #metrics: Metrics;
  readonly #state: Statement;
  readonly #lock: Statement;
  readonly #keep: Statement;
  /** The running time that was seen last, and when that was by this process's clock. */
  #seenRunMs = 0;
  #seenAt = 0;
  #keptRunMs = 0;
  /** The policies as they were seen last, and the revision of them that all counters are settled by. */
  #seenPolicies = PolicySet.NONE;
  #swept = 0;
  readonly #forgottenEarly = new ForgottenEarly();

  constructor(parts: Parts) {
    const { database } = parts;
    this.#database = database;
    this.#clock = parts.clock;
    this.#requestIds = parts.requestIds;
    this.#log = parts.log;
    this.#tidying = parts.tidying;
    this.#sweeping = parts.sweeping;
    this.#policies = parts.policies;
    this.#warn = parts.warn;
    this.#copies = parts.copies;
    this.#metrics = parts.metrics;
    knowKept(parts.metrics);
    this.#state = database.statement(`
      SELECT run_ms, wall_ms, ${NOW_MS} AS now, (SELECT swept FROM @policy_sweep) AS swept,
        (SELECT ended FROM @copying) AS copied, ${CATALOGUE_MARK}
      FROM @service_state`);
    this.#lock = database.statement(
      `SELECT run_ms, ${NOW_MS} AS now, ${SERVING_COLUMNS(database.schema)} FROM @service_state FOR UPDATE`,
    );
    this.#keep = database.statement(
      "UPDATE @service_state SET run_ms = greatest(run_ms, $1), wall_ms = coalesce($2, wall_ms)",
    );
  }

  /** Whether half a copy was in the store when it was last looked at: a server that runs beside it answers no reads. */
  hasHalf = false;

  /** How long the service has run, in milliseconds. */
  get runMs(): number {
    return this.#seenRunMs + this.#clock.monotonic() - this.#seenAt;
  }

  /** Take over what the database knows, at the start, or when a copy has begun. */
  async start(): Promise<void> {
    await this.#look(true);
  }

  /** See Store.maintain. */
  async maintain(): Promise<boolean> {
    const tooLarge = await this.#look(false);
    this.#forgottenEarly.tell(this.#requestIds.early(this.runMs), this.#warn);
    let more = false;
    if (tooLarge || this.#due) {
      await this.#slice(true);
      more = (await this.#look(false)) || this.#requestIds.more(this.runMs);
    }
    const beside = this.#called && !more;
    this.#called = false;
    if (this.#copies) return more;
    const tidies = await this.#tidying.slice(beside);
    return (await this.#sweeping.slice(this.#seenPolicies, this.#swept, beside)) || tidies || more;
  }

  /** Somebody has asked for a commit: what can wait leaves room for more of them. */
  called(): void {
    this.#called = true;
  }

  /** Place the commits that are visible, so that followers see them. */
  async place(): Promise<void> {
    const [row] = await this.#database.read(...this.#log.unplaced);
    if (row!.found === true) await this.#slice(false);
  }

  /** Keep what only this process knows. A copy leaves the store as it is. */
  async close(): Promise<void> {
    if (this.#copies) return;
    await this.#slice(true);
    await this.#sweeping.close();
  }

  #unplaced = false;
  #called = false;

  get #due(): boolean {
    const kept = this.runMs - this.#keptRunMs >= KEEP_MS;
    return this.#unplaced || this.#requestIds.due(this.runMs) || kept;
  }

  /** Read what the others did; returns whether the change log is too large. */
  async #look(starting: boolean): Promise<boolean> {
    const [state, unplaced, generations, size] = await this.#database.snapshot(async (session) => {
      const found = await Promise.all([
        session.send(this.#state),
        session.send(...this.#log.unplaced),
        session.send(...this.#requestIds.look),
        session.send(...this.#log.size),
      ]);
      this.#seenPolicies = await this.#policies.at(session, found[0][0]?.catalogue, true);
      return found;
    });
    if (state.length === 0) throw new TallyError("STORE_UNAVAILABLE", STATE_GONE);
    if (starting) this.#tidying.start(state[0]!);
    this.#swept = Number(state[0]!.swept);
    this.hasHalf = !this.#copies && state[0]!.copied === false;
    this.#unplaced = unplaced[0]!.found as boolean;
    this.#requestIds.learn(generations);
    this.#see(state, starting);
    noteKept(this.#metrics, {
      changeLog: this.#log.kept(size),
      requestIds: this.#requestIds.keptAt(this.runMs),
    });
    return this.#log.tooLarge(size);
  }

  async #slice(whole: boolean): Promise<void> {
    let committed: (() => void) | undefined;
    let runMs = 0;
    await this.#database.upkeep(async (session: Session) => {
      const state = theRow(await session.send(this.#lock), "service_state");
      if (!this.#copies && (state.free !== true || state.copied === false)) return; // A copy has the store.
      this.#see([state], false);
      runMs = this.runMs;
      await this.#log.place(session);
      if (!whole) return;
      committed = await this.#requestIds.maintain(session, runMs);
      if (this.#log.tooLarge(await session.send(...this.#log.size))) await this.#log.drop(session);
      // A clock that is doubted is not what others are to compare theirs with.
      const now = this.#tidying.doubts(state) ? null : state.now;
      await session.send(this.#keep, [Math.trunc(runMs), now]);
    });
    if (whole) this.#keptRunMs = runMs;
    committed?.();
  }

  #see(rows: readonly Row[], starting: boolean): void {
    const runMs = Number(theRow(rows, "service_state").run_ms);
    if (!starting && runMs <= this.runMs) return;
    this.#seenRunMs = runMs;
    this.#seenAt = this.#clock.monotonic();
    this.#keptRunMs = runMs;
  }
}

/** How often running time is written. */
const KEEP_MS = 10_000;

const STATE_GONE =
  'The table "service_state" has lost its row: somebody changed it by hand. Restore the schema from a backup.';
