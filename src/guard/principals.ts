import { type Epoch, inEpoch } from "../core/epoch.ts";
import type { Refusal } from "../core/errors.ts";
import { Grants } from "../core/grants.ts";
import { ON_ALL_ALONE } from "../core/permissions.ts";
import { type DirectoryChanges, unreadable } from "./directory-changes.ts";
import { type Principal, principalToBody } from "./entries.ts";
import { ANONYMOUS, ANONYMOUS_ID, ROOT_NAME } from "./names.ts";
import { type RandomBytes, randomId } from "./random-id.ts";
import type { Rate } from "./rate.ts";

/** What of a principal is given to it, and can be changed. */
export interface PrincipalFields {
  readonly description: string;
  readonly grants: Grants;
  readonly rate: Rate | undefined;
  readonly disabled: boolean;
}

/** How many there can be. */
export const PRINCIPALS_MAX = 100_000;

/**
 * Make a principal.
 *
 * @param name  see Principal.name
 * @returns     it; or why there is none: INVALID_FIELD, PRINCIPAL_EXISTS, TOO_MANY_PRINCIPALS
 */
export function createPrincipal(
  changes: DirectoryChanges,
  name: string,
  fields: Omit<PrincipalFields, "disabled">,
  randomBytes: RandomBytes,
): Promise<Principal | Refusal> {
  const id = randomId(randomBytes);
  return changes.change<Principal>((directory) => {
    if (name === ROOT_NAME || name === ANONYMOUS) return TAKEN;
    if (directory.principalByName(name) !== undefined) return { code: "PRINCIPAL_EXISTS" };
    const damaged = unreadable(directory, { kind: "principal", key: name });
    if (damaged !== undefined) return damaged;
    if (directory.size >= PRINCIPALS_MAX) return { code: "TOO_MANY_PRINCIPALS", max: BigInt(PRINCIPALS_MAX) };
    const made = { id, name, ...fields, disabled: false, createTimeMs: changes.clock.now() };
    const entry = { kind: "principal", key: name, body: principalToBody(made), expectedVersion: 0 } as const;
    // One more than there were: others have counted as well.
    return {
      write: { ...entry, latestVersion: directory.version },
      answer: (version) => ({ ...made, version }),
    };
  });
}

/**
 * Change a principal; `anonymous` comes to be by it. The same again changes nothing.
 *
 * @param given  what is to be changed
 * @param etag   only if it still has this one; undefined: whatever it has become
 * @returns      it, as it is now; or why it was not changed: PRINCIPAL_NOT_FOUND, ETAG_MISMATCH
 */
export function updatePrincipal(
  changes: DirectoryChanges,
  name: string,
  given: Partial<PrincipalFields>,
  etag?: string,
): Promise<Principal | Refusal> {
  return changes.change<Principal>((directory) => {
    const damaged = unreadable(directory, { kind: "principal", key: name });
    if (damaged !== undefined) return damaged;
    const found = directory.principalByName(name);
    if (found === undefined && name !== ANONYMOUS) return NOT_FOUND;
    if (name === ANONYMOUS && given.grants !== undefined && (given.grants.everywhere & ON_ALL_ALONE) !== 0)
      return FOR_SOMEBODY;
    const expectedVersion = found?.version ?? 0;
    if (etag !== undefined && etag !== etagOf(expectedVersion, changes.epoch))
      return { code: "ETAG_MISMATCH", etag: etagOf(expectedVersion, changes.epoch) };
    const { version: _, ...before } = found ?? { ...NOTHING, createTimeMs: changes.clock.now(), version: 0 };
    const after = { ...before, ...given };
    const body = principalToBody(after);
    if (found !== undefined && body === principalToBody(before)) return { settled: found };
    return {
      write: { kind: "principal", key: name, body, expectedVersion },
      answer: (version) => ({ ...after, version }),
    };
  });
}

/**
 * Delete a principal. With its entry all that stands for it is void, for its id is never given again; its keys and bindings
 * are taken away after that.
 *
 * @returns  undefined once it is gone; or why it is not: PRINCIPAL_NOT_FOUND, ETAG_MISMATCH
 */
export async function deletePrincipal(
  changes: DirectoryChanges,
  name: string,
  etag?: string,
): Promise<undefined | Refusal> {
  const refused = await changes.change<undefined>((directory) => {
    const entry = { kind: "principal", key: name } as const;
    // One that this version does not understand can be deleted; one that is damaged cannot.
    const expectedVersion = directory.principalByName(name)?.version ?? directory.unreadableVersion(entry);
    if (expectedVersion === undefined) return NOT_FOUND;
    if (Number.isNaN(expectedVersion)) return unreadable(directory, entry)!;
    if (etag !== undefined && etag !== etagOf(expectedVersion, changes.epoch))
      return { code: "ETAG_MISMATCH", etag: etagOf(expectedVersion, changes.epoch) };
    return { write: { ...entry, body: undefined, expectedVersion }, answer: () => undefined };
  });
  if (refused === undefined) await changes.sweep();
  return refused;
}

/** Names a principal at a version of an epoch. */
export function etagOf(version: number, epoch: Epoch): string {
  return inEpoch(`a${version}`, epoch);
}

/** Who administrates is somebody: what nobody in particular may, everybody may. */
const FOR_SOMEBODY: Refusal = {
  code: "INVALID_FIELD",
  field: "grants",
  expected: "must not have admin or observe for anonymous, whom everybody is",
};
const NOT_FOUND: Refusal = { code: "PRINCIPAL_NOT_FOUND" };
const TAKEN: Refusal = {
  code: "INVALID_FIELD",
  field: "name",
  expected: "must not be root or anonymous, which are taken",
};

/** `anonymous`, before somebody has said anything of it. */
const NOTHING = {
  id: ANONYMOUS_ID,
  name: ANONYMOUS,
  description: "",
  grants: Grants.NONE,
  rate: undefined,
  disabled: false,
};
