import type { Refusal } from "../core/errors.ts";
import { type DirectoryChanges, unreadable } from "./directory-changes.ts";
import { type Binding, bindingToBody } from "./entries.ts";
import { ANONYMOUS_ID } from "./names.ts";

/**
 * Say that a name from elsewhere stands for a principal. The same again changes nothing.
 *
 * @param subject  see bindingKeyOf
 * @returns        PRINCIPAL_NOT_FOUND, BINDING_EXISTS when it stands for another one
 */
export function createBinding(
  changes: DirectoryChanges,
  principal: string,
  subject: string,
): Promise<Binding | Refusal> {
  return changes.change<Binding>((directory) => {
    const damaged = unreadable(directory, { kind: "binding", key: subject });
    if (damaged !== undefined) return damaged;
    const principalId = directory.principalByName(principal)?.id;
    if (principalId === undefined || principalId === ANONYMOUS_ID) return { code: "PRINCIPAL_NOT_FOUND" };
    const found = directory.bindingBySubject(subject);
    if (found?.principalId === principalId) return { settled: found };
    if (found !== undefined && directory.principalById(found.principalId) !== undefined)
      return { code: "BINDING_EXISTS" };
    const made = { principalId, createTimeMs: changes.clock.now() };
    return {
      write: {
        ...{ kind: "binding", key: subject, body: bindingToBody(made), expectedVersion: found?.version ?? 0 },
        latestVersion: directory.version, // Else the principal may be deleted meanwhile.
      },
      answer: (version) => ({ subject, ...made, version }),
    };
  });
}

/** Take a binding away. @returns  undefined once it is gone, or BINDING_NOT_FOUND */
export function deleteBinding(changes: DirectoryChanges, subject: string): Promise<undefined | Refusal> {
  return changes.change<undefined>((directory) => {
    const entry = { kind: "binding", key: subject } as const;
    const expectedVersion =
      directory.bindingBySubject(subject)?.version ?? directory.unreadableVersion(entry);
    if (expectedVersion === undefined) return { code: "BINDING_NOT_FOUND" };
    if (Number.isNaN(expectedVersion)) return unreadable(directory, entry)!;
    return { write: { ...entry, body: undefined, expectedVersion }, answer: () => undefined };
  });
}
