/**
 * Where the change log was when something was read: up to which position, and which commits beyond it, that had no
 * position yet, were seen as well.
 */
export interface LogMark {
  readonly position: bigint;
  /** What those commits are known by before they have a position; empty where each has one from the first. */
  readonly unplaced: readonly string[];
}

/** "123", or "123:45,46". */
export function toMark({ position, unplaced }: LogMark): string {
  return unplaced.length === 0 ? `${position}` : `${position}:${unplaced.join(",")}`;
}

/**
 * See Store.covers.
 *
 * @param position  of a change: "123", or "123.45" where its commit was known by 45 before
 */
export function covers(mark: string, position: string): boolean {
  const [end, unplaced = ""] = mark.split(":");
  const [placed, number] = position.split(".");
  if (BigInt(placed!) <= BigInt(end!)) return true;
  return number !== undefined && unplaced.split(",").includes(number);
}
