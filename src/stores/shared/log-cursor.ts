/** Where a walk through a change log stands. */
export interface LogCursor {
  /** The changes after this one are next; or will be, after the openings. */
  readonly position: bigint;
  /** While openings are given out: that of this counter was the last one. */
  readonly openedTo: string | undefined;
}

/**
 * "123": after position 123. "o100.20": openings were given up to that of counter 20; after the last come the changes
 * after 100. "": the beginning.
 *
 * @param key  what the store knows counters by, as a whole
 * @throws TypeError  when it is no cursor of such a store
 */
export function parseCursor(cursor: string, key: RegExp): LogCursor {
  const [, from, openedTo, position] = /^(?:o(\d+)\.(.+)|(\d*))$/.exec(cursor) ?? [];
  if (openedTo !== undefined && key.test(openedTo)) return { position: BigInt(from!), openedTo };
  if (position !== undefined) return { position: BigInt(position), openedTo: undefined };
  throw new TypeError(`expected a cursor of this store, got ${JSON.stringify(cursor)}`);
}

/** @param from  where the changes go on after the openings; see parseCursor */
export function cursorInOpenings(from: bigint | number, openedTo: bigint | string): string {
  return `o${from}.${openedTo}`;
}

/** Counters by the ids of their rows. */
export const ROW_ID = /^\d+$/;

/** Counters by their uids. */
export const UID = /^[0-9a-f-]{36}$/;
