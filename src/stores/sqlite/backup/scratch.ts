import { lstatSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { unusable } from "../../shared/unusable.ts";
import { freeBytesOf } from "../disk.ts";
import { holdLock } from "../file/lock.ts";

/** A folder for what is not whole yet, of one process alone. */
export interface Scratch {
  readonly folder: string;
  /** Take it away with what is in it. */
  remove(): void;
}

/**
 * Have a folder by a certain name; what a process that was killed has left there is taken away.
 *
 * @throws TallyError STORE_UNAVAILABLE  while another process has it; and where something else stands by that name, of which
 *                                       nothing is taken away, and into which nothing is written
 */
export function scratchAt(folder: string): Scratch {
  for (let left = TRIES; ; left--) {
    made(folder, () => makeUnlessThere(folder));
    try {
      assertOurs(folder);
      const lock = holdLock(join(folder, "copy.db"));
      for (const name of NAMES) rmSync(join(folder, name), { force: true });
      return removedAtExit(folder, () => lock.release()); // Held until then: nobody else's files are in it.
    } catch (error) {
      // Who had it has taken it away in between.
      if (left === 0 || lstatSync(folder, { throwIfNoEntry: false }) !== undefined) throw error;
    }
  }
}

const TRIES = 20;

function makeUnlessThere(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** What may stand in one. */
const NAMES = ["copy.db", "copy.db-history", "backup.tar"].flatMap((name) =>
  ["", "-wal", "-shm", "-journal"].map((suffix) => name + suffix),
);
const LOCKS = ["copy.db-lock", "copy.db-history-lock"];

/** A folder, no link to one, that this user made, with nothing in it that is not of a backup. */
function assertOurs(folder: string): void {
  const stat = lstatSync(folder);
  const isOurs =
    stat.isDirectory() &&
    stat.uid === process.geteuid!() &&
    readdirSync(folder).every((name) => NAMES.includes(name) || LOCKS.includes(name));
  if (isOurs) return;
  throw unusable(
    `${folder} is there, and is not what a backup has left: move it away, or give another name.`,
    Object.assign(new Error("exists"), { code: "EEXIST" }),
  );
}

/** Have a folder that nobody else knows of, in another one. */
export function scratchIn(parent: string): Scratch {
  const folder = made(parent, () => mkdtempSync(join(parent, "tally-scratch-")));
  return removedAtExit(folder, () => {});
}

/** A process that ends when nobody reads its output any more, leaves nothing either. */
function removedAtExit(folder: string, removed: () => void): Scratch {
  const removeAll = () => {
    const gone = `${folder}.${process.pid}`; // By its name somebody else may have a folder at once.
    try {
      renameSync(folder, gone);
    } catch {
      return; // Somebody has taken it away.
    }
    rmSync(gone, { recursive: true, force: true });
  };
  process.once("exit", removeAll);
  const remove = () => {
    process.removeListener("exit", removeAll);
    removeAll();
    removed();
  };
  return { folder, remove };
}

function made<Result>(folder: string, make: () => Result): Result {
  try {
    return make();
  } catch (cause) {
    const { code = "" } = cause as { code?: string };
    throw unusable(`Nothing can be written in ${folder} (${code}); give another folder.`, cause);
  }
}

/** @throws TallyError STORE_UNAVAILABLE  when a disk has no room for so many bytes */
export function assertRoom(folder: string, bytes: number): void {
  const free = freeIn(folder);
  if (free >= bytes + SLACK_BYTES) return;
  throw unusable(
    `There is no room in ${folder}: ${mib(bytes)} MiB are needed, and ${mib(free)} MiB are free; free some, or name another folder.`,
    Object.assign(new Error("no room"), { code: "ENOSPC" }),
  );
}

/** Whether a disk has no room left to speak of. */
export function isFull(folder: string): boolean {
  return freeIn(folder) < SLACK_BYTES;
}

const SLACK_BYTES = 2 ** 20;

/** How many bytes this user can still write on the disk of a file or folder. */
export function freeIn(path: string): number {
  return freeBytesOf(statfsSync(path));
}

function mib(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}

/** @throws TallyError STORE_UNAVAILABLE  when something stands at a path, be it a link to nothing */
export function assertNothingAt(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  throw unusable(
    `${path} is there already, and nothing is written over: give another name, or move it away.`,
    Object.assign(new Error("exists"), { code: "EEXIST" }),
  );
}

/** Have on disk which files a folder has. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
