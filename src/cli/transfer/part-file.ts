import { lstatSync } from "node:fs";
import { type FileHandle, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { parsed } from "../exact-json.ts";
import { CommandError, EXIT } from "../exit.ts";
import { isRunning, ownMark, type ProcessMark } from "./process-mark.ts";

/** How far a file is. */
export interface Place {
  /** Of the page that follows what is in the file; "" for the first one. */
  readonly pageToken: string;
  readonly counters: number;
  /** Names of counters that are not in the file because they are damaged. */
  readonly corrupt: readonly string[];
}

/**
 * A file that has its name once it is whole. Until then it is FILE.part, and FILE.part.state says how far that goes: who is
 * killed goes on there, and what was written behind it is written anew.
 */
export class PartFile {
  /** Where it goes on; as written last. */
  place: Place = { pageToken: "", counters: 0, corrupt: [] };
  bytes = 0;
  readonly #path: string;
  readonly #of: string;
  readonly #file: FileHandle;

  private constructor(path: string, of: string, file: FileHandle) {
    this.#path = path;
    this.#of = of;
    this.#file = file;
  }

  /**
   * Begin, or go on with what another run has begun.
   *
   * @param path  nothing may be there
   * @param of    what is exported: another run of something else is not gone on with
   * @throws CommandError
   */
  static async open(path: string, of: string): Promise<PartFile> {
    expectFree(path);
    const state = await stateAt(path, of);
    const made = await open(`${path}.part`, state === undefined ? "wx+" : "a+", 0o600).catch((error) => {
      throw cannot(`${path}.part`, error);
    });
    const part = new PartFile(path, of, made);
    // Less than was said to be on disk is what a crash of the machine leaves on some: then from the beginning.
    if (state !== undefined && (await made.stat()).size >= state.bytes) {
      part.bytes = state.bytes;
      part.place = state.place;
    }
    await made.truncate(part.bytes);
    await part.#write();
    return part;
  }

  /** Add to it. */
  async append(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await this.#file.appendFile(bytes).catch((error) => {
      throw cannot(`${this.#path}.part`, error);
    });
    this.bytes += bytes.length;
  }

  /** Have all of it on disk, and say that it goes so far. */
  async reach(place: Place): Promise<void> {
    this.place = place;
    await this.#onDisk();
    await this.#write();
  }

  /** It is whole: give it its name. */
  async finish(): Promise<void> {
    await this.#onDisk();
    await this.#file.close();
    expectFree(this.#path);
    await rename(`${this.#path}.part`, this.#path);
    await rm(stateOf(this.#path));
  }

  async #onDisk(): Promise<void> {
    await this.#file.sync().catch((error) => {
      throw cannot(`${this.#path}.part`, error);
    });
  }

  async #write(): Promise<void> {
    const state: State = { of: this.#of, ...ownMark(), bytes: this.bytes, place: this.place };
    const next = `${stateOf(this.#path)}.next`;
    try {
      await writeFile(next, JSON.stringify(state), { mode: 0o600, flush: true });
      await rename(next, stateOf(this.#path));
    } catch (error) {
      throw cannot(stateOf(this.#path), error);
    }
  }
}

/** Who writes it, and how far it is. */
interface State extends ProcessMark {
  readonly of: string;
  /** So much of the file is as `place` says. */
  readonly bytes: number;
  readonly place: Place;
}

function stateOf(path: string): string {
  return `${path}.part.state`;
}

/** What a run before has left; undefined when there was none. @throws CommandError when it cannot be gone on with */
async function stateAt(path: string, of: string): Promise<State | undefined> {
  const text = await readFile(stateOf(path), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw cannot(stateOf(path), error);
  });
  if (text === undefined) return undefined;
  const state = stateIn(text);
  if (state === undefined)
    throw new CommandError(EXIT.REFUSED, `${stateOf(path)} is no export's. To begin anew: ${anew(path)}`);
  if (isRunning(state))
    throw new CommandError(
      EXIT.REFUSED,
      `Process ${state.pid} writes ${path}.part. If that is no export any more: ${anew(path)}`,
    );
  if (state.of !== of)
    throw new CommandError(
      EXIT.REFUSED,
      `${path}.part was begun by an export of something else (${state.of}; now ${of}). To begin anew: ${anew(path)}`,
    );
  return state;
}

function stateIn(text: string): State | undefined {
  const state = parsed(text) as Partial<State> | undefined;
  const whole =
    typeof state?.bytes === "number" && typeof state.pid === "number" && state.place !== undefined;
  return whole ? (state as State) : undefined;
}

function anew(path: string): string {
  return `rm ${path}.part ${stateOf(path)}`;
}

function expectFree(path: string): void {
  if (isThere(path))
    throw new CommandError(EXIT.REFUSED, `${path} is there already, and nothing is written over.`);
}

/** A link that leads nowhere is there, too. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw cannot(path, error);
  }
}

function cannot(path: string, error: unknown): CommandError {
  if ((error as NodeJS.ErrnoException).code === "EEXIST")
    return new CommandError(
      EXIT.REFUSED,
      `${path} is there, and nothing says how far it goes. To begin anew: rm ${path}`,
    );
  return new CommandError(EXIT.STORE_UNREACHABLE, `${path} cannot be written: ${(error as Error).message}.`);
}
