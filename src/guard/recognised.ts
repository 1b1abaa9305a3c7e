import type { Refusal } from "../core/errors.ts";
import type { CurrentDirectory } from "./current-directory.ts";
import type { Binding, Key, Principal } from "./entries.ts";
import type { Depends, Verified } from "./tokens.ts";
import { EXPIRED } from "./verified-key.ts";

/** A credential that was found to be good, and as of when. */
export interface Recognised {
  readonly verified: Verified;
  readonly seen: Seen;
  /** Of the directory, as of which it holds. */
  revision: number;
  /** Up to when it is noted that its key was used, in milliseconds since the Unix epoch. */
  notedUntilMs: number;
}

/** What a credential stands on, as it was: the objects themselves, of which there are others after a change. */
interface Seen {
  readonly principal: Principal | undefined;
  readonly key: Key | undefined;
  readonly bindings: readonly (Binding | undefined)[];
  readonly hidesBindings: boolean;
}

/** To be kept of a credential that is good just now. */
export function recognised(verified: Verified, current: CurrentDirectory): Recognised {
  return { verified, seen: see(verified.depends, current), revision: current.revision, notedUntilMs: 0 };
}

/**
 * @param nowMs  milliseconds since the Unix epoch
 * @returns      undefined when it must be looked at anew, for it stands on something that is another by now
 */
export function recognisedStill(
  found: Recognised,
  current: CurrentDirectory,
  nowMs: number,
): Verified | Refusal | undefined {
  const { verified, seen } = found;
  if (found.revision !== current.revision) {
    const now = see(verified.depends, current);
    const same = now.principal === seen.principal && now.key === seen.key;
    const bound = now.bindings.every((binding, i) => binding === seen.bindings[i]);
    if (!same || !bound || now.hidesBindings !== seen.hidesBindings) return undefined;
    found.revision = current.revision;
  }
  return verified.expireTimeMs !== undefined && nowMs >= verified.expireTimeMs ? EXPIRED : verified;
}

function see({ principalId, keyId, subjects = [] }: Depends, { directory }: CurrentDirectory): Seen {
  return {
    principal: principalId === undefined ? undefined : directory.principalById(principalId),
    key: keyId === undefined ? undefined : directory.keyById(keyId),
    bindings: subjects.map((subject) => directory.bindingBySubject(subject)),
    hidesBindings: subjects.length > 0 && directory.hidesBindings,
  };
}
