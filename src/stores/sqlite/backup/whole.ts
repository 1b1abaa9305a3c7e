import { closeSync, fstatSync, readSync } from "node:fs";
import { TallyError } from "../../../core/errors.ts";
import { openRegular } from "../file/regular.ts";
import { bytesOf, readingHead } from "./head.ts";
import { END_BYTES } from "./ustar.ts";

/**
 * Whether a file is a backup that is all there: its head is what was written, it is as long as that says, and ends as a backup
 * does. That takes three short reads; whether each bit is right takes all of it, see `tally verify`.
 *
 * @param path  of a file
 */
export function isWholeBackup(path: string): boolean {
  let file: number;
  try {
    file = openRegular(path);
  } catch {
    return false; // Whoever would restore it could not read it either.
  }
  try {
    let at = 0;
    const next = (count: number) => {
      const bytes = readExactly(file, at, count);
      at += count;
      return bytes;
    };
    const reading = readingHead(path, true);
    let step = reading.next();
    while (!step.done) step = reading.next(next(step.value));
    const { size } = fstatSync(file);
    return (
      size === bytesOf(step.value) &&
      readExactly(file, size - END_BYTES, END_BYTES)?.equals(Buffer.alloc(END_BYTES)) === true
    );
  } catch (error) {
    if (error instanceof TallyError || (error as NodeJS.ErrnoException).syscall !== undefined) return false;
    throw error;
  } finally {
    closeSync(file);
  }
}

/** @returns  undefined when there are not as many */
function readExactly(file: number, at: number, count: number): Buffer | undefined {
  const buffer = Buffer.allocUnsafe(count);
  for (let done = 0; done < count; ) {
    const read = readSync(file, buffer, done, count - done, at + done);
    if (read === 0) return undefined;
    done += read;
  }
  return buffer;
}
