/**
 * A piece of an archive: the frames of a WAL from one commit to another, in a file that says what it follows.
 *
 * It is made for zstd: two frames that it skips, with the head before and a digest of all of it after, and between them what
 * is compressed: the frames as they are in the WAL, and behind them the times of the changes in them.
 *
 * @see RFC 8878, 3.1.2 (skippable frames)
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, readSync } from "node:fs";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { TallyError } from "../../../core/errors.ts";
import { unusable } from "../../shared/unusable.ts";
import { openRegular, readRegular } from "../file/regular.ts";
import { frameBytesOf, readWalHead, soundFrames, type WalHead, type WalSums } from "../file/wal.ts";

/** What a piece says of itself. */
export interface PieceHead {
  readonly format: typeof FORMAT;
  /** When the archive was begun, without a gap up to here, in milliseconds since the Unix epoch. */
  readonly began: number;
  /** Which WAL of the archive's it is of, and which frames of it, from 1; both are in it. */
  readonly generation: number;
  readonly from: number;
  readonly to: number;
  /** The WAL's head, in hexadecimal, and the checksum up to the first frame. */
  readonly wal: string;
  readonly sums: WalSums;
  /** The id that the store has in all of these commits; see WalBinding. */
  readonly walId: string;
  /** The digest of the piece before; null of the one that an archive begins with. */
  readonly previous: string | null;
  /** The position of the change log's latest commit before the first frame, and at the last. */
  readonly positions: readonly [before: number, end: number];
  /** Of the first and the last change in it; of a piece without any, when it was archived. In milliseconds, as above. */
  readonly times: readonly [first: number, last: number];
  /** When all of it was committed, in milliseconds, as above. */
  readonly now: number;
  /** How long the rest is, compressed and not. */
  readonly packedBytes: number;
  readonly bytes: number;
}

/** When a commit of the change log was made: its position, and milliseconds since the Unix epoch. */
export type ChangeTime = readonly [position: number, time: number];

/** A piece that was read whole, and is as it was written. */
export interface Piece {
  readonly head: PieceHead;
  readonly wal: WalHead;
  readonly frames: Buffer;
  readonly changes: readonly ChangeTime[];
}

/** What is known of a piece without reading it whole. */
export interface PieceFacts {
  readonly head: PieceHead;
  /** As its end says it: what it is made of may be another thing. */
  readonly digest: string;
}

/** The form of pieces that this version writes, and the only one so far. */
export const FORMAT = "tally-archive/1";

/** What is left to be said of a piece once its frames are there. */
export type PieceToWrite = Omit<PieceHead, "format" | "packedBytes" | "bytes">;

/** The bytes of a piece, and their digest. */
export function pieceOf(
  head: PieceToWrite,
  frames: Buffer,
  changes: readonly ChangeTime[],
): { bytes: Buffer; digest: string } {
  const rest = Buffer.concat([frames, Buffer.from(JSON.stringify(changes))]);
  const packed = zstdCompressSync(rest);
  const whole: PieceHead = { format: FORMAT, ...head, packedBytes: packed.length, bytes: rest.length };
  const before = Buffer.concat([skipped(Buffer.from(JSON.stringify(whole))), packed]);
  const digest = createHash("sha256").update(before).digest();
  return { bytes: Buffer.concat([before, skipped(digest)]), digest: digest.toString("hex") };
}

/**
 * @throws TallyError STORE_UNAVAILABLE  of a file that is not what was written, with why
 */
export function readPiece(bytes: Buffer, path: string): Piece & PieceFacts {
  const damaged = (why: string) => unusable(`${path} is damaged: ${why}.`);
  const end = bytes.length - TRAILER_BYTES;
  const said = end > 0 ? trailerIn(bytes.subarray(end)) : undefined;
  const digest = createHash("sha256")
    .update(bytes.subarray(0, Math.max(end, 0)))
    .digest("hex");
  if (said !== digest) throw damaged("it was cut short, or a bit of it is another than was written");
  const head = headIn(bytes, path);
  const at = SKIPPED_BYTES + bytes.readUInt32LE(4);
  if (at + head.packedBytes !== end) throw damaged("it is not as long as it says");
  const wal = readWalHead(Buffer.from(head.wal, "hex"));
  if (wal === undefined) throw damaged("the head of its WAL is none");
  const rest = zstdDecompressSync(bytes.subarray(at, end), { maxOutputLength: Math.max(head.bytes, 1) });
  const count = head.to - head.from + 1;
  const frames = rest.subarray(0, count * frameBytesOf(wal));
  if (soundFrames(frames, wal, head.sums) !== count) throw damaged("its frames do not follow each other");
  const changes = JSON.parse(rest.toString("utf8", frames.length)) as readonly ChangeTime[];
  return { head, digest, wal, frames, changes };
}

/**
 * What a piece says, without reading more of it than that.
 *
 * @throws TallyError STORE_UNAVAILABLE  of a file that is none
 */
export function factsOf(path: string): PieceFacts {
  const fd = openRegular(path);
  try {
    const { size } = fstatSync(fd);
    const start = Buffer.alloc(SKIPPED_BYTES);
    readSync(fd, start, 0, SKIPPED_BYTES, 0);
    const headBytes = Math.min(start.readUInt32LE(4), HEAD_BYTES_MAX, size);
    const bytes = Buffer.alloc(SKIPPED_BYTES + headBytes);
    readSync(fd, bytes, 0, bytes.length, 0);
    const trailer = Buffer.alloc(TRAILER_BYTES);
    readSync(fd, trailer, 0, TRAILER_BYTES, Math.max(size - TRAILER_BYTES, 0));
    const digest = trailerIn(trailer);
    if (digest === undefined) throw unusable(`${path} is damaged: it was cut short.`);
    return { head: headIn(bytes, path), digest };
  } catch (error) {
    if (error instanceof TallyError) readPiece(readRegular(path), path); // A bit that is another looks like anything else.
    throw error;
  } finally {
    closeSync(fd);
  }
}

function headIn(bytes: Buffer, path: string): PieceHead {
  const none = () => unusable(`${path} is no piece of an archive of Tally's, or its beginning is damaged.`);
  if (bytes.length < SKIPPED_BYTES || bytes.readUInt32LE(0) !== SKIPPED) throw none();
  const length = bytes.readUInt32LE(4);
  if (length > HEAD_BYTES_MAX || SKIPPED_BYTES + length > bytes.length) throw none();
  let head: Partial<PieceHead>;
  try {
    head = JSON.parse(bytes.toString("utf8", SKIPPED_BYTES, SKIPPED_BYTES + length)) as Partial<PieceHead>;
  } catch {
    throw none();
  }
  if (typeof head !== "object" || head === null) throw none();
  if (head.format !== FORMAT)
    throw unusable(
      `${path} has the form ${JSON.stringify(head.format)}, which this Tally does not know; use a newer one.`,
    );
  if (!isHead(head)) throw none();
  return head;
}

function isHead(head: Partial<PieceHead>): head is PieceHead {
  const {
    began,
    generation,
    from,
    to,
    wal,
    sums,
    walId,
    previous,
    positions,
    times,
    now,
    packedBytes,
    bytes,
  } = head;
  const areWhole = (values: readonly unknown[] | undefined, count: number) =>
    Array.isArray(values) && values.length === count && values.every((each) => Number.isSafeInteger(each));
  return (
    areWhole([began, generation, from, to, now, packedBytes, bytes], 7) &&
    [sums, positions, times].every((each) => areWhole(each, 2)) &&
    from! >= 1 &&
    to! >= from! &&
    /^[0-9a-f]{64}$/.test(`${wal}`) &&
    typeof walId === "string" &&
    (previous === null || /^[0-9a-f]{64}$/.test(`${previous}`))
  );
}

/** A frame that zstd skips. */
function skipped(bytes: Buffer): Buffer {
  const start = Buffer.alloc(SKIPPED_BYTES);
  start.writeUInt32LE(SKIPPED, 0);
  start.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([start, bytes]);
}

function trailerIn(bytes: Buffer): string | undefined {
  const isOne = bytes.readUInt32LE(0) === SKIPPED && bytes.readUInt32LE(4) === DIGEST_BYTES;
  return isOne ? bytes.toString("hex", SKIPPED_BYTES) : undefined;
}

const SKIPPED = 0x184d2a50;
const SKIPPED_BYTES = 8;
const DIGEST_BYTES = 32;
const TRAILER_BYTES = SKIPPED_BYTES + DIGEST_BYTES;
/** A head takes some hundred bytes. */
const HEAD_BYTES_MAX = 2 ** 16;
