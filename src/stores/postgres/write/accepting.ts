import { ChangeColumns } from "../../../core/change.ts";
import { CORRUPT, type FullCounter } from "../../../core/counter.ts";
import type { Accepting } from "../../../service/store-accepting.ts";
import { accepted, endAt, flawOf, nameOfLost, openingOf } from "../../shared/by-hand.ts";
import type { Row } from "../connection/session.ts";
import type { CopyingParts } from "../copying.ts";
import {
  arrayOf,
  COUNTER_COLUMNS,
  DETAIL_COLUMNS,
  labelKey,
  marked,
  storedSettingsRevision,
  toFullCounter,
  unmarked,
} from "../rows.ts";
import { CounterIds } from "./counter-ids.ts";

/** Takes what was changed by hand as it stands: a row gets another id, under which the change log begins anew. */
export class PostgresAccepting implements Accepting {
  readonly #parts: CopyingParts;
  readonly #ids: CounterIds;

  constructor(parts: CopyingParts) {
    this.#parts = parts;
    this.#ids = new CounterIds(parts.database);
  }

  async accept(
    names: readonly string[],
    revisions: ReadonlyMap<string, number>,
    lost: readonly string[],
  ): Promise<(FullCounter | string)[]> {
    const { database, hold, log, maintenance, newUid } = this.#parts;
    await hold?.assertHeld();
    const statement = database.statement.bind(database);
    const ids = await this.#ids.take(names.length);
    const results = await database.transaction(async (session) => {
      const rows = await session.send(statement(ROWS), [names]);
      const [moment] = await session.send(statement(MOMENT));
      const now = Number(moment!.now);
      const columns = new ChangeColumns(2 * names.length + lost.length);
      const changed: bigint[] = [];
      const gone = lost.map(BigInt);
      const taken: (FullCounter | string)[] = [];
      for (const [i, name] of names.entries()) {
        const row = rows.find((each) => each.name === name);
        const counter =
          row &&
          toFullCounter({
            ...row,
            revision: max(row.revision),
            settings_revision: sound(row),
          });
        const flaw =
          counter === undefined
            ? "there is none"
            : counter === CORRUPT
              ? "its row is not one that Tally could have written: look at its labels, description, times, initial value, window, refill and idle TTL"
              : flawOf(counter);
        if (flaw !== undefined) {
          taken.push(flaw);
          continue;
        }
        const after = accepted(counter as FullCounter, revisions.get(name) ?? 0, now);
        const { revision, updateTime, labels } = after;
        const values = [row!.id, ids[i], revision, storedSettingsRevision(after), updateTime];
        await session.send(statement(REPLACE), values);
        await session.send(statement("DELETE FROM @counter_labels WHERE name = $1"), [name]);
        const keys = Object.entries(labels).map(([key, value]) => labelKey(key, value));
        await session.send(statement(LABEL), [keys, name]);
        columns.append(changed.push(ids[i]!) - 1, openingOf(after));
        gone.push(row!.id as bigint);
        taken.push(after);
      }
      for (const id of gone) columns.append(changed.push(id) - 1, endAt(now));
      if (changed.length === 0) return taken;
      await session.send(statement(TOMBSTONE), [
        arrayOf(gone),
        gone.map(nameOfLost),
        gone.map(() => newUid()),
      ]);
      await session.send(...log.append(moment!.taken as bigint, columns, changed, now));
      return taken;
    });
    await maintenance.place();
    return results;
  }
}

/** A revision of 0 or less is mended by the one that follows. */
function max(revision: unknown): bigint {
  return (revision as bigint) < 1n ? 1n : (revision as bigint);
}

/** The same of the settings revision, marked as goes with the row: see storedSettingsRevision. */
function sound(row: Row): bigint {
  const { window_spec, refill_spec, idle_ttl_ms, policy } = row;
  const timed = window_spec !== null || refill_spec !== null || idle_ttl_ms !== null;
  const { settingsRevision } = unmarked(row.settings_revision as bigint);
  return marked(max(settingsRevision), timed, policy !== null);
}

const ROWS = `SELECT ${COUNTER_COLUMNS}, ${DETAIL_COLUMNS} FROM @counters WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE`;
const MOMENT = `SELECT nextval('@change_order') AS taken, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`;
const REPLACE = `
  UPDATE @counters SET id = $2, revision = $3, settings_revision = $4, update_ms = $5 WHERE id = $1`;
const LABEL =
  "INSERT INTO @counter_labels (label, name) SELECT label, $2 FROM unnest($1::text[]) AS u (label)";
const TOMBSTONE = `
  INSERT INTO @deleted_counters (id, name, uid, history)
  SELECT id, name, uid, false FROM unnest($1::bigint[], $2::text[], $3::uuid[]) AS u (id, name, uid)
  ON CONFLICT (id) DO NOTHING`;
