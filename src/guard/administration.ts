import type { Clock } from "../core/clock.ts";
import type { Epoch } from "../core/epoch.ts";
import type { Refusal } from "../core/errors.ts";
import type { Catalogue } from "../service/store-catalogue.ts";
import { createBinding, deleteBinding } from "./bindings.ts";
import type { CurrentDirectory } from "./current-directory.ts";
import type { DeniedCalls } from "./denials.ts";
import type { Directory } from "./directory.ts";
import { DirectoryChanges } from "./directory-changes.ts";
import { type Binding, bindingKeyOf, type Key, type Principal, type Subject, subjectOf } from "./entries.ts";
import { createKey, type GivenKey, type NewKey, revokeKey } from "./keys.ts";
import type { LastUses } from "./last-uses.ts";
import {
  createPrincipal,
  deletePrincipal,
  etagOf,
  type PrincipalFields,
  updatePrincipal,
} from "./principals.ts";
import type { RandomBytes } from "./random-id.ts";

/** What an administrator can do: for AdminService's calls. See the functions of the same names. */
export interface Administration {
  /** All there is, as the store has it by now. */
  read(): Promise<Directory>;
  createPrincipal(name: string, fields: Omit<PrincipalFields, "disabled">): Promise<Principal | Refusal>;
  updatePrincipal(name: string, given: Partial<PrincipalFields>, etag?: string): Promise<Principal | Refusal>;
  deletePrincipal(name: string, etag?: string): Promise<undefined | Refusal>;
  createKey(principal: string, given: GivenKey): Promise<NewKey | Refusal>;
  revokeKey(id: string): Promise<Key | Refusal>;
  /**
   * When the hours began in which keys were last used, in milliseconds since the Unix epoch, by their ids; of those of which
   * it is known.
   *
   * @throws TallyError  when it cannot be read
   */
  lastUsesOf(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  createBinding(principal: string, subject: Subject): Promise<Binding | Refusal>;
  deleteBinding(subject: Subject): Promise<undefined | Refusal>;
  /** Calls that were refused in this process, the latest first. */
  denials(): readonly DeniedCalls[];
  /** Of the store. */
  readonly epoch: Epoch;
  /** Names a principal as it is. */
  etagOf(principal: Principal): string;
  /** What a binding is about. */
  subjectOf(binding: Binding): Subject;
}

/** @param denials  those that were refused, the latest first */
export function administrationOf(
  current: CurrentDirectory,
  {
    catalogue,
    clock,
    epoch,
    randomBytes,
  }: { catalogue: Catalogue; clock: Clock; epoch?: Epoch; randomBytes: RandomBytes },
  denials: () => readonly DeniedCalls[],
  lastUses: LastUses,
): Administration {
  const changes = new DirectoryChanges(current, catalogue, clock, epoch);
  return {
    read: () => current.refresh(),
    createPrincipal: (name, fields) => createPrincipal(changes, name, fields, randomBytes),
    updatePrincipal: (name, given, etag) => updatePrincipal(changes, name, given, etag),
    deletePrincipal: (name, etag) => deletePrincipal(changes, name, etag),
    createKey: (principal, given) => createKey(changes, principal, given, randomBytes),
    revokeKey: (id) => revokeKey(changes, id),
    lastUsesOf: (keyIds) => lastUses.of(keyIds),
    createBinding: (principal, subject) => createBinding(changes, principal, bindingKeyOf(subject)),
    deleteBinding: (subject) => deleteBinding(changes, bindingKeyOf(subject)),
    denials,
    epoch,
    etagOf: ({ version }) => etagOf(version, epoch),
    subjectOf: ({ subject }) => subjectOf(subject),
  };
}
