import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { TallyError } from "../../../core/errors.ts";
import type { BackupManifest, BackupSource, RestoreUntil } from "../../../service/store-backup.ts";
import { unusable } from "../../shared/unusable.ts";
import { assertRegular } from "../file/names.ts";
import { statOf } from "../file/whereabouts.ts";
import { TarReader } from "./tar-reader.ts";

/**
 * The backups from which a moment can be reached, the newest first.
 *
 * @param from  a backup, whatever it is of; or a folder of them
 * @param warn  told of what is in the folder and cannot be read: a sentence
 * @throws TallyError STORE_UNAVAILABLE  when there is none
 */
export async function backupsBefore(
  from: BackupSource,
  until: RestoreUntil | undefined,
  warn: (sentence: string) => void,
): Promise<readonly BackupSource[]> {
  if (typeof from !== "string") return [from];
  if (!statSync(from, { throwIfNoEntry: false })?.isDirectory()) return [from];
  const found: { readonly path: string; readonly manifest: BackupManifest }[] = [];
  for (const name of readdirSync(from).filter((each) => each.endsWith(".tar"))) {
    const path = join(from, name);
    try {
      const stat = statOf(path);
      if (stat !== undefined) assertRegular(path, stat);
      const tar = await TarReader.open(path);
      found.push({ path, manifest: tar.manifest });
      await tar.close();
    } catch (error) {
      if (!(error instanceof TallyError)) throw error;
      warn(error.message);
    }
  }
  found.sort((a, b) => Date.parse(b.manifest.time) - Date.parse(a.manifest.time));
  const before = found.filter(({ manifest }) => !isAfter(manifest, until));
  if (before.length > 0) return before.map(({ path }) => path);
  const oldest = found.at(-1)?.manifest;
  throw unusable(
    oldest === undefined
      ? `There is no backup in ${from}.`
      : `There is no backup in ${from} of before that: the oldest is of ${oldest.time}, position ${oldest.position} of the change log.`,
  );
}

/** Whether a backup is of a later moment, by what it says of itself. */
export function isAfter({ position, time }: BackupManifest, until: RestoreUntil | undefined): boolean {
  if (until === undefined) return false;
  return "position" in until ? until.position < Number(position) : until.time < Date.parse(time);
}
