import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { lockedBy } from "./names.ts";
import { statOf } from "./whereabouts.ts";

/**
 * The index beside a WAL (`-shm`), as it was before somebody looked: the first who opens the file makes it anew, of what is in
 * the WAL by then, and the next start would take it for what the WAL once had. So before that it is noted beside it what it
 * was, until it is so again or the WAL has been found to be the right one: a kill in between leaves the note, by which the
 * next start goes.
 *
 * @see https://www.sqlite.org/walformat.html
 */
export class WalIndex {
  readonly #path: string;
  readonly #isNew: boolean;
  /** What it began with, as far as it went; undefined where there was none, or none that can be read. */
  readonly #head: Buffer | undefined;

  /** @param path  the real path of the data file, whose lock the caller holds */
  constructor(path: string) {
    this.#path = path;
    const noted = readNote(path + NOTE);
    this.#isNew = noted === undefined ? statOf(`${path}-shm`) === undefined : noted === null;
    this.#head = noted === undefined ? readHead(`${path}-shm`) : (noted ?? undefined);
  }

  /** Before anybody opens the file. */
  note(): void {
    const head = this.#isNew ? null : (this.#head?.toString("base64") ?? "");
    try {
      writeFileSync(this.#path + NOTE, JSON.stringify({ head }), { mode: 0o600 });
    } catch {
      // A disk that is full or cannot be written: whoever opens the file has the better sentence.
    }
  }

  /** Once the index is again what it was, or is to be what it is. */
  forget(): void {
    rmSync(this.#path + NOTE, { force: true });
  }

  /**
   * How many frames the WAL had when it was last written, by the index that the last process had of it. The index is
   * written after the WAL is on disk, so that a power loss can only leave an older one.
   *
   * @param wal  what the WAL begins with; undefined when it is shorter than its head
   * @returns    undefined when there was no index, or it is one of an older WAL
   */
  framesOf(wal: Buffer | undefined): number | undefined {
    const head = this.#head;
    if (head === undefined || head.length < HEAD_BYTES || !head.subarray(0, 48).equals(head.subarray(48)))
      return undefined;
    if (wal === undefined || !head.subarray(32, 40).equals(wal.subarray(16, 24))) return undefined;
    return littleEndian ? head.readUInt32LE(16) : head.readUInt32BE(16);
  }

  /** Have the next start find what this one found. Once no connection of this process has the file. */
  putBack(): void {
    const head = this.#head;
    this.takeAwayIfNew();
    if (head === undefined || statOf(`${this.#path}-shm`) === undefined) return;
    const fd = openSync(`${this.#path}-shm`, "r+");
    try {
      writeSync(fd, head, 0, head.length, 0);
      if (head.length < HEAD_BYTES) ftruncateSync(fd, head.length);
    } finally {
      closeSync(fd);
    }
  }

  /** Leave none where there was none; but one that another program has by now, whose SQLite holds a lock on the file for as long. */
  takeAwayIfNew(): void {
    if (this.#isNew && lockedBy(this.#path) === undefined) rmSync(`${this.#path}-shm`, { force: true });
  }
}

/** What stands behind the data file's name. */
const NOTE = "-shm-noted";

/** What a look that was killed has noted: null of no index; undefined where there is no note, or it was not written whole. */
function readNote(path: string): Buffer | null | undefined {
  try {
    const { head } = JSON.parse(readFileSync(path, "utf8")) as { head: string | null };
    return head === null ? null : Buffer.from(head, "base64");
  } catch {
    return undefined;
  }
}

/** Both copies of it. */
const HEAD_BYTES = 96;

const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

function readHead(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}
