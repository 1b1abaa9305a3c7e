import { closeSync, constants, fchmodSync, fchownSync, openSync, unlinkSync } from "node:fs";
import { statOf } from "./whereabouts.ts";

/**
 * Make an empty file that only its owner can read and write, whatever the umask; one that is there stays as it is. SQLite
 * gives its WAL the mode of the data file.
 *
 * Closes only a descriptor of a file that nobody else has yet: see lock.ts.
 *
 * @param like  a file whose owner it gets, if root makes it: so that Tally's user can open it afterwards
 * @returns     whether it was made; what keeps it from being made, SQLite finds as well, and has a sentence for it
 */
export function makeFile(path: string, like?: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
  } catch {
    return false;
  }
  try {
    fchmodSync(fd, 0o600);
    const owner = like === undefined ? undefined : statOf(like);
    if (owner !== undefined && process.getuid?.() === 0) fchownSync(fd, Number(owner.uid), Number(owner.gid));
  } finally {
    closeSync(fd);
  }
  return true;
}

/** Take away a file that was made in vain. */
export function unmakeFile(path: string): void {
  try {
    if (statOf(path)?.size === 0n) unlinkSync(path);
  } catch {
    // It does no harm.
  }
}
