import { closeSync, openSync, readSync } from "node:fs";
import { unusable } from "../../shared/unusable.ts";

/**
 * Of the head of a data file, what SQLite has written there is the same in all of ours, whatever is in the WAL. SQLite looks
 * at some of it late: when it has taken the WAL into the file, and emptied it.
 *
 * @param path  of a file that is there
 * @throws TallyError STORE_UNAVAILABLE  when it differs; nothing was touched
 */
export function assertHead(path: string): void {
  const head = Buffer.alloc(HEAD_BYTES);
  const fd = openSync(path, "r");
  try {
    // What is shorter, or begins in another way, SQLite tells of.
    if (readSync(fd, head, 0, HEAD_BYTES, 0) < HEAD_BYTES || !head.subarray(0, 16).equals(MAGIC)) return;
  } finally {
    closeSync(fd);
  }
  const pageBytes = head.readUInt16BE(16) === 1 ? 65_536 : head.readUInt16BE(16);
  const [writes, reads, reserved, ...shares] = head.subarray(18, 24);
  const isSound =
    pageBytes >= 512 &&
    (pageBytes & (pageBytes - 1)) === 0 &&
    [writes, reads].every((version) => version === 1 || version === 2) &&
    reserved === 0 &&
    shares.every((share, i) => share === SHARES[i]);
  if (!isSound)
    throw unusable(`The head of ${path} is damaged; restore it from a backup. Nothing was changed.`);
}

const HEAD_BYTES = 24;
const MAGIC = Buffer.from("SQLite format 3\0");
/** The most and the least of a page that a cell may take, and of a leaf's: fixed by the file format. */
const SHARES = [64, 32, 32];
