import type { BackupManifest } from "../../../service/store-backup.ts";
import { unusable } from "../../shared/unusable.ts";
import { MANIFEST, parseManifest } from "./manifest.ts";
import { headFiles, secondsOf } from "./tar.ts";
import { BLOCK_BYTES, END_BYTES, paddingAfter, readTarHeader, tarHeader } from "./ustar.ts";

/** What stands at the beginning of a backup. */
export interface Head {
  readonly manifest: BackupManifest;
  /** How many bytes it has itself. */
  readonly bytes: number;
}

/**
 * Reads the head of a backup: yields how many bytes it wants next, and is given them, or undefined when there are not as many.
 *
 * @param name    of the backup, for people
 * @param isFile  whether that is a path
 * @throws TallyError STORE_UNAVAILABLE  when it is no backup, damaged in its head, or of a newer Tally
 */
export function* readingHead(name: string, isFile: boolean): Generator<number, Head, Buffer | undefined> {
  const block = yield BLOCK_BYTES;
  if (block?.toString("latin1", 0, 15) === "SQLite format 3")
    throw unusable(
      `${name} is a data file and no backup${isFile ? `; give it as --store sqlite:${name}` : ""}.`,
    );
  const header = block && readTarHeader(block);
  if (header?.name !== MANIFEST || header.bytes > MANIFEST_BYTES_MAX)
    throw unusable(`${name} is no backup of Tally's, or its beginning is damaged.`);
  const text = yield header.bytes;
  if (text === undefined) throw damaged(name, ENDS_EARLY);
  // What the head of a backup with this manifest is; it holds the manifest's own digest.
  const expected = headOf(text, header.time);
  const rest = yield expected.length - BLOCK_BYTES - text.length;
  if (rest === undefined || !Buffer.concat([block!, text, rest]).equals(expected))
    throw damaged(name, CHANGED);
  const manifest = parseManifest(text.toString("utf8"), name);
  if (secondsOf(manifest) !== header.time) throw damaged(name, CHANGED);
  return { manifest, bytes: expected.length };
}

/** How many bytes all of a backup has. */
export function bytesOf({ manifest, bytes: head }: Head): number {
  return manifest.files.reduce(
    (sum, { bytes }) => sum + BLOCK_BYTES + bytes + paddingAfter(bytes),
    head + END_BYTES,
  );
}

/** That a backup is not what was written. */
export function damaged(name: string, what: string): Error {
  return unusable(`${name} is damaged: ${what}. Nothing was made of it; take another backup.`);
}

export const ENDS_EARLY = "it ends too early";
const CHANGED = "its manifest is not what was written";

/** A manifest takes some hundred bytes. */
const MANIFEST_BYTES_MAX = 2 ** 16;

function headOf(text: Buffer, time: number): Buffer {
  return Buffer.concat(
    headFiles(text).flatMap(([name, content]) => [
      tarHeader({ name, bytes: content.length, time }),
      content,
      Buffer.alloc(paddingAfter(content.length)),
    ]),
  );
}
