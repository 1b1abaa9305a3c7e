import { keysToFind, type Loaded, requestKeys, type Touched } from "../../../core/batch.ts";
import type { Batch } from "../../../core/columns.ts";
import { CORRUPT, type Counter, type Fixed } from "../../../core/counter.ts";
import type { PolicySet } from "../../../core/policies.ts";
import { isSettled } from "../../../core/settling.ts";
import { CATALOGUE_MARK } from "../catalogue.ts";
import { beginWaiting, type Database } from "../connection/database.ts";
import type { Row, Session, Statement } from "../connection/session.ts";
import { assertServed, SERVING_COLUMNS } from "../copy-lock.ts";
import type { PoliciesInDatabase } from "../policies.ts";
import { COUNTER_COLUMNS, DETAIL_COLUMNS, toCounter, toFixed, toFollowed } from "../rows.ts";
import type { RequestIds } from "./request-ids.ts";

/** What is to be committed: a batch, what it touches, and which of its calls are meant. */
export interface CommitPart {
  readonly batch: Batch;
  readonly touched: Touched;
  /** All when undefined. */
  readonly only: ReadonlySet<number> | undefined;
  /** How long a lock is waited for. */
  readonly lockMs: number;
}

/** The first round trip of a commit: begins its transaction, locks the rows, and reads what it is decided by. */
export class Loading {
  readonly #requestIds: RequestIds;
  readonly #policies: PoliciesInDatabase;
  readonly #lock: Statement;
  readonly #details: Statement;
  readonly #moment: Statement;

  constructor(database: Database, requestIds: RequestIds, policies: PoliciesInDatabase) {
    this.#requestIds = requestIds;
    this.#policies = policies;
    this.#lock = database.statement(`
      SELECT ${COUNTER_COLUMNS} FROM @counters WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE`);
    this.#details = database.statement(
      `SELECT id, ${DETAIL_COLUMNS} FROM @counters WHERE name = ANY($1::text[])`,
    );
    this.#moment = database.statement(`
      SELECT nextval('@change_order') AS taken, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now,
        ${SERVING_COLUMNS(database.schema)}, ${CATALOGUE_MARK}`);
  }

  /**
   * Lock and load. Request ids are looked for, and the time, the order and the mark of the catalogue taken, when all locks
   * are held.
   *
   * @param runMs  the running time of the service, in milliseconds
   */
  async load(session: Session, { batch, touched, only, lockMs }: CommitPart, runMs: number) {
    const keys = requestKeys(batch, touched);
    const given = keysToFind(keys, only);
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
      ...keys,
      ...{ counters, fixed, answered },
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
