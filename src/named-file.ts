import { closeSync, constants, openSync, readSync, type Stats, statSync } from "node:fs";
import { assertNoNamedPipe } from "./named-pipe.ts";

/** What such a file may have, in bytes: bundles of certificates and lists of revoked ones are the largest. */
const BYTES_MAX = 16 * 2 ** 20;

/**
 * Read all of a file of settings that a person names, at a start: nothing else goes on meanwhile.
 *
 * @throws Error  as readNamedFile
 */
export function readNamedFileSync(path: string): Buffer {
  const fd = openSync(path, readingFlags(path));
  try {
    const whole = new Whole();
    while (whole.takes(readSync(fd, whole.next)));
    return whole.bytes();
  } catch (error) {
    throw waitedFor(error);
  } finally {
    closeSync(fd);
  }
}

/**
 * Read all of a file of settings that a person names. How large it is shows while it is read: a file of /proc says 0.
 *
 * @throws Error  whose message is why it cannot be read, without the path; with a code when it is the system's
 */
export async function readNamedFile(path: string): Promise<Buffer> {
  const { open } = await import("node:fs/promises"); // A command that calls a server would load it for nothing.
  const file = await open(path, readingFlags(path));
  try {
    const whole = new Whole();
    while (whole.takes((await file.read(whole.next)).bytesRead));
    return whole.bytes();
  } catch (error) {
    throw waitedFor(error);
  } finally {
    await file.close();
  }
}

/**
 * How to open a file that a person names, to read it: nobody is waited for. So a device is refused, which may have no end or
 * say nothing, as a named pipe is; what is open already, as /dev/stdin, is read whatever it is, and /dev/null is an empty file.
 *
 * @throws Error  whose message is why it cannot be read, without the path
 */
export function readingFlags(path: string): number {
  assertNoNamedPipe(path);
  assertEnds(path);
  const found = OPEN_ALREADY.test(path) ? undefined : lookAt(path);
  return found?.isFile() ? WITHOUT_WAITING : constants.O_RDONLY;
}

/**
 * Refuse what may have no end, or nobody to say so; but not what is open already.
 *
 * @param but  devices that do end, beside /dev/null
 * @throws Error  whose message is why it cannot be read, without the path
 */
export function assertEnds(path: string, ...but: readonly string[]): void {
  const found = OPEN_ALREADY.test(path) ? undefined : lookAt(path);
  if (found === undefined) return;
  if (found.isSocket()) throw new Error(`it is a socket; ${GIVE}`);
  if (!found.isBlockDevice() && !found.isCharacterDevice()) return;
  const ends = found.isCharacterDevice() && [NULL, ...but].some((each) => lookAt(each)?.rdev === found.rdev);
  if (!ends) throw new Error(`it is a device; ${GIVE}`);
}

/** The reason in words, where a file has nothing yet and would be waited for. */
export function waitedFor(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return error;
  return new Error(`it has nothing now, and who reads it waits; ${GIVE}`, { cause: error });
}

/** A file of /proc and /sys can have one waiting, and looks like any other. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;

const OPEN_ALREADY = /^\/dev\/(stdin|fd\/\d+)$|^\/proc\/(self|\d+)\/fd\/\d+$/;
const NULL = "/dev/null";
const GIVE = "give a file, or a pipe that is open, such as <(...)";

function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined; // Whoever opens it has the better sentence.
  }
}

/** What is read piece by piece, up to a bound. */
class Whole {
  /** Where the next piece goes. */
  next = Buffer.allocUnsafe(PIECE_BYTES);
  readonly #pieces: Buffer[] = [];
  #length = 0;

  /** Take so many bytes of `next`. @returns  whether there may be more. @throws Error  when it is too much */
  takes(count: number): boolean {
    if (count === 0) return false;
    this.#pieces.push(this.next.subarray(0, count));
    this.#length += count;
    if (this.#length > BYTES_MAX)
      throw new Error(
        `it has more than ${BYTES_MAX / 2 ** 20} MiB; give a file of settings, keys or certificates`,
      );
    this.next = Buffer.allocUnsafe(PIECE_BYTES);
    return true;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces, this.#length);
  }
}

const PIECE_BYTES = 2 ** 16;
