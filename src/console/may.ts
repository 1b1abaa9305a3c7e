/** What the person at the page may do, as far as it can be said without asking. */
import type { Grants } from "../core/grants.ts";
import { Permission } from "../core/permissions.ts";

/** What a button of the page needs on its counter. */
export type Needed = "read" | "increment" | "decrement" | "set" | "manage" | "observe";

/**
 * Why somebody may not do something to a counter.
 *
 * @param grants  what they may do; undefined: nobody is asked, or it is not known
 * @returns       a clause; "" when they may, or when the server has to say
 */
export function whyNot(grants: Grants | undefined, needed: Needed, name: string): string {
  if (grants === undefined || grants.allow(BITS[needed], { name })) return "";
  return `you lack the permission ${needed}`;
}

/** The same of a counter that has no name yet: whether there is one that they may make. */
export function whyNone(grants: Grants | undefined, needed: Needed): string {
  const some =
    grants === undefined || grants.all.some(({ permissions }) => (permissions & BITS[needed]) !== 0);
  return some ? "" : `you lack the permission ${needed}`;
}

/** Where a list begins that they may see: `prefix` where that is one, else the first prefix that they may read. */
export function readablePrefix(grants: Grants | undefined, prefix: string): string {
  if (grants === undefined || grants.allow(Permission.READ, { prefix })) return prefix;
  return grants.prefixesOf(Permission.READ)[0] ?? prefix;
}

const BITS: Readonly<Record<Needed, number>> = {
  read: Permission.READ,
  increment: Permission.INCREMENT,
  decrement: Permission.DECREMENT,
  set: Permission.SET,
  manage: Permission.MANAGE,
  observe: Permission.OBSERVE,
};
