/** The process in which a server has its own files backed up: beside it, as `tally backup` is. */
import { answerOnce } from "../process/answering.ts";
import { backupSqlite } from "./backup.ts";
import type { BackupMade, BackupRequest } from "./in-process.ts";

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

answerOnce<BackupRequest, never, BackupMade>(async ({ path, to, part, bytesPerSecond }, { signal }) => {
  const warnings: string[] = [];
  const made = await backupSqlite(path, {
    ...{ to, part, bytesPerSecond, scratch: undefined, clock: CLOCK, signal },
    onProgress: () => {},
    warn: (sentence) => void warnings.push(sentence),
  });
  return { made, warnings };
});
