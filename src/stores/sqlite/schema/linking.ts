/**
 * What a file from before entries were linked gets: links and checksums over all that is in it. Damage is not blessed:
 * a file whose b-trees are broken is refused, and a row that fails its checksum goes on failing.
 */
import type { Database } from "better-sqlite3";
import { Checksum } from "../../shared/checksum.ts";
import { unusable } from "../../shared/unusable.ts";
import { deletedChecksum, openingChecksum } from "../rows/change-log-rows.ts";
import { sealCopying } from "../rows/copying-row.ts";
import { generationChecksum, idLink } from "../rows/generation-rows.ts";
import { sealHead } from "../rows/head.ts";
import { END, checksumOf as entryChecksum } from "../rows/linked-entries.ts";
import { sealCounts } from "./sealing-counts.ts";

/** Inside the transaction of a migration. */
export function linkAll(db: Database): void {
  assertWhole(db);
  inSql(db, "entry_checksum", (key: string, value: string, name: string, counter_id: bigint) =>
    entryChecksum({ key, value, name, counter_id: Number(counter_id) }),
  );
  inSql(db, "id_link", idLink);
  inSql(db, "generation_checksum", generationChecksum);
  inSql(db, "opening_checksum", openingChecksum);
  inSql(db, "deleted_checksum", deletedChecksum);
  db.exec(LINKED);
  const generations = db.prepare<[], bigint>("SELECT id FROM request_id_generations").pluck().all();
  for (const id of generations) db.exec(linkedIds(id));
  sealHead(db);
  sealCopying(db);
  sealCounts(db);
}

/**
 * Have the links of request ids name their generation, in a file whose links do not. One that is neither the link of
 * before nor that of now is of a row that has lost the next one, and stays as it is. Inside the transaction of a migration.
 */
export function nameGenerations(db: Database): void {
  inSql(db, "id_link", idLink);
  inSql(db, "id_link_before", (key: string, next: string) => new Checksum().text(key).text(next).value);
  const generations = db.prepare<[], bigint>("SELECT id FROM request_id_generations").pluck().all();
  for (const id of generations) {
    db.exec(`
      UPDATE request_ids_${id} AS row SET next = id_link(${id}, row.key, following.key)
      FROM (SELECT key AS of, coalesce(lead(key) OVER (ORDER BY key), '') AS key FROM request_ids_${id}) AS following
      WHERE following.of = row.key AND row.next = id_link_before(row.key, following.key)`);
  }
}

/** Have SQL compute it. */
function inSql(db: Database, name: string, value: (...values: never[]) => number): void {
  db.function(name, { deterministic: true, safeIntegers: true, varargs: true }, (...values) =>
    BigInt(value(...(values as never[]))),
  );
}

function assertWhole(db: Database): void {
  const [first] = db.pragma("quick_check(1)") as { quick_check: string }[];
  if (first?.quick_check === "ok") return;
  throw unusable(
    `The file is damaged (${first?.quick_check}), and is not brought to this version; restore it from a backup.`,
  );
}

const NEXT = (order: string) => `coalesce(lead(checksum + counter_id) OVER (ORDER BY ${order}), ${END})`;

const LINKED = `
  -- Counters by their names; see linked-entries.ts.
  CREATE TABLE counter_names (
    name TEXT PRIMARY KEY, -- '' of the first, which is nobody's.
    counter_id INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    next INTEGER NOT NULL -- The link of the entry that follows.
  ) WITHOUT ROWID, STRICT;
  -- By the names in the index and by those in the rows: of a name that rotted both lead to the row, which says so.
  INSERT INTO counter_names (name, counter_id, checksum, next)
    SELECT name, counter_id, checksum, ${NEXT("name")} FROM (
      SELECT name, counter_id, entry_checksum('', '', name, counter_id) AS checksum FROM (
        SELECT name, min(id) AS counter_id FROM (
          SELECT '' AS name, 0 AS id
          UNION SELECT name, id FROM counters INDEXED BY counters_by_name
          UNION SELECT name, id FROM counters NOT INDEXED
        ) GROUP BY name
      )
    ) ORDER BY name;
  DROP INDEX counters_by_name;

  -- Counters by their labels, each pair in the order of the names. The truth is in counters.labels.
  CREATE TABLE linked_labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    name TEXT NOT NULL, -- Of the counter.
    counter_id INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (key, value, name)
  ) WITHOUT ROWID, STRICT;
  INSERT INTO linked_labels (key, value, name, counter_id, checksum, next)
    SELECT key, value, name, counter_id, checksum, ${NEXT("key, value, name")} FROM (
      SELECT key, value, name, counter_id, entry_checksum(key, value, name, counter_id) AS checksum FROM (
        SELECT key, value, name, min(counter_id) AS counter_id FROM (
          SELECT '' AS key, '' AS value, '' AS name, 0 AS counter_id
          UNION SELECT key, value, name, counter_id FROM counter_labels
          UNION SELECT label.key, label.value, name, counters.id
          FROM counters, json_each(CASE WHEN json_valid(labels) THEN labels END) AS label WHERE label.type = 'text'
        ) GROUP BY key, value, name
      )
    ) ORDER BY key, value, name;
  DROP TABLE counter_labels;
  ALTER TABLE linked_labels RENAME TO counter_labels;

  ALTER TABLE request_id_generations ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
  UPDATE request_id_generations SET checksum = generation_checksum(id, opened_ms, closed_ms, bytes, forgotten);
  ALTER TABLE change_openings ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
  UPDATE change_openings SET checksum = opening_checksum(counter_id, revision, value, time_ms);
  ALTER TABLE deleted_counters ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
  UPDATE deleted_counters SET checksum = deleted_checksum(id, name, uid, history);

  -- How far the whole file has come; see head.ts.
  ALTER TABLE service_time ADD COLUMN log_dropped INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE service_time ADD COLUMN log_end INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE service_time ADD COLUMN openings INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE service_time ADD COLUMN opening_ids INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE service_time ADD COLUMN schema_sum INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE service_time ADD COLUMN schema_version INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE service_time ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
  UPDATE service_time SET
    log_dropped = (SELECT coalesce(min(position), 1) - 1 FROM change_log),
    log_end = (SELECT coalesce(max(position), 0) FROM change_log),
    openings = (SELECT count(*) FROM change_openings),
    opening_ids = (SELECT coalesce(sum(counter_id), 0) FROM change_openings);
  ALTER TABLE copying ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
`;

/** The table of a generation as request-ids.ts makes it. */
function linkedIds(generation: bigint): string {
  const table = `request_ids_${generation}`;
  return `
  CREATE TABLE linked_ids (
    key TEXT PRIMARY KEY, checksum INTEGER NOT NULL, record BLOB NOT NULL, next INTEGER NOT NULL
  ) WITHOUT ROWID, STRICT;
  INSERT INTO linked_ids (key, checksum, record, next)
    SELECT key, checksum, record, id_link(${generation}, key, coalesce(lead(key) OVER (ORDER BY key), '')) FROM (
      SELECT '' AS key, 0 AS checksum, x'' AS record UNION ALL SELECT key, checksum, record FROM ${table}
    ) ORDER BY key;
  DROP TABLE ${table};
  ALTER TABLE linked_ids RENAME TO ${table};`;
}
