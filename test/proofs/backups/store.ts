import { v7 } from "uuid";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";
import { HandClock } from "../../support/clock.ts";

/** Values by the counters' uids; names are given again. */
export type Values = ReadonlyMap<string, bigint>;

/** What every counter of a store stands at, which nobody has open; also by name. */
export async function valuesOf(
  path: string,
): Promise<{ values: Values; named: ReadonlyMap<string, bigint> }> {
  const store = await opened(path);
  try {
    const [values, named] = [new Map<string, bigint>(), new Map<string, bigint>()];
    for (let from: string | undefined = ""; from !== undefined; ) {
      const page = await store.list({ prefix: "", labels: {} }, from, 1_000);
      for (const { uid, name, value } of page.counters) {
        values.set(uid, value);
        named.set(name, value);
      }
      from = page.next;
    }
    return { values, named };
  } finally {
    await store.close();
  }
}

/**
 * By the change log of a store that nobody has open, what its counters stood at after some of its commits.
 *
 * @param positions  ascending
 */
export async function valuesAt(path: string, positions: readonly bigint[]): Promise<Values[]> {
  const store = await opened(path);
  try {
    const values = new Map<string, bigint>();
    const found: Values[] = [];
    for (let cursor = "", end = false; !end; ) {
      const page = await store.changesSince(cursor, 4_000);
      for (const { uid, kind, value, position } of page.changes) {
        while (found.length < positions.length && BigInt(position) > positions[found.length]!)
          found.push(new Map(values));
        if (kind === DELETE || kind === EXPIRE) values.delete(uid);
        else values.set(uid, value);
      }
      end = page.cursor === cursor;
      cursor = page.cursor;
    }
    while (found.length < positions.length) found.push(new Map(values));
    return found;
  } finally {
    await store.close();
  }
}

const DELETE = 6;
const EXPIRE = 8;

function opened(path: string) {
  return openStore(`sqlite:${path}`, {
    ...{ clock: new HandClock(), newUid: v7, cachedCountersMax: 0, warn: () => {} },
    ...{ retention: DEFAULT_RETENTION, purpose: "copyFrom" },
  });
}
