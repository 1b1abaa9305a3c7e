import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import type { BackupFile, BackupManifest } from "../../../service/store-backup.ts";
import { unusable } from "../../shared/unusable.ts";
import { CHUNK_BYTES, headFiles, secondsOf } from "./archive.ts";
import { MANIFEST, parseManifest } from "./manifest.ts";
import { BLOCK_BYTES, END_BYTES, paddingAfter, readTarHeader, tarHeader } from "./ustar.ts";

/**
 * Reads a backup as it was written, from its first bit to its last: each is either covered by a digest or can have one value
 * only. The bytes of its files are sound once `extract` of all of them and `end` have resolved, and not before.
 */
export class ArchiveReader {
  readonly manifest: BackupManifest;
  readonly #file: FileHandle;
  readonly #path: string;
  #at: number;

  private constructor(file: FileHandle, path: string, manifest: BackupManifest, at: number) {
    this.#file = file;
    this.#path = path;
    this.manifest = manifest;
    this.#at = at;
  }

  /** @throws TallyError STORE_UNAVAILABLE  when it is no backup, damaged in its head, or of a newer Tally */
  static async open(path: string): Promise<ArchiveReader> {
    const file = await open(path, "r").catch((cause: unknown) => {
      const { code = "" } = cause as { code?: string };
      throw unusable(`${path} cannot be read (${code}).`, cause);
    });
    try {
      if (!(await file.stat()).isFile())
        throw unusable(`${path} is no file, and a backup is read more than once: write it into one first.`);
      const block = await readExactly(file, 0, BLOCK_BYTES);
      if (block?.toString("latin1", 0, 15) === "SQLite format 3")
        throw unusable(`${path} is a data file and no backup; give it as --store sqlite:${path}.`);
      const header = block && readTarHeader(block);
      if (header?.name !== MANIFEST || header.bytes > MANIFEST_BYTES_MAX)
        throw unusable(`${path} is no backup of Tally's, or its beginning is damaged.`);
      const text = await readExactly(file, BLOCK_BYTES, header.bytes);
      if (text === undefined) throw damaged(path, "it ends too early");
      // What the head of a backup with this manifest is; it holds the manifest's own digest.
      const expected = headOf(text, header.time);
      const head = await readExactly(file, 0, expected.length);
      if (head?.equals(expected) !== true) throw damaged(path, "its manifest is not what was written");
      const manifest = parseManifest(text.toString("utf8"), path);
      if (secondsOf(manifest) !== header.time) throw damaged(path, "its manifest is not what was written");
      return new ArchiveReader(file, path, manifest, expected.length);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Give out the bytes of the next file of the manifest, in pieces.
   *
   * @throws TallyError STORE_UNAVAILABLE  after the last piece, when they are not those that were written
   */
  async *extract({ name, bytes, sha256 }: BackupFile): AsyncGenerator<Buffer, void, void> {
    await this.#expect(tarHeader({ name, bytes, time: secondsOf(this.manifest) }), name);
    const digest = createHash("sha256");
    for (let left = bytes; left > 0; ) {
      const chunk = await this.#take(Math.min(left, CHUNK_BYTES));
      digest.update(chunk);
      left -= chunk.length;
      yield chunk;
    }
    if (digest.digest("hex") !== sha256) throw damaged(this.#path, `${name} in it is not what was written`);
    await this.#expect(Buffer.alloc(paddingAfter(bytes)), name);
  }

  /** @throws TallyError STORE_UNAVAILABLE  when anything else comes than the end */
  async end(): Promise<void> {
    await this.#expect(Buffer.alloc(END_BYTES), "its end");
    const { size } = await this.#file.stat();
    if (size !== this.#at) throw damaged(this.#path, "something follows its end");
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #expect(expected: Buffer, what: string): Promise<void> {
    const found = await this.#take(expected.length);
    if (!found.equals(expected)) throw damaged(this.#path, `${what} in it is not what was written`);
  }

  async #take(bytes: number): Promise<Buffer> {
    const found = await readExactly(this.#file, this.#at, bytes);
    if (found === undefined) throw damaged(this.#path, "it ends too early");
    this.#at += bytes;
    return found;
  }
}

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

/** @returns  undefined when there are not as many */
async function readExactly(file: FileHandle, at: number, bytes: number): Promise<Buffer | undefined> {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(buffer, done, bytes - done, at + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return buffer;
}

function damaged(path: string, what: string): Error {
  return unusable(`${path} is damaged: ${what}. Nothing was made of it; take another backup.`);
}
