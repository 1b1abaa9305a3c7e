/** Reading a WAL that SQLite has open: by its path, which drops no lock. */
import { closeSync, openSync, readSync } from "node:fs";
import { unusable } from "../../shared/unusable.ts";
import {
  frameAt,
  frameBytesOf,
  readWalHead,
  soundFrames,
  WAL_HEAD_BYTES,
  type WalHead,
  type WalSums,
} from "../file/wal.ts";

/** Do something with a WAL, which is open meanwhile. @param wal  its head; undefined where there is none, or it is damaged */
export function withWal<Result>(
  path: string,
  read: (fd: number, wal: WalHead | undefined) => Result,
): Result {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(WAL_HEAD_BYTES);
    readSync(fd, bytes, 0, WAL_HEAD_BYTES, 0);
    return read(fd, readWalHead(bytes));
  } finally {
    closeSync(fd);
  }
}

/** The checksum that the WAL has after a frame; it is believed because what follows fits it. */
export function sumsAfter(fd: number, wal: WalHead, frame: number): WalSums {
  if (frame === 0) return wal.sums;
  const bytes = readFrames(fd, wal, frame - 1, 1);
  return frameAt(bytes, wal, 0).sums;
}

/** @returns  some frames that end with a commit, and how many they are */
export function committedFrames(
  fd: number,
  wal: WalHead,
  from: number,
  end: number,
  before: WalSums,
): { frames: Buffer; count: number } {
  for (let wanted = Math.ceil(PIECE_BYTES / frameBytesOf(wal)); ; wanted *= 2) {
    const there = Math.min(wanted, end - from);
    const frames = readFrames(fd, wal, from, there);
    if (soundFrames(frames, wal, before) < there)
      throw unusable(
        "the -wal is damaged, or was written by somebody else: what is committed cannot be read.",
      );
    for (let count = there; count > 0; count--)
      if (frameAt(frames, wal, count - 1).filePages > 0)
        return { frames: frames.subarray(0, count * frameBytesOf(wal)), count };
    if (there === end - from) throw unusable("the -wal does not end with a commit.");
  }
}

/** What is read, compressed and written at once. */
const PIECE_BYTES = 16 * 2 ** 20;

function readFrames(fd: number, wal: WalHead, from: number, count: number): Buffer {
  const frameBytes = frameBytesOf(wal);
  const bytes = Buffer.allocUnsafe(count * frameBytes);
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(fd, bytes, done, bytes.length - done, WAL_HEAD_BYTES + from * frameBytes + done);
    if (read === 0) return bytes.subarray(0, done);
    done += read;
  }
  return bytes;
}
