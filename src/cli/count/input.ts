import { constants, createReadStream, type ReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { assertEnds, waitedFor } from "../../named-file.ts";
import { CommandError, EXIT } from "../exit.ts";

/** What to read, and how much it is. */
export interface Input {
  /** In order, so many bytes at a time. */
  readonly chunks: AsyncIterable<Buffer>;
  /** Size in bytes; undefined when nobody knows, as with a pipe. */
  readonly bytes: number | undefined;
}

/**
 * Files one after another, "-" being standard input; standard input when there are none. Each file ends its last
 * line, newline or not.
 *
 * @param files  looked at before anything is read
 * @param stop   end as if the input had ended here
 * @throws CommandError when one is not there
 */
export async function openInput(files: readonly string[], stop: AbortSignal): Promise<Input> {
  const paths = files.length === 0 ? ["-"] : files;
  let bytes: number | undefined = 0;
  for (const path of paths) {
    const size = await sizeOf(path);
    bytes = size === undefined || bytes === undefined ? undefined : bytes + size;
  }
  return { chunks: chunksOf(paths, stop), bytes };
}

/** Where one file ends and the next begins. */
export const FILE_END = Buffer.alloc(0);

async function* chunksOf(paths: readonly string[], stop: AbortSignal): AsyncGenerator<Buffer> {
  for (const path of paths) {
    if (stop.aborted) return;
    let stream: NodeJS.ReadStream | ReadStream | undefined;
    const end = () => stream?.destroy();
    stop.addEventListener("abort", end);
    try {
      stream = path === "-" ? process.stdin : await streamOf(path);
      if (stop.aborted) return void stream.destroy();
      for await (const chunk of stream) yield chunk;
      if (!stop.aborted) yield FILE_END;
    } catch (error) {
      if (stop.aborted) return; // Ended before its end: the error says no more than that.
      throw unreadable(path, error);
    } finally {
      stop.removeEventListener("abort", end);
    }
  }
}

/** A pipe is waited for; a file never is, though one of /proc may ask for it. */
async function streamOf(path: string): Promise<ReadStream> {
  const options = { highWaterMark: CHUNK_BYTES };
  if (!(await stat(path)).isFile()) return createReadStream(path, options);
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return file.createReadStream(options) as ReadStream;
}

async function sizeOf(path: string): Promise<number | undefined> {
  if (path === "-") return undefined;
  try {
    const found = await stat(path);
    assertEnds(path, "/dev/tty"); // A terminal ends when its person says so.
    if (found.isDirectory()) throw new CommandError(EXIT.FAILURE, `${path} is a folder; expected files.`);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Error {
  if (error instanceof CommandError) return error;
  const { message } = waitedFor(error) as Error;
  return new CommandError(
    EXIT.FAILURE,
    `${path === "-" ? "Standard input" : path} cannot be read: ${message}.`,
  );
}

/** Below the size from which a string of it is kept outside of V8's heap, where slices are slow. */
const CHUNK_BYTES = 2 ** 18;
