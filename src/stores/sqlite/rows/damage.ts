import { CORRUPT } from "../../../core/counter.ts";

/**
 * Whether an error says that the file is damaged where something was read or written: SQLite's own, also as thrown in this
 * folder where what stands there is not what was written; or of a key that only Tally writes, and never twice.
 */
export function isCorrupt(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  if (code === undefined || message === undefined) return false;
  if (code.startsWith("SQLITE_CORRUPT")) return true;
  return code.startsWith("SQLITE_CONSTRAINT") && (OUR_KEYS.test(message) || OUR_TYPES.test(message));
}

/** Of damage that SQLite does not see, as it tells of what it sees. */
export function corrupt(message: string): Error {
  return Object.assign(new Error(message), { code: "SQLITE_CORRUPT" });
}

/**
 * Do it; where that meets damage, the error says in what.
 *
 * @param of  after "damaged in"
 */
export function namingDamage<Result>(of: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (isCorrupt(error)) Object.assign(error as object, { damagedIn: of });
    throw error;
  }
}

/** What an error of damage says it is in, if it does. */
export function damagedIn(error: unknown): string | undefined {
  return (error as { damagedIn?: string }).damagedIn;
}

/** What is found; CORRUPT where what leads there is damaged. */
export function unlessCorrupt<Found>(find: () => Found): Found | typeof CORRUPT {
  try {
    return find();
  } catch (error) {
    if (isCorrupt(error)) return CORRUPT;
    throw error;
  }
}

/** What was read to be written there, from an entry beside it, has rotted to another type. */
const OUR_TYPES = /^cannot store \w+ value in \w+ column (?:counter_names|counter_labels|request_ids_\d+)\./;

/** What has one of these twice has rotted. */
const OUR_KEYS =
  /^UNIQUE constraint failed: (?:(?:counters|counts|recent_counts|deleted_counters)\.id|counter_names\.name|counter_labels\.key|change_openings\.counter_id|request_id_generations\.id|change_log\.position|request_ids_\d+\.key)\b/;
