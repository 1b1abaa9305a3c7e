import { isName } from "./name.ts";
import { ON_ALL_ALONE, type Permissions, permissionsFromText, permissionsToText } from "./permissions.ts";
import { Prefixes } from "./prefixes.ts";

/** What is permitted on the counters of a prefix, or on a single one. */
export type Grant = { readonly permissions: Permissions } & Target;

/** A counter by its name, there or not, or all whose names begin with a prefix. */
export type Target = { readonly name: string } | { readonly prefix: string };

/** How many grants a principal may have. */
export const GRANTS_MAX = 64;

/** Of "read,increment@shop." or "read@=shop.total". @returns  the grant, or what is wrong with it, as a clause */
export function grantFromText(text: string): Grant | string {
  const at = text.indexOf("@");
  if (at === -1) return "must be PERMISSIONS@PREFIX or PERMISSIONS@=NAME";
  const permissions = permissionsFromText(text.slice(0, at));
  if (permissions === undefined)
    return "must begin with permissions: read, increment, decrement, set, create, manage, observe, admin, write or all, separated by commas";
  const on = text.slice(at + 1);
  const target = on.startsWith("=") ? { name: on.slice(1) } : { prefix: on };
  return targetFault(target, permissions) ?? { permissions, ...target };
}

/** What is wrong with a grant on a target, as a clause. */
function targetFault(target: Target, permissions: Permissions): string | undefined {
  if ("name" in target) {
    if (!isName(target.name)) return "must name a counter behind @=";
  } else if (target.prefix !== "" && (!isName(target.prefix) || !/[./:-]$/.test(target.prefix)))
    return "must have a prefix that ends in one of . / : - (so that shop. is not shopping), or none for all names";
  const isAll = permissions === 255; // "all@shop." is all that can be had there.
  if (!isAll && (permissions & ON_ALL_ALONE) !== 0 && !("prefix" in target && target.prefix === ""))
    return "must have observe and admin on all names: observe@, admin@";
  return undefined;
}

/** As it is written. */
export function grantToText(grant: Grant): string {
  const on = "name" in grant ? `=${grant.name}` : grant.prefix;
  return `${permissionsToText(grant.permissions)}@${on}`;
}

/** What somebody may do: all grants that they have. Bytes are compared, and case counts. */
export class Grants {
  static readonly NONE = new Grants([]);
  static readonly ALL = new Grants([{ permissions: 255, prefix: "" }]);

  readonly all: readonly Grant[];
  /** What is permitted on whatever it is. */
  readonly everywhere: Permissions;
  /** By what is needed; of what somebody has asked for. */
  readonly #prefixes: Prefixes[] = [];

  constructor(grants: readonly Grant[]) {
    this.all = grants;
    this.everywhere = grants.reduce(
      (sum, grant) => ("prefix" in grant && grant.prefix === "" ? sum | grant.permissions : sum),
      0,
    );
  }

  /** Whether all of some permissions are granted on a target, by one grant or by several together. */
  allow(needed: Permissions, target: Target): boolean {
    let missing = needed & ~this.everywhere;
    if (missing === 0) return true;
    for (const grant of this.all) {
      if ((grant.permissions & missing) === 0 || !covers(grant, target)) continue;
      missing &= ~grant.permissions;
      if (missing === 0) return true;
    }
    return false;
  }

  /** The prefixes of grants on all of which something is granted. Of names that begin otherwise some may be granted too. */
  prefixesFor(needed: Permissions): Prefixes {
    this.#prefixes[needed] ??= new Prefixes(
      this.all.flatMap((grant) => ("prefix" in grant && this.allow(needed, grant) ? grant.prefix : [])),
    );
    return this.#prefixes[needed];
  }

  /** The prefixes on which something is granted, in their order. */
  prefixesOf(needed: Permissions): string[] {
    return this.all
      .flatMap((grant) => ("prefix" in grant && (grant.permissions & needed) === needed ? grant.prefix : []))
      .sort();
  }
}

/** What both permit, and nothing else: of two targets that overlap one is in the other. */
export function intersect(some: Grants, others: Grants): Grants {
  const byTarget = new Map<string, Grant>();
  for (const one of some.all) {
    for (const other of others.all) {
      const permissions = one.permissions & other.permissions;
      const narrower = covers(one, other) ? other : covers(other, one) ? one : undefined;
      if (permissions === 0 || narrower === undefined) continue;
      const key = "name" in narrower ? `=${narrower.name}` : `@${narrower.prefix}`;
      byTarget.set(key, { ...narrower, permissions: permissions | (byTarget.get(key)?.permissions ?? 0) });
    }
  }
  return new Grants([...byTarget.values()]);
}

/** Whether a grant is about a target, all of it. `observe` and `admin` of an "all" on less than all names are none. */
function covers(grant: Grant, target: Target): boolean {
  if ("name" in grant) return "name" in target && target.name === grant.name;
  return begins("name" in target ? target.name : target.prefix, grant.prefix);
}

/** As startsWith, from the end: prefixes of one caller mostly begin alike, and most are not of the name that is asked for. */
function begins(text: string, prefix: string): boolean {
  if (text.length < prefix.length) return false;
  for (let i = prefix.length - 1; i >= 0; i--) if (text.charCodeAt(i) !== prefix.charCodeAt(i)) return false;
  return true;
}
