/** What a caller may do by grants alone, without who would have given them. */
import { type Grant, Grants, grantFromText } from "../../src/core/grants.ts";
import type { Access } from "../../src/transports/calls/authorise.ts";

/** Of texts such as "increment@shop.". */
export function grantsOf(...texts: readonly string[]): Grants {
  return new Grants(texts.map((text) => grantFromText(text) as Grant));
}

/** @param more  in the place of what grants do not say */
export function accessBy(grants: Grants, more: Partial<Access> = {}): Access {
  return {
    everywhere: grants.everywhere,
    allows: (needed, target) => grants.allow(needed, target),
    denial: (needed, target) =>
      grants.allow(needed, target) ? undefined : { code: "PERMISSION_DENIED", expected: "it lacks some" },
    prefixesFor: (needed) => grants.prefixesFor(needed),
    charge: () => undefined,
    ...more,
  };
}
