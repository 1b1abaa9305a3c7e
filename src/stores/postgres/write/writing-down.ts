import { decideTidying } from "../../../core/batch.ts";
import { CORRUPT, type Fixed, type FullCounter } from "../../../core/counter.ts";
import { TallyError } from "../../../core/errors.ts";
import { isSettled } from "../../../core/settling.ts";
import type { Calendar } from "../../../core/window.ts";
import { CATALOGUE_MARK } from "../catalogue.ts";
import type { ChangeLog } from "../change-log.ts";
import type { Database } from "../connection/database.ts";
import { isSkipped, objectionIn } from "../connection/errors.ts";
import type { Call, Row, Session, Statement } from "../connection/session.ts";
import { SERVED } from "../copy-lock.ts";
import { NOW_MS } from "../now.ts";
import type { PoliciesInDatabase } from "../policies.ts";
import { toFullCounter } from "../rows.ts";
import { CounterWrites } from "./writes.ts";

/** What the rest of the store lends. */
export interface WritingParts {
  readonly database: Database;
  readonly log: ChangeLog;
  readonly policies: PoliciesInDatabase;
  readonly calendar: Calendar;
  readonly newUid: () => string;
}

/** Writes down what time and policies have made of counters that nobody has called. Inside the caller's transaction. */
export class WritingDown {
  readonly #parts: WritingParts;
  readonly #writes: CounterWrites;
  readonly #moment: Statement;
  readonly #served: Statement;

  constructor(parts: WritingParts) {
    const { database } = parts;
    this.#parts = parts;
    this.#writes = new CounterWrites(database);
    this.#moment = database.statement(
      `SELECT nextval('@change_order') AS taken, ${NOW_MS} AS now, ${CATALOGUE_MARK}`,
    );
    this.#served = database.statement(SERVED);
  }

  /**
   * @param rows    those of some counters, which are locked; one that is damaged stays as it is
   * @param copied  whether the store is a copy that nobody has served yet
   * @returns       whether one of them has not all that its policy says, be it written or not
   */
  async write(session: Session, rows: readonly Row[], copied: boolean): Promise<boolean> {
    const counters: FullCounter[] = [];
    const ids: bigint[] = [];
    for (const row of rows) {
      const counter = toFullCounter(row);
      if (counter === CORRUPT) continue;
      counters.push(counter);
      ids.push(row.id as bigint);
    }
    if (counters.length === 0) return false;
    const { calendar, newUid, log } = this.#parts;
    const [moment] = await session.send(this.#moment); // Now that they are locked.
    const now = Number(moment!.now);
    const policies = await this.#parts.policies.at(session, moment!.catalogue);
    const fixed = new Map<number, Fixed>(counters.entries());
    const names = counters.map(({ name }) => name);
    const context = { now, calendar, policies, uidSeed: newUid() };
    const save = decideTidying({ names, counters, fixed }, context);
    const held = counters.some(
      (counter, i) =>
        !save.deleted.has(i) && !isSettled(save.fixed.get(i) ?? counter, counter.name, policies),
    );
    if (save.changed.length === 0) return held;
    const found = { facts: { fixed, revisions: counters.map(({ revision }) => revision) }, ids };
    const calls: Call[] = this.#writes.of(save, found, ids);
    if (save.changes.count > 0) calls.push(log.append(moment!.taken as bigint, save.changes, ids, now));
    if (copied) calls.push([this.#served, []]);
    await Promise.all(calls.map((call) => session.send(...call)));
    return held;
  }
}

/** What in the database is against what was to be written; undefined when it is nothing of the rows. */
export function objectionTo(error: unknown): string | undefined {
  const cause = error instanceof TallyError ? error.cause : error;
  if (cause === undefined) return undefined;
  return isSkipped(cause) ? "a trigger or rule that skips the row" : objectionIn(cause);
}
