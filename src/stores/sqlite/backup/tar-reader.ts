import { createHash } from "node:crypto";
import { readingFlags, waitedFor } from "../../../named-file.ts";
import type { BackupFile, BackupManifest, BackupSource } from "../../../service/store-backup.ts";
import { unusable } from "../../shared/unusable.ts";
import { damaged, ENDS_EARLY, type Head, readingHead } from "./head.ts";
import { Octets } from "./octets.ts";
import { CHUNK_BYTES, chunksOf, secondsOf } from "./tar.ts";
import { END_BYTES, paddingAfter, tarHeader } from "./ustar.ts";

/**
 * Reads a backup as it was written, from its first bit to its last, once: each is either covered by a digest or can have one
 * value only. The bytes of its files are sound once `extract` of all of them and `end` have resolved, and not before.
 */
export class TarReader {
  readonly manifest: BackupManifest;
  readonly #octets: Octets;
  /** What it is called to people. */
  readonly #name: string;

  private constructor(octets: Octets, name: string, manifest: BackupManifest) {
    this.#octets = octets;
    this.#name = name;
    this.manifest = manifest;
  }

  /** @throws TallyError STORE_UNAVAILABLE  when it is no backup, a named pipe or a device, damaged in its head, or of a newer Tally */
  static async open(from: BackupSource): Promise<TarReader> {
    const isFile = typeof from === "string";
    const name = isFile ? from : from.name;
    const octets = new Octets(isFile ? chunksOf(from, flagsOf(from)) : from.chunks);
    try {
      return new TarReader(octets, name, (await headIn(octets, name, isFile)).manifest);
    } catch (error) {
      await octets.close();
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
      const chunk = await this.#octets.takeSome(Math.min(left, CHUNK_BYTES));
      if (chunk === undefined) throw damaged(this.#name, ENDS_EARLY);
      digest.update(chunk);
      left -= chunk.length;
      yield chunk;
    }
    if (digest.digest("hex") !== sha256) throw damaged(this.#name, `${name} in it is not what was written`);
    await this.#expect(Buffer.alloc(paddingAfter(bytes)), name);
  }

  /** @throws TallyError STORE_UNAVAILABLE  when anything else comes than the end */
  async end(): Promise<void> {
    await this.#expect(Buffer.alloc(END_BYTES), "its end");
    if ((await this.#octets.takeSome(1)) !== undefined)
      throw damaged(this.#name, "something follows its end");
  }

  close(): Promise<void> {
    return this.#octets.close();
  }

  async #expect(expected: Buffer, what: string): Promise<void> {
    const found = await this.#octets.take(expected.length);
    if (found === undefined) throw damaged(this.#name, ENDS_EARLY);
    if (!found.equals(expected)) throw damaged(this.#name, `${what} in it is not what was written`);
  }
}

async function headIn(octets: Octets, name: string, isFile: boolean): Promise<Head> {
  const reading = readingHead(name, isFile);
  for (let step = reading.next(); ; ) {
    if (step.done) return step.value;
    const bytes = await octets.take(step.value).catch((cause: unknown) => {
      const { code, message } = waitedFor(cause) as NodeJS.ErrnoException; // It is not there, or is a folder.
      throw unusable(
        code === undefined ? `${name} cannot be read: ${message}.` : `${name} cannot be read (${code}).`,
        cause,
      );
    });
    step = reading.next(bytes);
  }
}

/** @throws TallyError STORE_UNAVAILABLE  of a named pipe, a socket, a device */
function flagsOf(path: string): number {
  try {
    return readingFlags(path);
  } catch (error) {
    throw unusable(`${path} cannot be read: ${(error as Error).message}.`, error);
  }
}
