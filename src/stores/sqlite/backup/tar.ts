import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { BackupFile, BackupManifest } from "../../../service/store-backup.ts";
import { unusable } from "../../shared/unusable.ts";
import { MANIFEST, MANIFEST_DIGEST, manifestText } from "./manifest.ts";
import { END_BYTES, paddingAfter, tarHeader } from "./ustar.ts";

/** How much is read at once. */
export const CHUNK_BYTES = 2 ** 20;

/** What a file holds, as a manifest tells it. @param name  by which it is in the backup */
export async function describeFile(path: string, name: string): Promise<BackupFile> {
  const digest = createHash("sha256");
  let bytes = 0;
  for await (const chunk of chunksOf(path)) {
    digest.update(chunk);
    bytes += chunk.length;
  }
  return { name, bytes, sha256: digest.digest("hex") };
}

/**
 * A backup: a tar file, piece by piece. The manifest comes first, and a digest of it, which covers all digests in it.
 *
 * @param pathOf  where a file of the manifest stands
 * @throws TallyError STORE_UNAVAILABLE  when one is no more what the manifest says: before its last piece
 */
export async function* tarOf(
  manifest: BackupManifest,
  pathOf: (name: string) => string,
): AsyncGenerator<Buffer, void, void> {
  const time = secondsOf(manifest);
  const text = Buffer.from(manifestText(manifest));
  for (const [name, content] of headFiles(text)) yield* small(name, content, time);
  for (const { name, bytes, sha256 } of manifest.files) {
    yield tarHeader({ name, bytes, time });
    const digest = createHash("sha256");
    for await (const chunk of chunksOf(pathOf(name))) {
      digest.update(chunk);
      yield chunk;
    }
    if (digest.digest("hex") !== sha256)
      throw unusable(`${pathOf(name)} was changed while it was read, or its disk fails; nothing was kept.`);
    yield Buffer.alloc(paddingAfter(bytes));
  }
  yield Buffer.alloc(END_BYTES);
}

/** The files that stand before those of the store, by name. @param text  the manifest's */
export function headFiles(text: Buffer): (readonly [name: string, content: Buffer])[] {
  const digest = createHash("sha256").update(text).digest("hex");
  return [
    [MANIFEST, text],
    [MANIFEST_DIGEST, Buffer.from(`${digest}  ${MANIFEST}\n`)], // As sha256sum --check reads it.
  ];
}

/** When a backup is of, as its headers say it. */
export function secondsOf({ time }: BackupManifest): number {
  return Math.floor(Date.parse(time) / 1_000);
}

function* small(name: string, content: Buffer, time: number): Generator<Buffer, void, void> {
  yield tarHeader({ name, bytes: content.length, time });
  yield content;
  yield Buffer.alloc(paddingAfter(content.length));
}

/**
 * The bytes of a file, which is opened when the first are asked for.
 *
 * @param flags  to open it with
 */
export async function* chunksOf(
  path: string,
  flags: string | number = "r",
): AsyncGenerator<Buffer, void, void> {
  const file = await open(path, flags);
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null); // A pipe has no places in it.
      if (bytesRead === 0) return;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** Write all of it. A disk may take less at once than it was given. */
export async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}
