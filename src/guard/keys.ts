import type { Refusal } from "../core/errors.ts";
import { apiKeyToText, keptOf, newApiKey } from "./api-key.ts";
import type { Directory } from "./directory.ts";
import { type DirectoryChanges, unreadable } from "./directory-changes.ts";
import { type Key, keyToBody } from "./entries.ts";
import { ANONYMOUS_ID } from "./names.ts";
import type { RandomBytes } from "./random-id.ts";

/** How many keys of a principal may be good at a time. */
export const LIVE_KEYS_MAX = 50;
/** How many that are revoked or expired are kept to be looked at: the oldest go first. */
const DEAD_KEYS_MAX = 100;

/** What is said of a key that is to be made. */
export interface GivenKey {
  readonly description: string;
  /** How long it is to be good for, in milliseconds; undefined: until it is revoked. */
  readonly ttlMs: number | undefined;
}

/** A key that was made: what is kept of it, and the key itself, which is not. */
export interface NewKey {
  readonly key: Key;
  readonly text: string;
}

/**
 * Make an API key for a principal.
 *
 * @returns  why there is none: PRINCIPAL_NOT_FOUND, TOO_MANY_KEYS
 */
export async function createKey(
  changes: DirectoryChanges,
  principal: string,
  { description, ttlMs }: GivenKey,
  randomBytes: RandomBytes,
): Promise<NewKey | Refusal> {
  const made = newApiKey(randomBytes);
  const kept = keptOf(made);
  const key = await changes.change<Key>((directory) => {
    const principalId = directory.principalByName(principal)?.id;
    if (principalId === undefined || principalId === ANONYMOUS_ID) return NO_PRINCIPAL;
    const now = changes.clock.now();
    const live = directory.keysOf(principalId).filter((each) => isLive(each, now));
    if (live.length >= LIVE_KEYS_MAX) return { code: "TOO_MANY_KEYS", max: BigInt(LIVE_KEYS_MAX) };
    const expireTimeMs = ttlMs === undefined ? undefined : now + ttlMs;
    const its = {
      principalId,
      description,
      createTimeMs: now,
      expireTimeMs,
      revokeTimeMs: undefined,
      ...kept,
    };
    return {
      // Only while nothing else is written: others have counted as well, or may delete the principal.
      write: {
        ...{ kind: "key", key: made.id, body: keyToBody(its), expectedVersion: 0 },
        latestVersion: directory.version,
      },
      answer: (version) => ({ id: made.id, ...its, version }),
    };
  });
  if ("code" in key) return key;
  await changes.drop(deadTooMany(changes.current.directory, key.principalId, changes.clock.now()));
  return { key, text: apiKeyToText(made) };
}

/**
 * Revoke a key for good; once more changes nothing.
 *
 * @returns  it, as it is now; or API_KEY_NOT_FOUND
 */
export function revokeKey(changes: DirectoryChanges, id: string): Promise<Key | Refusal> {
  return changes.change<Key>((directory) => {
    const damaged = unreadable(directory, { kind: "key", key: id });
    if (damaged !== undefined) return damaged;
    const found = directory.keyById(id);
    if (found === undefined || directory.principalById(found.principalId) === undefined) return NO_KEY;
    if (found.revokeTimeMs !== undefined) return { settled: found };
    const { version: expectedVersion, ...before } = found;
    const after = { ...before, revokeTimeMs: changes.clock.now() };
    return {
      write: { kind: "key", key: id, body: keyToBody(after), expectedVersion },
      answer: (version) => ({ ...after, version }),
    };
  });
}

/** Whether a key is neither revoked nor expired. */
export function isLive({ revokeTimeMs, expireTimeMs }: Key, nowMs: number): boolean {
  return revokeTimeMs === undefined && (expireTimeMs === undefined || nowMs < expireTimeMs);
}

function deadTooMany(directory: Directory, principalId: string, nowMs: number) {
  const dead = directory.keysOf(principalId).filter((key) => !isLive(key, nowMs));
  return dead.slice(DEAD_KEYS_MAX).map(({ id, version }) => ({ kind: "key", key: id, version }) as const);
}

const NO_PRINCIPAL: Refusal = { code: "PRINCIPAL_NOT_FOUND" };
const NO_KEY: Refusal = { code: "API_KEY_NOT_FOUND" };
