import { ChangeColumns } from "../../../core/change.ts";
import type { StoredNamedChange } from "../../shared/history/rows.ts";
import { packChanges } from "../../shared/packed-changes.ts";
import type { Database } from "../connection/database.ts";
import type { Call } from "../connection/session.ts";
import { arrayOf } from "../rows.ts";
import { type LoadedRows, ROW_BYTES } from "./loaded-rows.ts";

/** The statements that save what was written into loaded rows: after SAVE_STATE, in its transaction. */
export function savingOf(database: Database, rows: LoadedRows): Call[] {
  const { counters, gone, open, packed, changes, forget, dropChanges, drop } = rows.pending;
  const calls: Call[] = [];
  const call = (sql: string, ...values: readonly unknown[]) => calls.push([database.statement(sql), values]);
  if (counters.size > 0) {
    const all = Array.from(counters, (number) => rows.counterAt(number));
    call(
      PUT_COUNTERS,
      arrayOf(all.map(({ number }) => number)),
      all.map(({ name }) => name),
      all.map(({ uid }) => uid),
      arrayOf(all.map(({ from }) => from)),
      arrayOf(all.map(({ to }) => to)),
      arrayOf(all.map(({ erased }) => erased)),
    );
  }
  // In the order of their keys, so that what is written stands together.
  for (const [rowsOf, put, remove] of [
    [open, PUT_OPEN, REMOVE_OPEN],
    [packed, PUT_PACKED, REMOVE_PACKED],
  ] as const) {
    const keys = [...rowsOf].map(([key, bytes]) => ({ key: key.split(" ").map(Number), bytes }));
    keys.sort((a, b) => byNumbers(a.key, b.key));
    const written = keys.filter(({ bytes }) => bytes !== undefined);
    const gone = keys.filter(({ bytes }) => bytes === undefined);
    const columns = (of: typeof keys) => of[0]!.key.map((_, i) => arrayOf(of.map(({ key }) => key[i]!)));
    if (written.length > 0)
      call(
        put,
        ...columns(written),
        written.map(({ bytes }) => bytes),
      );
    if (gone.length > 0) call(remove, ...columns(gone));
  }
  if (gone.length > 0) call(REMOVE_COUNTERS, arrayOf(gone));
  if (forget.length > 0) call(FORGET, arrayOf(forget));
  if (changes.length > 0) {
    call(
      PUT_CHANGES,
      arrayOf(changes.map(({ number }) => number)),
      arrayOf(changes.map(({ position }) => position)),
      arrayOf(changes.map(({ change }) => change.time)),
      changes.map(packed1),
    );
  }
  if (dropChanges !== undefined) call(DROP_CHANGES, dropChanges);
  if (rows.grown !== 0) call(GROW, rows.grown);
  if (drop !== undefined) call(DROP, drop.level, drop.period, drop.limit);
  return calls;
}

function packed1({ change }: StoredNamedChange): Uint8Array {
  const columns = new ChangeColumns(1);
  columns.append(0, change);
  return packChanges(columns, [0n], change.time);
}

function byNumbers(a: readonly number[], b: readonly number[]): number {
  const i = a.findIndex((each, at) => each !== b[at]);
  return i === -1 ? 0 : a[i]! - b[i]!;
}

const PUT_COUNTERS = `
  INSERT INTO @history_counters (number, name, uid, from_ms, to_ms, erased)
  SELECT number, name, uid, from_ms, to_ms, erased
  FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::boolean[])
    AS u (number, name, uid, from_ms, to_ms, erased)
  ON CONFLICT (number) DO UPDATE SET to_ms = excluded.to_ms, erased = excluded.erased`;
const PUT_OPEN = `
  INSERT INTO @history_open (start_ms, number, bucket) SELECT start_ms, number, bucket
  FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS u (start_ms, number, bucket)
  ON CONFLICT (start_ms, number) DO UPDATE SET bucket = excluded.bucket`;
const REMOVE_OPEN = freeing(`
  DELETE FROM @history_open WHERE (start_ms, number) IN (
    SELECT start_ms, number FROM unnest($1::bigint[], $2::bigint[]) AS u (start_ms, number))
  RETURNING length(bucket) AS bytes`);
const PUT_PACKED = `
  INSERT INTO @history_packed (level, period_ms, number, buckets)
  SELECT level, period_ms, number, buckets
  FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bytea[]) AS u (level, period_ms, number, buckets)
  ON CONFLICT (level, period_ms, number) DO UPDATE SET buckets = excluded.buckets`;
const REMOVE_PACKED = freeing(`
  DELETE FROM @history_packed WHERE (level, period_ms, number) IN (
    SELECT level, period_ms, number
    FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS u (level, period_ms, number)) RETURNING length(buckets) AS bytes`);
const REMOVE_COUNTERS = "DELETE FROM @history_counters WHERE number = ANY($1::bigint[])";
const FORGET = "DELETE FROM @history_changes WHERE number = ANY($1::bigint[])";
const DROP_CHANGES = "DELETE FROM @history_changes WHERE position < $1";
const PUT_CHANGES = `
  INSERT INTO @history_changes (number, position, time_ms, change)
  SELECT number, position, time_ms, change
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) AS u (number, position, time_ms, change)`;
const DROP = freeing(`
  DELETE FROM @history_packed WHERE (level, period_ms, number) IN (
    SELECT level, period_ms, number FROM @history_packed WHERE level = $1 AND period_ms = $2 LIMIT $3)
  RETURNING length(buckets) AS bytes`);
const GROW = "UPDATE @history_state SET bytes = bytes + $1";

/** A statement that removes rows and returns their lengths, so that the state knows of it. */
function freeing(remove: string): string {
  return `WITH gone AS (${remove})
    UPDATE @history_state SET bytes = bytes - coalesce((SELECT sum(bytes + ${ROW_BYTES}) FROM gone), 0)`;
}
