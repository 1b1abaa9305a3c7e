import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { readingFlags } from "../../named-file.ts";
import { openInput } from "../count/input.ts";
import { CommandError, EXIT } from "../exit.ts";
import type { ImportOptions } from "./import-session.ts";
import { UnreadableFile } from "./parser.ts";
import { type Row, RowReader } from "./reading.ts";

/** A file that can be read twice: once to see whether it can be imported, and once to do it. */
export interface SourceFile {
  /** As it was named. */
  readonly name: string;
  readonly path: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Take away what was made for it. */
  close(): Promise<void>;
}

/**
 * @param file  "-" is standard input: it is kept in a file of its own meanwhile, and so is a pipe
 * @param stop  end, as if nothing more came; whoever aborts it does not go on
 * @throws CommandError when it is not there, or is a named pipe or a device
 */
export async function openSource(file: string, stop: AbortSignal): Promise<SourceFile> {
  if (file !== "-") expectReadable(file);
  const input = await openInput([file], stop);
  const name = file === "-" ? "standard input" : file;
  if (input.bytes !== undefined) return { name, path: file, bytes: input.bytes, close: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), "tally-import-")); // Of mode 0700.
  const path = join(folder, "input");
  const close = () => rm(folder, { recursive: true, force: true });
  try {
    const writing = createWriteStream(path);
    await pipeline(Readable.from(input.chunks), writing);
    return { name, path, bytes: writing.bytesWritten, close };
  } catch (error) {
    await close();
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      EXIT.STORE_UNREACHABLE,
      `${name} cannot be kept in ${folder}: ${(error as Error).message}. TMPDIR says where else.`,
    );
  }
}

/** @throws CommandError  of a named pipe, a socket, a device */
function expectReadable(file: string): void {
  try {
    readingFlags(file);
  } catch (error) {
    throw new CommandError(EXIT.FAILURE, `${file} cannot be read: ${(error as Error).message}.`);
  }
}

/** How a file is read, and how far. */
export interface Reading {
  readonly lines: number;
  readonly bytes: number;
  readonly rows: AsyncIterable<readonly Row[]>;
  /** The SHA-256 of all bytes, once they are read. */
  digest(): string;
}

/** Read it from its beginning. @throws CommandError, of rows, when it cannot be read */
export async function readSource(
  { name, path }: SourceFile,
  { format, prefix }: Pick<ImportOptions, "format" | "prefix">,
  stop: AbortSignal,
): Promise<Reading> {
  const { chunks } = await openInput([path], stop);
  const reader = new RowReader(format, prefix);
  const hash = createHash("sha256");
  async function* hashed() {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  }
  async function* rows() {
    try {
      yield* reader.rows(hashed());
    } catch (error) {
      if (!(error instanceof UnreadableFile)) throw error;
      throw new CommandError(EXIT.REFUSED, `${name} cannot be imported: ${error.message}.`);
    }
  }
  return {
    get lines() {
      return reader.lines;
    },
    get bytes() {
      return reader.bytes;
    },
    rows: rows(),
    digest: () => hash.digest("hex"),
  };
}
