/** Whether an archive goes on with a store as it is found at a start. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { readRegular } from "../file/regular.ts";
import type { WalSums } from "../file/wal.ts";
import { isArchivedId } from "../file/wal-binding.ts";
import { CLOSED, writeWhole } from "./folder.ts";
import type { FileMark, StoreFound } from "./shared.ts";

/** Where an archive ends: what the next piece goes on from. */
export interface End {
  readonly began: number;
  readonly generation: number;
  readonly salts: string | undefined;
  readonly frame: number;
  /** The checksum up to there; undefined where it stands in the WAL. */
  readonly sums: WalSums | undefined;
  readonly walId: string | undefined;
  readonly digest: string | null;
  readonly position: number;
}

/** A start with no gap before it: undefined; or why there may be one. */
export function whyNot(
  end: End,
  { salts, frames, walId, basedOn, file }: StoreFound,
  closed: Closed | undefined,
  sumsAt: (frame: number) => WalSums | undefined,
): string | undefined {
  if (frames > 0 && salts === end.salts) {
    const sums = frames >= end.frame ? sumsAt(end.frame) : undefined;
    return sums?.join() === end.sums?.join() && sums !== undefined
      ? undefined
      : "the -wal lacks something of what was archived of it";
  }
  if (frames > 0)
    return basedOn === end.walId && isArchivedId(walId)
      ? undefined
      : "the store was written to while nothing was archived";
  const isSame =
    walId === end.walId &&
    closed?.walId === walId &&
    closed?.bytes === file.bytes &&
    closed.mtimeNs === file.mtimeNs;
  return isSame ? undefined : "the store was written to, or put there, since it was archived";
}

/** What a store was when it was closed. */
interface Closed extends FileMark {
  readonly walId: string;
}

/** Note that a store was closed: whoever writes to the data file from now on shows by it. @param path  of the data file */
export function noteClosed(folder: string, walId: string, path: string): void {
  writeWhole(folder, CLOSED, Buffer.from(JSON.stringify({ walId, ...markOf(path) } satisfies Closed)));
}

/** What was noted, which is good for one start: it is taken away. */
export function takeClosed(folder: string): Closed | undefined {
  const closed = readClosed(folder);
  rmSync(join(folder, CLOSED), { force: true });
  return closed;
}

function readClosed(folder: string): Closed | undefined {
  if (!readdirSync(folder).includes(CLOSED)) return undefined;
  const text = readRegular(join(folder, CLOSED)).toString("utf8");
  try {
    return JSON.parse(text) as Closed;
  } catch {
    return undefined; // Then nothing is known of it.
  }
}

/** What a data file is known by; it is only looked at by its path. */
export function markOf(path: string): FileMark {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return { bytes: `${stat?.size ?? 0}`, mtimeNs: `${stat?.mtimeNs ?? 0}` };
}
