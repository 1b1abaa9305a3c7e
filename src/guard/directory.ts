import type { CatalogueEntry, CatalogueName } from "../core/catalogue.ts";
import { Permission } from "../core/permissions.ts";
import type { CatalogueChanges } from "../service/store-catalogue.ts";
import {
  type Binding,
  bindingFromBody,
  type Key,
  keyFromBody,
  type Principal,
  principalFromBody,
} from "./entries.ts";
import { ANONYMOUS, ANONYMOUS_ID } from "./names.ts";

/** An entry that is to go, as it was known. */
export interface Dropped {
  readonly kind: "key" | "binding";
  readonly key: string;
  readonly version: number;
}

/** That a name from elsewhere stands for somebody. */
export interface Bound {
  /** Undefined: for nobody any more, or nobody can say for whom. It is refused, and not taken for one that is not bound. */
  readonly principal: Principal | undefined;
}

/**
 * All principals, keys and bindings, as of one version of the catalogue. It becomes that of a later version in one step;
 * what it has given out never changes, so that one object is there twice only if nothing was written between.
 *
 * What cannot be read (damaged, or of a newer version) stands for nobody.
 */
export class Directory {
  #version = 0;
  readonly #names = new Map<string, Principal>();
  readonly #principals = new Map<string, Principal>();
  readonly #keys = new Map<string, Key>();
  readonly #bindings = new Map<string, Binding>();
  /** By principal. */
  readonly #keysOf = new Map<string, Set<string>>();
  readonly #bindingsOf = new Map<string, Set<string>>();
  /** What there is and cannot be read, by kind and key: with its version, where that is known. */
  readonly #unreadable = new Map<string, number | undefined>();
  /** The same, and whatever else is damaged: it need not be of the kind that it says. */
  readonly #failed = new Map<string, CatalogueName>();
  readonly #settings = new Map<string, CatalogueEntry>();

  /** Of the latest write that it knows of. */
  get version(): number {
    return this.#version;
  }

  /** How many principals there are, `anonymous` among them once it was made. */
  get size(): number {
    return this.#principals.size;
  }

  /** Whether anything of it cannot be read. */
  get hasUnreadable(): boolean {
    return this.#unreadable.size > 0;
  }

  /** Every entry that cannot be read, as it says that it is; of other kinds too, for it may have been another. */
  get failed(): CatalogueName[] {
    return [...this.#failed.values()];
  }

  /** Whether somebody who is not disabled may administrate. */
  get hasAdmin(): boolean {
    for (const { disabled, grants, id } of this.#principals.values())
      if (!disabled && id !== ANONYMOUS_ID && grants.allow(Permission.ADMIN, { prefix: "" })) return true;
    return false;
  }

  /** In the order of their names. */
  get principals(): Principal[] {
    return [...this.#names.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** In the order of their subjects. */
  get bindings(): Binding[] {
    return [...this.#bindings.values()].sort((a, b) => (a.subject < b.subject ? -1 : 1));
  }

  /** Keys and bindings of principals that are gone; none while that cannot be said. */
  get orphans(): Dropped[] {
    if (this.hasUnreadable) return [];
    const isOrphan = ({ principalId }: Key | Binding) => !this.#principals.has(principalId);
    return [
      ...[...this.#keys.values()]
        .filter(isOrphan)
        .map(({ id, version }) => ({ kind: "key" as const, key: id, version })),
      ...this.bindings
        .filter(isOrphan)
        .map(({ subject, version }) => ({ kind: "binding" as const, key: subject, version })),
    ];
  }

  /** @param id  `''` is `anonymous` */
  principalById(id: string): Principal | undefined {
    return this.#principals.get(id);
  }

  principalByName(name: string): Principal | undefined {
    return this.#names.get(name);
  }

  keyById(id: string): Key | undefined {
    return this.#keys.get(id);
  }

  /** The keys of a principal, the newest first. */
  keysOf(principalId: string): Key[] {
    const keys = [...(this.#keysOf.get(principalId) ?? [])].map((id) => this.#keys.get(id)!);
    return keys.sort((a, b) => b.createTimeMs - a.createTimeMs || b.version - a.version);
  }

  /** The bindings of a principal, in the order of their subjects. */
  bindingsOf(principalId: string): Binding[] {
    const bindings = [...(this.#bindingsOf.get(principalId) ?? [])].map((key) => this.#bindings.get(key)!);
    return bindings.sort((a, b) => (a.subject < b.subject ? -1 : 1));
  }

  /** The entry that binds a subject; see bindingKeyOf. */
  bindingBySubject(subject: string): Binding | undefined {
    return this.#bindings.get(subject);
  }

  /**
   * For whom a name from elsewhere stands; undefined: it is not bound.
   *
   * @param subject  see bindingKeyOf
   */
  bindingOf(subject: string): Bound | undefined {
    const binding = this.#bindings.get(subject);
    if (binding !== undefined) return { principal: this.#principals.get(binding.principalId) };
    return this.hidesBindings ? { principal: undefined } : undefined;
  }

  /** Whether there may be bindings that cannot be read. */
  get hidesBindings(): boolean {
    for (const id of this.#unreadable.keys())
      if (!/^(principal|key|policy|webhook|setting) /.test(id)) return true;
    return false;
  }

  /**
   * The version of an entry that is there and cannot be read.
   *
   * @returns  undefined when there is none; NaN when not even that is known
   */
  unreadableVersion(name: CatalogueName): number | undefined {
    const id = idOf(name);
    return this.#unreadable.has(id) ? (this.#unreadable.get(id) ?? Number.NaN) : undefined;
  }

  /** What is kept under a key of the kind `setting`. */
  setting(key: string): CatalogueEntry | undefined {
    return this.#settings.get(key);
  }

  /** Become what it is after some changes. */
  apply({ version, entries, corrupt }: CatalogueChanges): void {
    for (const entry of entries) this.#take(entry);
    // What a damaged row says it is need not be so. So that what it was is gone as well, who reads begins anew then.
    for (const name of corrupt) {
      this.#remove(name);
      this.#failed.set(idOf(name), name);
      if (name.kind !== "policy" && name.kind !== "webhook") this.#unreadable.set(idOf(name), undefined);
    }
    this.#version = version;
  }

  #take(entry: CatalogueEntry): void {
    const { kind, key, version, body } = entry;
    this.#remove(entry);
    if (body === undefined) return;
    if (kind === "setting") this.#settings.set(key, entry);
    else if (kind === "principal")
      this.#put(entry, principalFromBody(key, body, version), this.#addPrincipal);
    else if (kind === "key") this.#put(entry, keyFromBody(key, body, version), this.#addKey);
    else if (kind === "binding") this.#put(entry, bindingFromBody(key, body, version), this.#addBinding);
  }

  #put<T>(entry: CatalogueEntry, read: T | undefined, add: (this: Directory, read: T) => boolean): void {
    if (read !== undefined && add.call(this, read)) return;
    const { kind, key, version } = entry;
    this.#unreadable.set(idOf(entry), version);
    this.#failed.set(idOf(entry), { kind, key });
  }

  /** @returns  false of one that has the id of another: by whichever of the two that came, it must not be both */
  #addPrincipal(principal: Principal): boolean {
    const { id, name } = principal;
    if (this.#principals.has(id) || (id === ANONYMOUS_ID) !== (name === ANONYMOUS)) return false;
    this.#principals.set(id, principal);
    this.#names.set(name, principal);
    return true;
  }

  #addKey(key: Key): boolean {
    this.#keys.set(key.id, key);
    setOf(this.#keysOf, key.principalId).add(key.id);
    return true;
  }

  #addBinding(binding: Binding): boolean {
    this.#bindings.set(binding.subject, binding);
    setOf(this.#bindingsOf, binding.principalId).add(binding.subject);
    return true;
  }

  #remove(name: CatalogueName): void {
    const { kind, key } = name;
    this.#unreadable.delete(idOf(name));
    this.#failed.delete(idOf(name));
    if (kind === "setting") this.#settings.delete(key);
    else if (kind === "principal") {
      const principal = this.#names.get(key);
      this.#names.delete(key);
      if (principal !== undefined) this.#principals.delete(principal.id);
    } else if (kind === "key") {
      take(this.#keysOf, this.#keys.get(key)?.principalId, key);
      this.#keys.delete(key);
    } else if (kind === "binding") {
      take(this.#bindingsOf, this.#bindings.get(key)?.principalId, key);
      this.#bindings.delete(key);
    }
  }
}

function setOf(sets: Map<string, Set<string>>, of: string): Set<string> {
  const found = sets.get(of) ?? new Set<string>();
  sets.set(of, found);
  return found;
}

function take(sets: Map<string, Set<string>>, of: string | undefined, member: string): void {
  if (of === undefined) return;
  const found = sets.get(of);
  found?.delete(member);
  if (found?.size === 0) sets.delete(of);
}

function idOf({ kind, key }: CatalogueName): string {
  return `${kind} ${key}`;
}
