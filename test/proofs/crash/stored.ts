import { performance } from "node:perf_hooks";
import Database from "better-sqlite3";
import { v7 as uuidv7 } from "uuid";
import { CORRUPT } from "../../../src/core/batch.ts";
import { ChangeKind, endsCounter } from "../../../src/core/change.ts";
import { DEFAULT_RETENTION, type Store, type StoreOptions } from "../../../src/service/store.ts";
import { DEFAULT_HISTORY } from "../../../src/service/store-history.ts";
import { openStore } from "../../../src/stores/open.ts";
import type { Account } from "./account.ts";
import type { Known } from "./history.ts";
import { historyFaults } from "./history-kept.ts";
import { type TimedAccount, TimedLog } from "./timed.ts";
import { isTimed } from "./timed-counters.ts";

/** What a data file was found to be, beside faults. */
export interface Stored {
  readonly faults: string[];
  readonly counters: number;
  readonly changes: number;
  /** How many windows and counters ended, by the log. */
  readonly rolls: number;
  readonly expiries: number;
}

/** Look at a data file whose server has ended: SQLite finds it sound, and its store is as `checkStore` expects it. */
export async function checkStored(file: string, told: Expected): Promise<Stored> {
  const faults = integrityFaults(file);
  const stored = await checkStore(`sqlite:${file}`, told);
  return { ...stored, faults: [...faults, ...stored.faults] };
}

type Expected = Pick<Account, "known" | "deleted"> & { readonly timed?: TimedAccount };

/**
 * Open a store that nobody writes to: each counter is what its callers were told, the change log leads from revision to
 * revision to just that, and the history is what the log is.
 */
export async function checkStore(url: string, told: Expected): Promise<Stored> {
  const faults: string[] = [];
  const options: StoreOptions = {
    clock: { now: Date.now, monotonic: () => performance.now() },
    newUid: uuidv7,
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 1_000,
    warn: (message) => faults.push(message),
  };
  const found = await logFaults(url, options, told, faults);
  const store = await openStore(url, { ...options, history: DEFAULT_HISTORY });
  try {
    faults.push(...(await historyFaults(store)));
  } finally {
    await store.close();
  }
  return { faults, ...found };
}

/** Look at the counters and the change log. @param faults  takes those found */
async function logFaults(
  url: string,
  options: StoreOptions,
  { known, deleted, timed }: Expected,
  faults: string[],
): Promise<Omit<Stored, "faults">> {
  const store = await openStore(url, { ...options, purpose: "copyFrom" }); // Rows as they are stored, as the log is.
  try {
    faults.push(...(await counterFaults(store, known)));
    const { changes, ends, deletions, timedLog } = await followChanges(store, faults);
    for (const uid of deleted)
      if (!deletions.has(uid)) faults.push(`the deletion of ${uid} is not in the log`);
    for (const uid of deletions) if (!deleted.has(uid)) faults.push(`${uid} was deleted by nobody`);
    const timedEnds = new Map([...ends].filter(([name]) => timed !== undefined && isTimed(name)));
    faults.push(...(timed?.faultsOf(timedLog) ?? []), ...(await counterFaults(store, timedEnds)));
    for (const name of ends.keys()) {
      if (!known.has(name) && !timedEnds.has(name)) faults.push(`${name} was changed, and is nobody's`);
    }
    for (const [name, { revision, value }] of known) {
      const end = ends.get(name);
      if (end?.revision !== revision && revision !== 0) {
        faults.push(`the changes of ${name} end at revision ${end?.revision}, expected ${revision}`);
      } else if (end !== undefined && end.value !== value) {
        faults.push(`the changes of ${name} sum up to ${end.value}, expected ${value}`);
      }
    }
    const { rolls, expiries } = timedLog;
    return { counters: known.size + timedEnds.size, changes, rolls, expiries };
  } finally {
    await store.close();
  }
}

function integrityFaults(file: string): string[] {
  const db = new Database(file, { readonly: true });
  try {
    const rows = db.pragma("integrity_check") as { integrity_check: string }[];
    return rows.map((row) => row.integrity_check).filter((line) => line !== "ok");
  } finally {
    db.close();
  }
}

async function counterFaults(store: Store, known: ReadonlyMap<string, Known>): Promise<string[]> {
  const faults: string[] = [];
  const names = [...known.keys()];
  for (let i = 0; i < names.length; i += NAMES_MAX) {
    const asked = names.slice(i, i + NAMES_MAX);
    for (const [k, counter] of (await store.get(asked)).entries()) {
      const { revision, value } = known.get(asked[k]!)!;
      if (counter === CORRUPT) faults.push(`the row of ${asked[k]} is corrupt`);
      else if ((counter?.revision ?? 0) !== revision || counter?.value !== value) {
        faults.push(
          `${asked[k]} is ${counter?.value} at ${counter?.revision}, expected ${value} at ${revision}`,
        );
      }
    }
  }
  return faults;
}

/** Where the change log ends for each counter that is not deleted, by its sums alone. */
async function followChanges(store: Store, faults: string[]) {
  const ends = new Map<string, { uid: string; revision: number; value: bigint }>();
  const deletions = new Set<string>();
  const timedLog = new TimedLog();
  let changes = 0;
  for (let cursor = ""; ; ) {
    const page = await store.changesSince(cursor, 10_000);
    for (const change of page.changes) {
      const { name, uid, kind, firstRevision, revision, added, removed, value } = change;
      const end = ends.get(name) ?? { uid, revision: 0, value: 0n };
      if (end.uid !== uid) faults.push(`${name} changes as ${uid} before ${end.uid} was deleted`);
      if (endsCounter(kind)) {
        changes++;
        if (isTimed(name)) timedLog.take(change);
        else {
          if (deletions.has(uid)) faults.push(`${uid} was deleted twice`);
          deletions.add(uid);
        }
        if (ends.has(name) && (end.revision !== revision || end.value !== value)) {
          faults.push(`the changes of ${name} end at ${end.value} and its end says ${value}`);
        }
        ends.delete(name);
        continue;
      }
      if (revision <= end.revision) continue; // At least once: it came before; or a change of settings.
      changes++;
      if (kind === ChangeKind.OPENING) {
        ends.set(name, { uid, revision, value });
        continue;
      }
      if (firstRevision !== end.revision + 1) {
        faults.push(`the changes of ${name} go from revision ${end.revision} to ${firstRevision}`);
      }
      if (isTimed(name)) timedLog.take(change);
      ends.set(name, { uid, revision, value: end.value + added - removed });
    }
    if (page.cursor === cursor) return { changes, ends, deletions, timedLog };
    cursor = page.cursor;
  }
}

const NAMES_MAX = 1_000;
