import type { StatsFs } from "node:fs";
import { access, constants, statfs } from "node:fs/promises";
import { TallyError } from "../../core/errors.ts";

/**
 * Tells whether the disk of the data file takes writes, without writing to it: so also of a server that nobody asks to
 * change anything. Nothing here opens the file, which would cost the process its lock.
 */
export class Disk {
  readonly #path: string;
  #full = false;

  /** @param path  of the data file */
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws TallyError STORE_UNAVAILABLE  full, read-only, or without the file */
  async assertWritable(): Promise<void> {
    try {
      await access(this.#path, constants.W_OK);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const why = code === "ENOENT" ? "the data file is gone" : "the data file cannot be written";
      throw new TallyError("STORE_UNAVAILABLE", `${why} (${code})`, { cause });
    }
    const free = freeBytesOf(await statfs(this.#path));
    this.#full = free < (this.#full ? ROOM_AGAIN_BYTES : ROOM_BYTES);
    if (this.#full) {
      throw new TallyError("STORE_UNAVAILABLE", "the disk is full", { cause: `${free} bytes are free` });
    }
  }
}

/** How many bytes this user can still write on a disk: some of the room is root's alone. */
export function freeBytesOf({ bsize, bavail, bfree }: StatsFs): number {
  return bsize * (process.getuid?.() === 0 ? bfree : bavail);
}

/** Some hundred pages: a commit of that many calls at once still fits. */
const ROOM_BYTES = 2 ** 20;
/** So that it is not full and not full by turns. */
const ROOM_AGAIN_BYTES = 2 * ROOM_BYTES;
