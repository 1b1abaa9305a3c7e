import { performance } from "node:perf_hooks";
import { v7 } from "uuid";
import { ChangeKind, endsCounter } from "../../../src/core/change.ts";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";

/** How many changes of a counter were accepted, and by how much they moved it in all. */
export interface Told {
  readonly ops: number;
  readonly sum: bigint;
}

/**
 * Hold the log of a store that nobody has open against what was accepted, and the rows against the log.
 *
 * @param told  by name; of others nothing is expected but that the log leads to their rows
 */
export async function logFaults(url: string, told: ReadonlyMap<string, Told>) {
  const faults: string[] = [];
  const store = await openStore(url, {
    clock: { now: Date.now, monotonic: () => performance.now() },
    newUid: () => v7(),
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 100,
    warn: (message) => faults.push(message),
    purpose: "copyFrom", // Rows as they are stored, as the log is.
  });
  const lives = new Map<string, { name: string; value: bigint; revision: number }>();
  const found = new Map<string, Told>();
  const seen = { changes: 0, rolls: 0, expiries: 0 };
  try {
    for (let cursor = ""; ; ) {
      const page = await store.changesSince(cursor, 10_000);
      for (const { name, uid, kind, ops, firstRevision, revision, added, removed, value } of page.changes) {
        seen.changes++;
        const before = lives.get(uid) ?? { value: 0n, revision: 0 };
        if (before.value + added - removed !== value || firstRevision !== before.revision + 1) {
          faults.push(`${name} went from ${before.value} at ${before.revision} to ${value} at ${revision}`);
        }
        if (endsCounter(kind)) lives.delete(uid);
        else lives.set(uid, { name, value, revision });
        if (kind === ChangeKind.ROLL) seen.rolls++;
        if (kind === ChangeKind.EXPIRE) seen.expiries++;
        if (kind !== ChangeKind.ADD) continue;
        const { ops: all, sum } = found.get(name) ?? { ops: 0, sum: 0n };
        found.set(name, { ops: all + ops, sum: sum + added - removed });
      }
      if (page.cursor === cursor) break;
      cursor = page.cursor;
    }
    for (const [name, { ops, sum }] of told) {
      const log = found.get(name);
      if (log?.ops !== ops) faults.push(`${name} has ${log?.ops} changes, and ${ops} were accepted`);
      // What a bucket got back is in the changes that met it.
      else if (log.sum !== sum && name !== "bucket")
        faults.push(`${name} adds up to ${log.sum}, not to ${sum}`);
    }
    for (const { name, value, revision } of lives.values()) {
      const [row] = await store.get([name]);
      if (typeof row !== "object" || row.value !== value || row.revision !== revision)
        faults.push(`${name} is not at ${value}, revision ${revision}, where its changes lead`);
    }
    return { faults, ...seen };
  } finally {
    await store.close();
  }
}
