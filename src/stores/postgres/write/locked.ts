import { setTimeout as pause } from "node:timers/promises";
import { requestKeys, type Touched } from "../../../core/batch.ts";
import type { Clock } from "../../../core/clock.ts";
import { addTimings, type Batch, newOutcomes, type Outcomes, takeOutcomes } from "../../../core/columns.ts";
import { type Refusal, TallyError } from "../../../core/errors.ts";
import type { RequestKeys } from "../../../core/load-save.ts";
import { beginWaiting, type Database } from "../connection/database.ts";
import { isLockTimeout, toStoreError } from "../connection/errors.ts";
import type { Statement } from "../connection/session.ts";

/**
 * Commit some calls of a batch, or all of them, in one transaction.
 *
 * @param only    their indexes; all when undefined
 * @param lockMs  how long each lock is waited for
 * @throws the server's error 55P03 when that was not enough; whatever else is thrown is for the store's callers
 */
type CommitPart = (only: ReadonlySet<number> | undefined, lockMs: number) => Promise<Outcomes>;

/**
 * Keeps counters that a stranger has locked (somebody's `SELECT ... FOR UPDATE`, an update that is not committed, a
 * session that sits in its transaction) from holding up the calls on others.
 *
 * Other Tally processes lock rows as well, for the milliseconds of a commit, and those are waited for. Where that
 * takes too long, the rows that cannot be locked are found (SKIP LOCKED) and looked at twice: those that the same
 * transaction still has are remembered with that transaction. The calls on them are refused, certainly not applied,
 * and the rest of the batch goes on without them; and so do later batches, at once, until that transaction has ended.
 *
 * What is locked and is no counter's row (another's insertion of the same name, or of the same request id) cannot be
 * looked for: the batch is then halved until it is found, and what it names is committed apart from then on.
 */
export class LockedCounters {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #warn: (message: string) => void;
  readonly #holders: Statement;
  readonly #free: Statement;
  /** Rows that were locked when they were last asked for, by name: the transaction that has each. */
  readonly #held = new Map<string, string>();
  /** Names that are committed apart. */
  readonly #apart = new Set<string>();
  /** When one of those was last met. */
  #metAt = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(database: Database, clock: Clock, warn: (message: string) => void) {
    this.#database = database;
    this.#clock = clock;
    this.#warn = warn;
    this.#holders = database.statement(
      "SELECT name, xmax::text AS holder FROM @counters WHERE name = ANY($1::text[])",
    );
    this.#free = database.statement(
      "SELECT name FROM @counters WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE SKIP LOCKED",
    );
  }

  /** Commit a batch, in as many transactions as the locks of others make necessary. */
  async commit(batch: Batch, touched: Touched, part: CommitPart): Promise<Outcomes> {
    const strange = this.#knowsAny;
    if (!strange) {
      const outcomes = await untilLocked(part(undefined, LOCK_MS));
      if (outcomes !== undefined) return outcomes;
    }
    const parts = new Parts(batch, touched);
    try {
      if (strange) await this.#withoutHeld(parts);
      else await this.#findHeld(parts);
      await this.#commitRest(parts, part);
    } catch (error) {
      parts.fail(toStoreError(error));
    }
    return parts.outcomes;
  }

  /** Whether a stranger was met lately. */
  get #knowsAny(): boolean {
    if (this.#held.size + this.#apart.size > 0 && this.#clock.monotonic() - this.#metAt > FORGET_MS) {
      this.#held.clear();
      this.#apart.clear();
    }
    return this.#held.size + this.#apart.size > 0;
  }

  async #commitRest(parts: Parts, part: CommitPart): Promise<void> {
    const giveUpAt = this.#clock.monotonic() + GIVE_UP_MS;
    let lockMs = LOCK_MS;
    for (let unseen = 0; unseen < 2 && this.#clock.monotonic() < giveUpAt; ) {
      const rest = parts.notOn(this.#apart);
      if (rest.length === 0) break;
      const outcomes = await untilLocked(part(new Set(rest), lockMs));
      if (outcomes !== undefined) {
        parts.take(outcomes, rest);
        continue;
      }
      const found = await this.#findHeld(parts);
      if (found === "none") unseen++; // Let go of meanwhile; or no row is what is locked.
      if (found === "moving") lockMs = PATIENT_LOCK_MS; // A queue, in which whoever leaves it has to begin anew.
    }
    await this.#halve(parts, part, giveUpAt);
  }

  /** Commit what is left in ever smaller parts, to find which of them is held up; the larger ones first. */
  async #halve(parts: Parts, part: CommitPart, giveUpAt: number): Promise<void> {
    this.#refuse(parts, parts.retries); // They might be committed before what they are retries of.
    const waiting = [parts.left];
    let inVain = 0;
    for (let some = waiting.shift(); some !== undefined; some = waiting.shift()) {
      if (some.length === 0) continue;
      const over = inVain >= IN_VAIN_MAX || this.#clock.monotonic() > giveUpAt;
      const outcomes = over ? undefined : await untilLocked(part(new Set(some), HALVING_LOCK_MS));
      if (outcomes !== undefined) {
        for (const name of parts.namesOf(some)) this.#apart.delete(name);
        parts.take(outcomes, some);
        inVain = 0;
      } else if (over || some.length === 1) {
        if (!over) for (const name of parts.namesOf(some)) this.#apart.add(name);
        this.#refuse(parts, some);
      } else {
        const middle = some.length >> 1;
        waiting.push(some.slice(0, middle), some.slice(middle));
        inVain++;
      }
    }
  }

  /** Refuse the calls on counters which the transaction still has that had them before; the others it has let go. */
  async #withoutHeld(parts: Parts): Promise<void> {
    if (this.#held.size === 0) return;
    const asked = parts.namesOf(parts.left).filter((name) => this.#held.has(name));
    if (asked.length === 0) return;
    const found = await this.#look(asked);
    for (const name of asked) if (found.get(name) !== this.#held.get(name)) this.#held.delete(name);
    this.#refuse(parts, parts.on(this.#held));
  }

  /**
   * Find counters that one transaction keeps locked, and refuse the calls on them.
   *
   * @returns  "moving" when there are locked ones, each of them another's every time
   */
  async #findHeld(parts: Parts): Promise<"some" | "moving" | "none"> {
    const before = await this.#look(parts.namesOf(parts.left));
    if (before.size === 0) return "none";
    await pause(LOOKS_APART_MS);
    const now = await this.#look([...before.keys()]);
    const kept = [...now].filter(([name, holder]) => before.get(name) === holder);
    for (const [name, holder] of kept) this.#held.set(name, holder);
    this.#refuse(parts, parts.on(this.#held));
    return kept.length > 0 ? "some" : "moving";
  }

  /** Those of some counters that are locked: by name, the transaction that has each. */
  async #look(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const session = await this.#database.commitSession();
    return session.use(async () => {
      const [, holders, free] = await Promise.all([
        session.simply(beginWaiting(LOCK_MS)), // A lock on the table is not skipped.
        session.send(this.#holders, [names]),
        session.send(this.#free, [names]),
      ]).finally(() => session.rollback());
      const locked = new Map(holders.map(({ name, holder }) => [name as string, holder as string]));
      for (const { name } of free) locked.delete(name as string);
      return locked;
    });
  }

  #refuse(parts: Parts, calls: readonly number[]): void {
    if (calls.length === 0) return;
    parts.refuse(calls, LOCKED);
    const now = this.#clock.monotonic();
    this.#metAt = now;
    if (now - this.#warnedAt < WARNINGS_APART_MS) return;
    this.#warnedAt = now;
    this.#warn(WARNING);
  }
}

/** A commit of another process takes milliseconds, and on a slow disk some hundred. */
const LOCK_MS = 300;
/** Where others commit all the time and none of them keeps it. */
const PATIENT_LOCK_MS = 2_000;
const HALVING_LOCK_MS = 50;
/** So many parts, and none of them can be committed: then it is not some calls that are held up. */
const IN_VAIN_MAX = 6;
/** Longer than another process keeps what it has locked while it waits for what a stranger has. */
const LOOKS_APART_MS = 500;
/** What was not committed by then is refused: its callers are to be told in time. */
const GIVE_UP_MS = 3_000;
/** How long after the last call that met one. */
const FORGET_MS = 10_000;
const WARNINGS_APART_MS = 10_000;

const LOCKED: Refusal = { code: "STORE_UNAVAILABLE", retryAfterMs: 1_000 };

const WARNING =
  "A session of PostgreSQL that is not Tally's keeps counters locked: calls on them are refused and not applied, all " +
  "others go on. To find it: SELECT pid, usename, state, xact_start, query FROM pg_stat_activity WHERE xact_start < " +
  "now() - interval '1 second'. More within ten seconds is not said.";

/** Undefined when a lock was waited for too long. */
async function untilLocked<T>(part: Promise<T>): Promise<T | undefined> {
  try {
    return await part;
  } catch (error) {
    if (isLockTimeout(error)) return undefined;
    throw error;
  }
}

/** The calls of a batch, and what became of those that are settled already. */
class Parts {
  readonly #outcomes: Outcomes;
  readonly #ends: Uint32Array;
  readonly #touched: Touched;
  readonly #left: Set<number>;
  readonly #keys: RequestKeys;
  #took = false;

  constructor(batch: Batch, touched: Touched) {
    const { calls, ops } = batch;
    this.#keys = requestKeys(batch, touched);
    this.#outcomes = newOutcomes(ops.count, calls.count);
    this.#ends = calls.ends;
    this.#touched = touched;
    this.#left = new Set(Array.from({ length: calls.count }).keys());
  }

  /** Those that are not settled, in order. */
  get left(): number[] {
    return [...this.#left];
  }

  /** Once all are settled. */
  get outcomes(): Outcomes {
    return this.#outcomes;
  }

  /** Those that are to be answered as an earlier one of the batch is, though that is another caller's by its key. */
  get retries(): number[] {
    const { keys, formerKeys } = this.#keys;
    if (formerKeys === undefined) return [];
    return this.left.filter((c) => formerKeys[c] !== undefined && keys.indexOf(formerKeys[c]) !== -1);
  }

  on(names: Names): number[] {
    return this.left.filter((c) => this.#isOn(c, names));
  }

  notOn(names: Names): number[] {
    return this.left.filter((c) => !this.#isOn(c, names));
  }

  namesOf(calls: readonly number[]): string[] {
    const { names, counterOf } = this.#touched;
    const indexes = new Set<number>();
    for (const c of calls) for (let i = this.#first(c); i < this.#ends[c]!; i++) indexes.add(counterOf[i]!);
    return [...indexes].map((index) => names[index]!);
  }

  take(outcomes: Outcomes, calls: readonly number[]): void {
    this.#took = true;
    addTimings(this.#outcomes.timings, outcomes.timings);
    for (const c of calls) {
      takeOutcomes(this.#outcomes, outcomes, c, this.#first(c), this.#ends[c]!);
      this.#left.delete(c);
    }
  }

  refuse(calls: readonly number[], refusal: Refusal): void {
    for (const c of calls) {
      this.#outcomes.callRefusals.set(c, refusal);
      this.#left.delete(c);
    }
  }

  /** Those that are left end with an error; the whole batch does, if nothing of it was committed before. */
  fail(error: unknown): void {
    if (!this.#took || !(error instanceof TallyError)) throw error;
    this.refuse(this.left, { code: error.code });
  }

  #isOn(c: number, wanted: Names): boolean {
    if (wanted.size === 0) return false;
    const { names, counterOf } = this.#touched;
    for (let i = this.#first(c); i < this.#ends[c]!; i++) if (wanted.has(names[counterOf[i]!]!)) return true;
    return false;
  }

  #first(c: number): number {
    return c === 0 ? 0 : this.#ends[c - 1]!;
  }
}

type Names = Pick<ReadonlySet<string>, "has" | "size">;
