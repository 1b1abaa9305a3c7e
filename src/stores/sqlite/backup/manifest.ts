import type { BackupManifest } from "../../../service/store-backup.ts";
import { unusable } from "../../shared/unusable.ts";

/** The names of what is in a backup. */
export const MANIFEST = "manifest.json";
export const MANIFEST_DIGEST = "manifest.json.sha256";
export const DATA = "tally.db";
export const HISTORY = "tally.db-history";

/** The form of backups that this version writes, and the only one so far. */
export const FORMAT = "tally-backup/1";

/** The manifest as it stands in the backup: for people, too. */
export function manifestText(manifest: BackupManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/**
 * Read a manifest, whose digest was right.
 *
 * @throws TallyError STORE_UNAVAILABLE  when it is of another form, or none
 */
export function parseManifest(text: string, path: string): BackupManifest {
  let parsed: Partial<Record<keyof BackupManifest, unknown>>;
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch (cause) {
    throw unusable(`${path} is no backup of Tally's: its manifest is no JSON.`, cause);
  }
  if (parsed.format !== FORMAT)
    throw unusable(
      `${path} has the form ${JSON.stringify(parsed.format)}, which this Tally does not know; use a newer one.`,
    );
  if (!isManifest(parsed)) throw unusable(`${path} is no backup of Tally's: its manifest lacks something.`);
  return parsed;
}

function isManifest(parsed: Partial<Record<keyof BackupManifest, unknown>>): parsed is BackupManifest {
  const { schema, historySchema, position, time, storeId, logId, counters, findings, files } = parsed;
  const names = Array.isArray(files) ? files.map((file: { name?: unknown }) => file?.name).join() : "";
  return (
    [schema, counters, findings].every(isWhole) &&
    (historySchema === null || isWhole(historySchema)) &&
    [storeId, logId].every((id) => id === null || typeof id === "string") &&
    /^\d+$/.test(`${position}`) &&
    typeof time === "string" &&
    Number.isFinite(Date.parse(time)) &&
    names === (historySchema === null ? [DATA] : [DATA, HISTORY]).join() &&
    (files as { bytes?: unknown; sha256?: unknown }[]).every(
      ({ bytes, sha256 }) => isWhole(bytes) && /^[0-9a-f]{64}$/.test(`${sha256}`),
    )
  );
}

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
