import { setTimeout as pause } from "node:timers/promises";
import type { Clock } from "../../../core/clock.ts";
import { CORRUPT } from "../../../core/counter.ts";
import type { Save } from "../../../core/load-save.ts";
import type { PolicySet } from "../../../core/policies.ts";
import { endOf } from "../../../core/selection.ts";
import { isSettled } from "../../../core/settling.ts";
import { type Place, PolicySweep, policiesHeld } from "../../shared/policy-sweep.ts";
import type { Database } from "../connection/database.ts";
import type { Row, Session, Statement } from "../connection/session.ts";
import { SERVING_COLUMNS } from "../copy-lock.ts";
import { NOW_MS } from "../now.ts";
import { COUNTER_COLUMNS, DETAIL_COLUMNS, FOLLOWED_COLUMNS, toFollowed } from "../rows.ts";
import { objectionTo, type WritingDown } from "./writing-down.ts";

/** What the rest of the store lends. */
interface Parts {
  readonly database: Database;
  readonly writing: WritingDown;
  readonly clock: Clock;
  /** Tells this process from all others. */
  readonly owner: string;
  /** Whether the database's clock is to be doubted. @param row  the time by it */
  readonly doubts: (row: Row) => boolean;
}

/**
 * Settles counters by their policies, those that nobody has called: name by name, a slice at a time, each a transaction.
 *
 * One process at a time, which has a lease while anything is left to settle, so that none does the same work; what keeps it
 * right is that the rows are locked. It waits for no lock: a row that somebody has is looked at again, a minute later.
 * The revision that all counters are settled by is saved at the end, with nothing else: whoever takes over from a process
 * that was killed begins the round again, and passes over what is settled.
 */
export class Sweeping {
  readonly #parts: Parts;
  readonly #lease: Statement;
  readonly #rows: Statement;
  readonly #lock: Statement;
  readonly #swept: Statement;
  readonly #release: Statement;
  /** How far it is; undefined while another process, or none, settles. */
  #sweep: PolicySweep | undefined;
  /** How far all were settled when it began. */
  #began = 0;
  /** When to ask for the lease, or to have it prolonged, by the monotonic clock. */
  #askAt = Number.NEGATIVE_INFINITY;
  /** How many are to be written one by one, for there is something against one of them. */
  #alone = 0;

  constructor(parts: Parts) {
    const { database } = parts;
    this.#parts = parts;
    this.#lease = database.statement(`
      UPDATE @policy_sweep SET owner = $1, until = clock_timestamp() + ${LEASE}
      WHERE ctid = (SELECT ctid FROM @policy_sweep WHERE owner IS NULL OR owner = $1
        OR until < clock_timestamp() OR until > clock_timestamp() + ${LEASE} FOR UPDATE SKIP LOCKED)
      RETURNING swept, ${NOW_MS} AS now, ${SERVING_COLUMNS(database.schema)}`);
    this.#rows = database.statement(`
      SELECT name, ${FOLLOWED_COLUMNS.join(", ")} FROM @counters
      WHERE name >= $1 AND name < $2 ORDER BY name LIMIT ${LOOKED_AT + 1}`);
    this.#lock = database.statement(`
      SELECT ${COUNTER_COLUMNS}, ${DETAIL_COLUMNS} FROM @counters
      WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE SKIP LOCKED`);
    // A commit that left a counter held has put back how far it is.
    this.#swept = database.statement(`
      UPDATE @policy_sweep SET swept = CASE WHEN swept = $3 THEN $2 ELSE swept END, owner = NULL WHERE owner = $1`);
    this.#release = database.statement("UPDATE @policy_sweep SET owner = NULL WHERE owner = $1");
  }

  /**
   * Do a slice. Returns whether there are more at once.
   *
   * @param policies  as they were read last
   * @param swept     the revision of policies that all are settled by, likewise
   * @param beside    whether to leave room for calls: to rest after a slice
   */
  async slice(policies: PolicySet, swept: number, beside: boolean): Promise<boolean> {
    if (policies.damaged || swept === policies.revision) return false;
    const began = this.#parts.clock.monotonic();
    const place = this.#sweep?.next(policies, began);
    if (place === undefined && began < this.#askAt) return false;
    const looked = await this.#tryAt(place, policies);
    if (looked === undefined) {
      this.#sweep = undefined;
      this.#askAt = began + ASK_AGAIN_MS;
      return false;
    }
    this.#askAt = began + PROLONG_MS;
    if (place === undefined) {
      if (this.#sweep !== undefined && looked.swept === this.#began) return false;
      this.#sweep = new PolicySweep(looked.swept, true);
      this.#began = looked.swept;
      return true;
    }
    await this.#passed(looked);
    if (beside && looked.wrote)
      await pause(Math.max(0, began + SLICES_APART_MS - this.#parts.clock.monotonic()));
    return true;
  }

  /** Let another process go on. */
  async close(): Promise<void> {
    if (this.#sweep === undefined) return;
    this.#sweep = undefined;
    await this.#parts.database.upkeep((session) => session.send(this.#release, [this.#parts.owner]));
  }

  /** @returns  undefined when it is not for this process, or not now */
  async #tryAt(place: Place | undefined, policies: PolicySet): Promise<Looked | undefined> {
    let looked: Looked | undefined;
    const most = this.#alone > 0 ? 1 : WRITTEN;
    try {
      await this.#parts.database.upkeep(async (session) => {
        looked = undefined;
        const [lease] = await session.send(this.#lease, [this.#parts.owner]);
        if (lease === undefined || !lease.free || lease.copied === false || this.#parts.doubts(lease)) return;
        looked = { ...NOTHING, swept: Number(lease.swept) };
        if (place === undefined) return;
        const { names, next } = await this.#find(session, place, policies, most);
        looked = { ...looked, next, count: names.length };
        if (names.length === 0) return;
        const rows = await session.send(this.#lock, [names]);
        const held = await this.#parts.writing.write(session, rows, lease.copied === true);
        looked = { ...looked, held: held || rows.length < names.length, wrote: true };
      });
    } catch (error) {
      if (objectionTo(error) === undefined || looked === undefined) throw error;
      if (looked.count > 1) {
        this.#alone = looked.count;
        return { ...looked, next: place!.from };
      }
      looked = { ...looked, held: true }; // Passed over until the next round.
    }
    if (looked !== undefined && looked.count > 0) this.#alone = Math.max(0, this.#alone - 1);
    return looked;
  }

  /** The next that are not settled, and the name to go on at. */
  async #find(session: Session, { prefix, from }: Place, policies: PolicySet, most: number) {
    const found = [...(await session.send(this.#rows, [from, endOf(prefix)]))];
    let next = found.length > LOOKED_AT ? (found.pop()!.name as string) : undefined;
    const names: string[] = [];
    for (const row of found) {
      const name = row.name as string;
      const policy = toFollowed(row);
      if (policy === CORRUPT || isSettled({ policy }, name, policies)) continue;
      if (names.length === most) {
        next = name;
        break;
      }
      names.push(name);
    }
    return { names, next };
  }

  async #passed({ next, held }: Looked): Promise<void> {
    const sweep = this.#sweep!;
    const before = sweep.swept;
    sweep.passed(next, held, this.#parts.clock.monotonic());
    if (sweep.swept === before) return;
    this.#sweep = undefined; // All is done, and is saved: whoever has more to do begins with that, and at once.
    this.#askAt = Number.NEGATIVE_INFINITY;
    const values = [this.#parts.owner, sweep.swept, this.#began];
    await this.#parts.database.upkeep((session) => session.send(this.#swept, values));
  }
}

/**
 * Put back how far all are settled, for a commit that leaves counters held. It is another number each time, so that whoever
 * settles meanwhile sees it.
 *
 * $1: of the oldest policy that one of them follows
 */
export const HELD = "UPDATE @policy_sweep SET swept = least(swept, $1::bigint) - 1";

/** What is to be given to HELD. @param policies  that the batch was judged by */
export function heldFrom(save: Pick<Save, "held" | "names">, policies: PolicySet): number {
  return Math.min(...policiesHeld(save, policies).map(({ revision }) => revision));
}

/** What a slice came to. */
interface Looked {
  /** The revision that was saved. */
  readonly swept: number;
  /** The name to go on at; undefined when none is left under the prefix. */
  readonly next: string | undefined;
  /** How many were found that are not settled. */
  readonly count: number;
  readonly wrote: boolean;
  /** Whether one of them has not all that its policy says. */
  readonly held: boolean;
}

const NOTHING = { next: undefined, count: 0, wrote: false, held: false } as const;

/** Some milliseconds each: to look at, and to write, and so long do commits wait that want one of them. */
const LOOKED_AT = 1_000;
const WRITTEN = 200;
/** So that it is 2,000 a second. */
const SLICES_APART_MS = 100;

/** How long another process waits that is to take over from one that was killed. */
const LEASE = "interval '15 seconds'";
const PROLONG_MS = 5_000;
const ASK_AGAIN_MS = 5_000;
