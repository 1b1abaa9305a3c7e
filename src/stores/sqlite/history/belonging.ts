import { type BindingRow, readAlone } from "../file/alone.ts";
import type { LogPlace } from "../write/history-binding.ts";
import type { StoredHead } from "./head.ts";

/** What a data file says of its change log, by which its history is known. */
export interface LogFacts {
  readonly id: string;
  /** Up to where it was dropped, and the position of its latest commit. */
  readonly dropped: number;
  readonly end: number;
  /** The time of the oldest commit that it still has, in milliseconds since the Unix epoch; 0 where it has none. */
  readonly begins: number;
  /** How far the history was on disk when the log last dropped anything. */
  readonly noted: LogPlace | undefined;
  /** A checksum over a commit, its time included; undefined where it is not there any more. */
  sumAt(position: number): number | undefined;
}

/**
 * Whether a history was made from this change log; otherwise why not, as what follows "because".
 *
 * The commit that it has come to is held back in the log, and shows it. Where the log went on without it, what the data file
 * noted as it did so shows it.
 */
export function whyNotOf(head: StoredHead, log: LogFacts): string | undefined {
  if (head.logId !== log.id) return "it is the history of another data file";
  const { position, sum } = head.place;
  if (position === 0) return undefined;
  if (position > log.end)
    return "it is ahead of the data file, which must have been put back as it was before";
  const there = log.sumAt(position);
  if (there !== undefined)
    return there === sum
      ? undefined
      : "the data file has other changes since it was put back as it was before";
  if ([head.place, head.durable].some((place) => place !== undefined && isSame(place, log.noted)))
    return undefined;
  return "it ends before what the data file still has of its changes, and nothing shows that it is of the same ones";
}

function isSame(one: LogPlace, other: LogPlace | undefined): boolean {
  return other !== undefined && one.position === other.position && one.sum === other.sum;
}

/**
 * Whether the WAL beside a history was begun on that state of it, or on one that it was taken into since, and goes as far as
 * what is in the file: otherwise SQLite makes a mixture of both. Each commit has an id of its own, so that it shows.
 *
 * @param withWal  what the history says of itself through SQLite, which has looked into the WAL
 */
export function followsWal(path: string, withWal: Pick<BindingRow, "id" | "basedOn">): boolean {
  const alone = readAlone(path)?.binding;
  // Not to be read: a checkpoint was cut short, which the WAL makes right.
  if (alone === undefined || alone.id === withWal.id || alone.id === withWal.basedOn) return true;
  const [file, wal] = [numbered(alone.id), numbered(withWal.id)];
  return (
    file !== undefined &&
    file.start === wal?.start &&
    alone.basedOn === withWal.basedOn &&
    file.count <= wal.count
  );
}

/** The parts of an id as WalBinding makes it. */
function numbered(id: string | null): { start: string; count: number } | undefined {
  const [, start, count] = /^(.*)\.(\d+)$/.exec(id ?? "") ?? [];
  return start === undefined ? undefined : { start, count: Number(count) };
}
