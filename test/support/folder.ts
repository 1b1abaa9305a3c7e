import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";

/**
 * Where tests keep what need not outlive the machine: in memory, if there is room. There an fsync costs nothing, and
 * the tests of stores take half of the time. What becomes of commits when disks fail is tested elsewhere, on disks.
 */
export function folderInMemory(): string {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize >= ROOM_BYTES ? "/dev/shm" : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** What the tests of a run write at most is less than half of it. */
const ROOM_BYTES = 4 * 2 ** 30;
