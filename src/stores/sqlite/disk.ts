import type { StatsFs } from "node:fs";
import { access, constants, stat, statfs } from "node:fs/promises";
import { TallyError } from "../../core/errors.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { STORE_FILES } from "../../telemetry/series.ts";
import { historyPathOf } from "./history/path.ts";

/**
 * Tells whether the disk of the data file takes writes, without writing to it: so also of a server that nobody asks to
 * change anything. Nothing here opens the file, which would cost the process its lock.
 */
export class Disk {
  readonly #path: string;
  readonly #metrics: Metrics;
  readonly #files: readonly string[];
  #full = false;

  /** @param path  of the data file */
  constructor(path: string, metrics: Metrics) {
    this.#path = path;
    this.#metrics = metrics;
    const history = historyPathOf(path);
    this.#files = [path, `${path}-wal`, history, `${history}-wal`]; // As STORE_FILES has them.
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
    const { roomBytes: free } = await this.look();
    this.#full = free < (this.#full ? ROOM_AGAIN_BYTES : ROOM_BYTES);
    if (this.#full) {
      throw new TallyError("STORE_UNAVAILABLE", "the disk is full", { cause: `${free} bytes are free` });
    }
  }

  /** Look how large the files are and what room there is, and have that told. */
  async look(): Promise<DiskSize> {
    const [disk, ...files] = await Promise.all([statfs(this.#path), ...this.#files.map(bytesOf)]);
    const roomBytes = freeBytesOf(disk);
    const { numbers } = this.#metrics;
    numbers[this.#metrics.placeOf("storeRoomBytes", {})] = roomBytes;
    for (const [i, file] of STORE_FILES.entries())
      numbers[this.#metrics.placeOf("storeFileBytes", { file })] = files[i] ?? Number.NaN;
    return { bytes: files.reduce((sum: number, bytes) => sum + (bytes ?? 0), 0), roomBytes };
  }
}

/** How large the files of a store are, all together, and how much can still be written to the disk of the data file. */
export interface DiskSize {
  readonly bytes: number;
  readonly roomBytes: number;
}

/** Of a file; undefined where there is none. Nobody opens it for that. */
async function bytesOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
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
