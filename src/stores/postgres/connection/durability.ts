import type { ClientBase } from "pg";
import { TallyError } from "../../../core/errors.ts";

/** What a server promises of what it has committed. */
export interface Durability {
  readonly serverVersion: string;
  /** One sentence for the operator. */
  readonly sentence: string;
}

/** Older ones lack what we use of transaction ids and of prepared statements; all are out of support. */
const VERSION_FLOOR = 130_000;

/**
 * Refuse a server on which an answered count could be lost, or a text could not be kept: looked at on every new connection, because settings
 * change, and because another server may have taken the address.
 *
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function assertDurable(client: ClientBase): Promise<Durability> {
  const { rows } = await client.query<Settings>(SETTINGS);
  const settings = rows[0]!;
  if (Number(settings.version_num) < VERSION_FLOOR) {
    throw refused(`PostgreSQL ${settings.version} is too old; Tally needs 13 or newer.`);
  }
  if (settings.fsync !== "on") {
    throw refused(
      "PostgreSQL runs with fsync=off, which loses committed counts when the machine stops; set fsync = on and restart it.",
    );
  }
  if (settings.synchronous_commit === "off") {
    throw refused(
      "PostgreSQL runs with synchronous_commit=off, which answers before a count is on disk; turn it on, for Tally's " +
        "role alone if need be: ALTER ROLE ... SET synchronous_commit = on.",
    );
  }
  if (settings.encoding !== "UTF8") {
    throw refused(
      `The database's encoding is ${settings.encoding}, which cannot hold every label and description; make one with ` +
        "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
    );
  }
  if (settings.in_recovery) {
    throw new StandbyError();
  }
  return { serverVersion: settings.version, sentence: sentenceOf(settings) };
}

/** The settings as text, apart from in_recovery. */
interface Settings {
  readonly version: string;
  readonly version_num: string;
  readonly fsync: string;
  readonly synchronous_commit: string;
  readonly standbys: string;
  readonly full_page_writes: string;
  readonly data_checksums: string;
  readonly encoding: string;
  readonly in_recovery: boolean;
}

const READ_LOCK_TIMEOUT = "2s";

const SETTINGS = `SELECT
  split_part(current_setting('server_version'), ' ', 1) AS version,
  current_setting('server_version_num') AS version_num,
  current_setting('fsync') AS fsync,
  current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('synchronous_standby_names') AS standbys,
  current_setting('full_page_writes') AS full_page_writes,
  current_setting('data_checksums') AS data_checksums,
  current_setting('server_encoding') AS encoding,
  pg_is_in_recovery() AS in_recovery,
  -- For what reads outside a transaction: no rows are left out without a word, and no lock is waited for as long as a
  -- call waits. Behind a pooler this is not kept for sure; transactions that write say it themselves.
  set_config('row_security', 'off', false) AS row_security,
  set_config('lock_timeout', '${READ_LOCK_TIMEOUT}', false) AS lock_timeout`;

function sentenceOf({ synchronous_commit, standbys, full_page_writes, data_checksums }: Settings): string {
  const said = [
    `synchronous_commit=${synchronous_commit}`,
    `synchronous_standby_names=${standbys || "none"}`,
  ];
  const where = standbys === "" ? "on this server's disk alone" : STANDBYS[synchronous_commit]!;
  let sentence = `A count that was answered is ${where} (${said.join(", ")})`;
  if (standbys === "" || synchronous_commit === "local") {
    sentence += "; should that be lost, so is what its replicas do not have yet";
  }
  if (full_page_writes !== "on")
    sentence += "; full_page_writes=off: a crash of the machine can damage pages";
  if (data_checksums !== "on") sentence += "; data checksums are off: damage on disk goes unnoticed";
  return `${sentence}.`;
}

/** By synchronous_commit, where standbys are named. */
const STANDBYS: Readonly<Record<string, string>> = {
  on: "on disk here and on the synchronous standbys",
  remote_apply: "on disk here and on the synchronous standbys, and to be read there",
  remote_write: "on disk here, and at the synchronous standbys, though maybe only in memory",
  local: "on this server's disk alone",
};

/** With several hosts, another one may be the primary. */
export class StandbyError extends TallyError {
  constructor() {
    super(
      "STORE_UNAVAILABLE",
      "PostgreSQL is a standby, which takes no writes; give the address of the primary.",
    );
  }
}

function refused(sentence: string): TallyError {
  return new TallyError("STORE_UNAVAILABLE", sentence);
}
