import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { unusable } from "../../shared/unusable.ts";
import { statOf } from "./whereabouts.ts";

/** What stands beside a data file. Which sidecars belong to it is told by its name alone. */
export const SIDECARS = ["-wal", "-shm", "-lock", "-journal"] as const;

/**
 * Refuse what is no regular file: a pipe would be waited for without end, and a device have anything. And refuse a data file
 * that others may come to by a name beside which its WAL and its lock do not stand: two servers would
 * write one file without seeing each other, and what one has in its WAL is missing for the other.
 *
 * Only looks by path: to open a file and to close it again would drop this process's locks on it.
 *
 * @param path  the real path of the data file
 * @throws TallyError STORE_UNAVAILABLE; of a file that another process has open, as SQLITE_BUSY
 */
export function assertOneName(path: string): void {
  const mounts = mountPoints();
  for (const each of [path, ...SIDECARS.map((suffix) => path + suffix)]) {
    const stat = statOf(each);
    if (stat === undefined) {
      assertNoDeadLink(each);
      continue;
    }
    assertRegular(each, stat);
    if (stat.nlink > 1n) {
      if (each === path) assertNotOpen(path);
      throw unusable(
        `${each} has ${stat.nlink} names (hard links), and beside another of them other changes to it may stand; ` +
          "remove the other names, or copy it to a file of its own: cp it under a new name, then mv that over it.",
      );
    }
    if (mounts.has(each)) {
      throw unusable(
        `${each} is mounted by itself, so that what belongs beside it stands elsewhere; mount the folder that it is in instead.`,
      );
    }
  }
}

/** Refuse what is no regular file, before anything waits for it. @throws TallyError STORE_UNAVAILABLE, as SQLITE_CANTOPEN */
export function assertRegular(path: string, stat: KindOfFile): void {
  const kind = KINDS.find(([is]) => stat[is]())?.[1];
  if (kind !== undefined) throw noFile(path, kind);
}

/** Refuse a link of which nothing can be seen: SQLite would say so of the data file. @throws  as assertRegular */
function assertNoDeadLink(path: string): void {
  let target: string;
  try {
    if (!lstatSync(path).isSymbolicLink()) return;
    target = readlinkSync(path);
  } catch {
    return; // There is nothing, or nobody may look: whoever opens it has the better sentence.
  }
  throw noFile(path, `a symbolic link to ${target}, which is not there`);
}

/** A refusal of what cannot be the file that it is to be. @param kind  what it is */
export function noFile(path: string, kind: string): Error {
  return unusable(
    `${path} is ${kind}; expected a regular file, or nothing yet: move it away, or give another path.`,
    Object.assign(new Error("no regular file"), { code: "SQLITE_CANTOPEN" }),
  );
}

type KindOfFile = Pick<BigIntStats, (typeof KINDS)[number][0]>;

const KINDS = [
  ["isDirectory", "a folder"],
  ["isFIFO", "a pipe (FIFO)"],
  ["isSocket", "a socket"],
  ["isBlockDevice", "a device"],
  ["isCharacterDevice", "a device"],
] as const;

/**
 * Refuse a data file that another process has open, by whatever name: SQLite holds a lock on it for as long.
 *
 * @throws TallyError STORE_UNAVAILABLE, as SQLITE_BUSY
 */
export function assertNotOpen(path: string): void {
  let pid = lockedBy(path);
  for (let waited = 0; pid !== undefined && waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
    Atomics.wait(NEVER, 0, 0, LOOK_EVERY_MS);
    pid = lockedBy(path);
  }
  if (pid === undefined) return;
  const name = openedAs(path, pid);
  throw inUse(
    `${path} is in use by process ${pid}${name === undefined || name === path ? "" : `, as ${name}`}; stop that one, or give this one another file.`,
  );
}

/** Long enough for one that only looks, `tally migrate status` for example, or is ending. */
const PATIENCE_MS = 1_000;
const LOOK_EVERY_MS = 50;
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** A refusal because another process has the file. */
export function inUse(sentence: string, cause: unknown = new Error("locked")): Error {
  return unusable(sentence, Object.assign(cause as Error, { code: "SQLITE_BUSY" }));
}

/**
 * Which other process has a POSIX lock on a file. The kernel tells of those that this one could see with ps: not of one
 * in another container.
 */
export function lockedBy(path: string): number | undefined {
  const stat = statOf(path);
  if (stat === undefined) return undefined;
  const [major, minor] = deviceOf(stat.dev);
  const id = `${hex(major)}:${hex(minor)}:${stat.ino}`;
  // The list is given out a page at a time: one that is dropped in between can hide another one, once.
  for (let looked = 0; looked < LOOKS; looked++) {
    const pid = listedFor(id);
    if (pid !== undefined) return pid;
  }
  return undefined;
}

const LOOKS = 3;

function listedFor(id: string): number | undefined {
  // 1: POSIX  ADVISORY  READ 24801 fe:00:10543938 128 128
  for (const line of linesOf("/proc/locks")) {
    const [, kind, , , pid, file] = line.split(/\s+/);
    if (kind === "POSIX" && file === id && Number(pid) > 0 && Number(pid) !== process.pid) return Number(pid);
  }
  return undefined;
}

/** The name by which another process has opened a file, if it can be seen. */
function openedAs(path: string, pid: number): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    const folder = `/proc/${pid}/fd`;
    for (const fd of readdirSync(folder)) {
      const stat = statOf(`${folder}/${fd}`);
      if (stat?.dev === dev && stat.ino === ino) return readlinkSync(`${folder}/${fd}`);
    }
  } catch {
    // It is another user's, or has ended.
  }
  return undefined;
}

/** Where something is mounted. */
function mountPoints(): Set<string> {
  const points = linesOf("/proc/self/mountinfo").map((line) => line.split(" ")[4] ?? "");
  return new Set(points.map((point) => point.replace(/\\([0-7]{3})/g, (_, octal) => fromOctal(octal))));
}

function fromOctal(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}

/** None where the system is another one: then the lock beside the file is all there is. */
function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

/** A device's two numbers, as glibc's major() and minor() have them. */
function deviceOf(dev: bigint): [bigint, bigint] {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return [major, minor];
}

function hex(number: bigint): string {
  return number.toString(16).padStart(2, "0");
}
