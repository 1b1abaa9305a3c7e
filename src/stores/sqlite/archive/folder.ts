import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { EPOCH_PATTERN } from "../../../core/epoch.ts";
import { assertRegular } from "../file/names.ts";

/** What the archive of a store that was never restored stands in; of others it is their epoch. */
export const FIRST_EPOCH = "first";

const EPOCH_FOLDER = new RegExp(`^(${FIRST_EPOCH}|${EPOCH_PATTERN})$`);

/** The folders of epochs in an archive. Whatever else is there (`lost+found`, a README) is nobody's business. */
export function epochsIn(dir: string): readonly string[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && EPOCH_FOLDER.test(entry.name))
    .map(({ name }) => join(dir, name));
}

/** What a piece is called: names are in the order of what they are of. */
export function pieceName({
  generation,
  from,
}: {
  readonly generation: number;
  readonly from: number;
}): string {
  const digits = (number: number) => `${number}`.padStart(DIGITS, "0");
  return `${digits(generation)}-${digits(from)}${ENDING}`;
}

const DIGITS = 10;
const ENDING = ".zst";
const NAME = /^\d{10}-\d{10}\.zst$/;
/** What stands beside the pieces: whose they are, what the store was when it was closed, and what only shows that something can be written. */
export const OWNER = "store.json";
export const CLOSED = "closed.json";
export const PROBE = "probe";
/** What is not whole yet ends in this. */
const PART = ".part";

/**
 * What is in the folder of an epoch: pieces in their order, and what ends as they do and is none, which may be one that somebody
 * has renamed. Nothing else is looked at: an editor's copies, what rsync is about to write.
 */
export function piecesIn(folder: string): {
  readonly names: readonly string[];
  readonly others: readonly string[];
} {
  const found = readdirSync(folder).filter((name) => name.endsWith(ENDING));
  return {
    names: found.filter((name) => NAME.test(name)).sort(),
    others: found.filter((name) => !NAME.test(name)),
  };
}

/** What a process of ours that was killed has left goes; nothing of anybody else's. */
export function clearParts(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const { name } = entry;
    if (entry.isFile() && name.endsWith(PART) && isOurs(name.slice(0, -PART.length)))
      rmSync(join(folder, name));
  }
}

function isOurs(name: string): boolean {
  return NAME.test(name) || [OWNER, CLOSED, PROBE].includes(name);
}

/**
 * Write a file of mode 0600 that has its name once all of it is on disk.
 *
 * @throws what the system says; then nothing is left, where that can be taken away
 */
export function writeWhole(folder: string, name: string, bytes: Buffer): void {
  const path = join(folder, name);
  const part = path + PART;
  const fd = openAnew(part);
  try {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
  const dir = openSync(folder, "r");
  try {
    fsyncSync(dir);
  } finally {
    closeSync(dir);
  }
}

/** What a process of ours has left there gives way; nothing else does, and nobody waits for who reads a pipe. */
function openAnew(part: string): number {
  const found = lstatSync(part, { bigint: true, throwIfNoEntry: false });
  if (found !== undefined) {
    assertRegular(part, found);
    rmSync(part);
  }
  return openSync(part, "wx", 0o600);
}
