import { basename, dirname } from "node:path";
import type { BackedUp, BackupMaking, BackupToMake } from "../../../service/store-backup.ts";
import { askProcess } from "../process/asking.ts";
import { isWholeBackup } from "./whole.ts";

/** What the process is asked, once. */
export interface BackupRequest {
  readonly path: string;
  readonly to: string;
  readonly part: string;
  readonly bytesPerSecond: number;
}

/** What it answers. */
export interface BackupMade {
  readonly made: BackedUp;
  readonly warnings: readonly string[];
}

/** Backups of a file that this process serves, made by another one. @param path  the real path of the data file */
export function backupsOf(path: string): BackupMaking {
  return {
    name: basename(path),
    folder: dirname(path),
    make: (options) => make(path, options),
    isWhole: isWholeBackup,
  };
}

async function make(
  path: string,
  { to, part, bytesPerSecond, signal, warn }: BackupToMake,
): Promise<BackedUp> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const { made, warnings } = await askProcess<BackupRequest, never, BackupMade>({
    module: new URL(`./backup-worker${extension}`, import.meta.url),
    request: { path, to, part, bytesPerSecond },
    failed: (why) => `The backup failed: ${why}; what it left goes with the next one`,
    onProgress: () => {},
    signal,
  });
  for (const sentence of warnings) warn(sentence);
  return made;
}
