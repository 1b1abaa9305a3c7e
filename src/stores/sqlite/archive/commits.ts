import { headOn, type RowPlaces } from "../file/alone.ts";
import { frameAt, pageIn } from "../file/wal.ts";
import type { Piece } from "./piece.ts";

/** A commit in a piece. */
export interface Commit {
  /** How many frames of the piece there are up to it, its own included, and up to the one before. */
  readonly end: number;
  readonly begin: number;
  /** How many pages the data file has then. */
  readonly filePages: number;
  /** Of the latest commit of the change log. */
  readonly position: number;
  /**
   * When it was made, in milliseconds since the Unix epoch. Of one that is not in the change log (of a policy, a key) at the
   * latest: when the next change was made, or it was archived.
   */
  readonly time: number;
}

/**
 * The commits of a piece, in their order.
 *
 * @param before  the position before the first
 */
export function commitsIn(
  { head, wal, frames, changes }: Piece,
  places: RowPlaces,
  before: number,
): Commit[] {
  const times = new Map(changes);
  const commits: (Omit<Commit, "time"> & { time: number | undefined })[] = [];
  let position = before;
  let begin = 0;
  for (let i = 0; i <= head.to - head.from; i++) {
    const { page, filePages } = frameAt(frames, wal, i);
    if (page === places.head) position = Number(headOn(pageIn(frames, wal, i), places)?.log_end ?? position);
    if (filePages === 0) continue;
    const isChange = position !== (commits.at(-1)?.position ?? before);
    commits.push({
      begin,
      end: i + 1,
      filePages,
      position,
      time: isChange ? times.get(position) : undefined,
    });
    begin = i + 1;
  }
  let next = head.now;
  return commits
    .reverse()
    .map(({ time, ...commit }) => {
      if (time !== undefined) next = time;
      return { ...commit, time: next };
    })
    .reverse();
}
