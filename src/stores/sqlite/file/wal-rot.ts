/**
 * Tells a WAL that was damaged from one that a crash has torn. SQLite reads either up to the first frame that is not as it was
 * written, and says nothing of what stands behind it.
 *
 * With `synchronous=FULL` a commit is on disk before the first frame of the next one is written. So where a commit stands behind
 * the place at which a reader stops, and a whole further one directly behind that, all up to the first of them had been on disk,
 * and was answered: what is not there any more was damaged. A crash tears the last commit only, and leaves one commit at
 * most there. What stands behind that is left over: of an older WAL, whose salts are others, or of a former attempt at this
 * commit, which does not follow from it.
 *
 * What is told so is never a crash. Not told is what was damaged so that no such two are left behind: in the last commit, up to where
 * that begins (the head of the frame before it included), or in each; and what was cut away. Nor is it told by several ends of
 * commits that stand there and do not follow: each former attempt can have left one, with the same salts.
 */
import { closeSync, fsyncSync, openSync, readSync } from "node:fs";
import {
  areSame,
  FRAME_HEAD_BYTES,
  frameBytesOf,
  readWalHead,
  sumsThrough,
  WAL_HEAD_BYTES,
  type WalHead,
  type WalSums,
} from "./wal.ts";

/**
 * Whether a WAL lacks commits that were on disk.
 *
 * Reads what stands behind the last commit that a reader finds: 1 GiB of it takes two seconds, or half of one where it is an
 * older WAL's.
 *
 * @param path    of the WAL
 * @param frames  how many a reader finds: up to the last commit before it stops
 */
export function isRotten(path: string, frames: number): boolean {
  const fd = openSync(path, "r");
  try {
    const first = Buffer.alloc(WAL_HEAD_BYTES);
    if (readSync(fd, first, 0, WAL_HEAD_BYTES, 0) < WAL_HEAD_BYTES) return false;
    const head = readWalHead(first);
    if (head === undefined) return false; // Of which a reader finds none, whatever stands below.
    const frameBytes = frameBytesOf(head);
    const search = new RotSearch(head, frames, sumsBefore(fd, head, frames));
    const piece = Buffer.allocUnsafe(frameBytes * Math.max(1, Math.floor(PIECE_BYTES / frameBytes)));
    for (let at = WAL_HEAD_BYTES + frames * frameBytes; ; ) {
      const read = readSync(fd, piece, 0, piece.length, at); // Of a regular file, less only at its end.
      const whole = read - (read % frameBytes);
      if (search.finds(piece.subarray(0, whole))) return true;
      if (whole === 0) return false;
      at += whole;
    }
  } finally {
    closeSync(fd);
  }
}

const PIECE_BYTES = 2 ** 20;

/**
 * Have a WAL on disk as it is. What a killed process has written and not synced yet is there for whoever reads it, and a power
 * loss would tear it as if it were the last commit: so before another one is written behind it.
 */
export function syncWal(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function sumsBefore(fd: number, head: WalHead, frames: number): WalSums {
  if (frames === 0) return head.sums;
  const sums = Buffer.alloc(8);
  readSync(fd, sums, 0, 8, WAL_HEAD_BYTES + (frames - 1) * frameBytesOf(head) + 16);
  return [sums.readUInt32BE(0), sums.readUInt32BE(4)];
}

/** The same of frames that are given in pieces, in their order. */
export class RotSearch {
  readonly #head: WalHead;
  readonly #salts: readonly [number, number];
  /** Of the next frame, the first of the WAL being 0. */
  #index: number;
  #before: Seen;

  /**
   * @param frames  how many a reader finds: what is searched begins behind them
   * @param sums    the checksum up to there
   */
  constructor(head: WalHead, frames: number, sums: WalSums) {
    this.#head = head;
    this.#salts = [head.bytes.readUInt32BE(16), head.bytes.readUInt32BE(20)];
    this.#index = frames;
    this.#before = { sums, own: undefined, isOurs: true, commits: undefined, isWhole: false };
  }

  /** @param frames  whole ones. @returns  whether the WAL is found to be damaged */
  finds(frames: Buffer): boolean {
    const frameBytes = frameBytesOf(this.#head);
    for (let at = 0; at < frames.length; at += frameBytes, this.#index++) {
      const seen = this.#look(frames, at);
      if (seen.isWhole && frames.readUInt32BE(at + 4) > 0) return true;
      this.#before = seen;
    }
    return false;
  }

  #look(frames: Buffer, at: number): Seen {
    const before = this.#before;
    const isOurs =
      frames.readUInt32BE(at + 8) === this.#salts[0] && frames.readUInt32BE(at + 12) === this.#salts[1];
    const sums: WalSums = [frames.readUInt32BE(at + 16), frames.readUInt32BE(at + 20)];
    const isCommit = frames.readUInt32BE(at + 4) > 0;
    const isTorn = !this.#isInOneSector();
    // Most of what stands there is an older WAL's, which has no sums that matter.
    if (!isOurs && !before.isOurs)
      return {
        sums,
        own: undefined,
        isOurs,
        commits: isCommit && !isTorn ? "said" : undefined,
        isWhole: false,
      };
    const own = sumsThrough(frames, this.#head, at, before.sums);
    const followsSaid = areSame(sums, own);
    // Where it is the checksum of the one before that was damaged, it follows from what that should have been.
    const followsOwn =
      !followsSaid &&
      before.own !== undefined &&
      areSame(sums, sumsThrough(frames, this.#head, at, before.own));
    const follows = followsSaid || followsOwn;
    const isAfterCommit = followsSaid ? before.commits === "said" : before.commits !== undefined;
    const isNext = isOurs && frames.readUInt32BE(at) > 0 && follows && (before.isWhole || isAfterCommit);
    return {
      ...{ sums, own, isOurs, isWhole: isNext },
      commits: !isCommit ? undefined : follows || !isTorn ? "said" : "own",
    };
  }

  /**
   * Whether the head of the next frame is on disk as a whole, or not at all: a disk writes sectors, and of a head that reaches
   * from one into another the first half may be of another frame that was written there before.
   */
  #isInOneSector(): boolean {
    const at = WAL_HEAD_BYTES + this.#index * frameBytesOf(this.#head);
    return Math.floor(at / SECTOR_BYTES) === Math.floor((at + FRAME_HEAD_BYTES - 1) / SECTOR_BYTES);
  }
}

/** The smallest that disks write. */
const SECTOR_BYTES = 512;

/** What is known of a frame. */
interface Seen {
  /** Its checksum, as it says it. */
  readonly sums: WalSums;
  /** The checksum that it would have by what is in it; undefined where nobody asks. */
  readonly own: WalSums | undefined;
  /** Whether its salts are the WAL's. */
  readonly isOurs: boolean;
  /**
   * Whether it ends a commit, if the next frame follows from it: by the checksum that it says, or only by its own; undefined when
   * it ends none.
   */
  readonly commits: "said" | "own" | undefined;
  /** Whether it follows, with all frames from a commit on, without a gap. */
  readonly isWhole: boolean;
}
