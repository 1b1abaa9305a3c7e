import { randomBytes } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { CORRUPT, type FullCounter } from "./core/counter.ts";
import { newEpoch } from "./core/epoch.ts";
import { TallyError } from "./core/errors.ts";
import { messageOf } from "./core/messages.ts";
import { makeFirstAdmin } from "./guard/first-admin.ts";
import { describe, lookForChangesByHand } from "./service/by-hand.ts";
import { type Copied, copyStore } from "./service/copy.ts";
import { CopyError } from "./service/copy-errors.ts";
import type { Progress } from "./service/copy-parts.ts";
import { DEFAULT_RETENTION, type Purpose, type SchemaStatus, type Store } from "./service/store.ts";
import { StartError, storeStartFailure } from "./start-error.ts";
import { migrateStore, openStore, schemaStatus } from "./stores/open.ts";
import { SYSTEM_CLOCK } from "./system-clock.ts";

/** What was copied, and between which stores. */
export interface CopiedBetween extends Copied {
  /** As people know them. */
  readonly from: string;
  readonly to: string;
}

/**
 * Open two stores, and take everything that the one keeps into the other; see copyStore.
 *
 * @param options.onProgress  told after each part, with how many counters there are in all
 * @param options.onNote      told what is no failure: a sentence
 * @throws StartError  when one of them cannot be opened, or failed meanwhile
 * @throws CopyError
 */
export async function copyBetween(
  from: string,
  to: string,
  options: {
    readonly onProgress: (progress: Progress, total: number) => void;
    readonly onNote: (sentence: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<CopiedBetween> {
  for (const [flag, url] of Object.entries({ "--from": from, "--to": to })) {
    if (url === "memory:") {
      throw new CopyError(
        "REFUSED",
        `${flag} is memory:, which begins empty and keeps nothing; name a store that stays.`,
      );
    }
  }
  if (from === to)
    throw new CopyError("REFUSED", "--from and --to name the same store; nothing was changed.");
  const source = await opened(from, "copyFrom", options.onNote);
  try {
    try {
      const target = await opened(to, "copyTo", options.onNote);
      try {
        const count = await countersIn(source);
        const onProgress = (progress: Progress) => options.onProgress(progress, count);
        const copied = await copyStore(source, target, { onProgress, signal: options.signal });
        return { ...copied, from: source.traits.title, to: target.traits.title };
      } finally {
        await target.close();
      }
    } finally {
      await source.close(); // Which fails when its file is not the one any more that was copied.
    }
  } catch (error) {
    if (!(error instanceof TallyError)) throw error;
    const sentence = `A store failed: ${error.message}. The same command goes on from here.`;
    throw new StartError("STORE_FAILED", sentence, { cause: error });
  }
}

/** How many there are; none where something is damaged, which the copy has the sentence for. */
async function countersIn(store: Store): Promise<number> {
  try {
    return (await store.sum({ prefix: "", labels: {} })).count;
  } catch (error) {
    if (error instanceof TallyError && error.code === "ROW_CORRUPT") return 0;
    throw error;
  }
}

/** What was changed by hand in a store, and what of it was taken as it stands. */
export interface Acceptance {
  readonly store: string;
  /** A clause each. */
  readonly found: readonly string[];
  readonly accepted: readonly FullCounter[];
  readonly refused: readonly { readonly name: string; readonly why: string }[];
  /** How many whose rows are gone were taken so. */
  readonly gone: number;
}

/**
 * Look for what was changed by hand in a store, and take some of it as it stands.
 *
 * @param gone  whether it is taken that rows are gone
 * @throws StartError  when it cannot be opened, or failed meanwhile
 */
export async function acceptIn(url: string, names: readonly string[], gone: boolean): Promise<Acceptance> {
  const store = await opened(url, "copyFrom", () => {});
  try {
    const { accepting } = store;
    const byHand = await lookForChangesByHand(store);
    const found = [
      ...byHand.counters.map(describe),
      ...byHand.corruptNames.map((name) => `the row of ${name} is damaged, or not what Tally writes`),
      ...byHand.lost.map((id) => `a counter's row is gone, though nobody deleted it (row id ${id})`),
    ];
    const lost = gone ? byHand.lost : [];
    const changed = new Set([...byHand.counters.map(({ name }) => name), ...byHand.corruptNames]);
    const asked = [...new Set(names)];
    const taken = asked.filter((name) => changed.has(name));
    const results = (await accepting?.accept(taken, byHand.revisions, lost)) ?? [];
    const accepted = results.filter((result) => typeof result !== "string");
    const others = asked.filter((name) => !changed.has(name));
    const readable = await store.get(others);
    const refused = [
      ...others.map((name, i) => ({ name, why: readable[i] === CORRUPT ? RENAMED : UNCHANGED })),
      ...results.flatMap((why, i) => (typeof why === "string" ? [{ name: taken[i]!, why }] : [])),
    ];
    return { store: store.traits.title, found, accepted, refused, gone: lost.length };
  } catch (error) {
    if (!(error instanceof TallyError)) throw error;
    throw new StartError("STORE_FAILED", `The store failed: ${error.message}.`, { cause: error });
  } finally {
    await store.close();
  }
}

const UNCHANGED = "nothing shows that it was changed";
const RENAMED =
  "no row has this name, and what leads to it leads to another one's, as after it was renamed; without a name tally accept says " +
  "which rows were changed";

/** A store that is of another epoch now. */
export interface NewEpoch {
  readonly store: string;
  /** 8 hexadecimal digits; undefined: it had none. */
  readonly before: string | undefined;
  readonly epoch: string;
}

/**
 * Make a store another epoch: for after it was restored by other means than `tally restore`.
 *
 * @throws StartError  when it cannot be opened, or a server has it, or it failed meanwhile
 */
export async function newEpochIn(url: string): Promise<NewEpoch | { readonly refused: string }> {
  if (url === "memory:")
    return { refused: "memory: begins empty and keeps nothing; name a store that stays." };
  const store = await opened(url, "copyFrom", () => {});
  try {
    const { catalogue, epoch: before, traits } = store;
    if (catalogue === undefined) return { refused: `${traits.title} has no epochs.` };
    const { epoch, write } = newEpoch(await catalogue.read(0), randomBytes(4));
    if ((await catalogue.write(write)) === undefined)
      throw new TallyError("STORE_UNAVAILABLE", "somebody else wrote at the same time; nothing was changed");
    return { store: traits.title, before, epoch };
  } catch (error) {
    throw catalogueFailure(error);
  } finally {
    await store.close();
  }
}

/** What became of making an administrator: its key, and what is to be said beside; or why there is none, a sentence. */
export type AuthInit =
  | { readonly key: string; readonly notes: readonly string[] }
  | { readonly refused: string };

/**
 * Make the first administrator of a store, or another key of it.
 *
 * @param again  also if somebody may administrate already
 * @throws StartError  when the store cannot be opened, or failed meanwhile
 */
export async function initAuthIn(url: string, again: boolean): Promise<AuthInit> {
  if (url === "memory:")
    return {
      refused: "memory: begins empty and keeps nothing; give the server a root key (root-key-file) instead.",
    };
  const store = await opened(url, "serve", () => {});
  try {
    const { catalogue, traits } = store;
    if (catalogue === undefined) return { refused: `${traits.title} keeps no principals.` };
    const made = await makeFirstAdmin(catalogue, again, { clock: SYSTEM_CLOCK, randomBytes });
    if (made === "ADMIN_EXISTS")
      return {
        refused: `${traits.title} has an administrator already; nothing was changed. If the key is lost: --again makes another one.`,
      };
    if ("code" in made && made.code === "ROW_CORRUPT")
      throw new StartError("STORE_UNUSABLE", messageOf(made));
    if ("code" in made) return { refused: messageOf(made) };
    const { key, keyId, othersLive } = made;
    const others = `${othersLive} other ${othersLive === 1 ? "key" : "keys"} of it still good; see \`tally auth key list admin\`.`;
    return {
      key,
      notes: [
        `The principal admin of ${traits.title} may do everything. Its key ${keyId} is not shown again: keep it.`,
        ...(othersLive > 0 ? [`There ${othersLive === 1 ? "is" : "are"} ${others}`] : []),
        ...(traits.time === "server" ? [RUNNING] : []), // Of other stores no server runs: this command has the lock.
      ],
    };
  } catch (error) {
    throw catalogueFailure(error);
  } finally {
    await store.close();
  }
}

/** What came in the way of reading or writing the catalogue, as a StartError; what is a defect stays as it is. */
function catalogueFailure(error: unknown): unknown {
  if (!(error instanceof TallyError)) return error;
  const reason = error.code === "ROW_CORRUPT" ? "STORE_UNUSABLE" : "STORE_FAILED";
  return new StartError(reason, `The store failed: ${error.message}.`, { cause: error });
}

/** Of a store that several processes have. */
const RUNNING =
  "Servers that already run on it with auth = off ask nobody until they are restarted with auth = optional or required.";

async function opened(url: string, purpose: Purpose, warn: (sentence: string) => void): Promise<Store> {
  try {
    const given = { clock: SYSTEM_CLOCK, newUid: uuidv7, retention: DEFAULT_RETENTION, cachedCountersMax: 0 };
    return await openStore(url, { ...given, purpose, warn });
  } catch (error) {
    throw storeStartFailure(error);
  }
}

/**
 * Which schema a store has.
 *
 * @throws StartError
 */
export async function statusOf(url: string): Promise<SchemaStatus> {
  return schemaStatus(url).catch((error: unknown) => {
    throw storeStartFailure(error);
  });
}

/**
 * Bring a store to this version's schema.
 *
 * @returns  what it was before, and is now
 * @throws StartError
 */
export async function migrated(url: string): Promise<{ before: SchemaStatus; after: SchemaStatus }> {
  try {
    const before = await schemaStatus(url);
    await migrateStore(url, uuidv7);
    return { before, after: await schemaStatus(url) };
  } catch (error) {
    throw storeStartFailure(error);
  }
}
