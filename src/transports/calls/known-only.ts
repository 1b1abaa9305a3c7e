import type { Refusal } from "../../core/errors.ts";
import { Permission } from "../../core/permissions.ts";
import type { Authorise, Permit } from "./authorise.ts";

/**
 * For what is for whoever has a credential, whichever it is. Who has none is let in only where nobody needs one to read
 * every counter either.
 */
export function knownOnly(authorise: Authorise): Authorise {
  return (head, came) => {
    const permit = authorise(head, came);
    return permit instanceof Promise ? permit.then(ifKnown) : ifKnown(permit);
  };
}

function ifKnown(permit: Permit | Refusal): Permit | Refusal {
  if ("code" in permit) return permit;
  const { caller, access } = permit;
  const isKnown = caller !== "" || access === undefined || (access.everywhere & Permission.READ) !== 0;
  return isKnown ? permit : { code: "CREDENTIAL_MISSING" };
}
