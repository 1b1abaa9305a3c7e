import { Option } from "commander";
import { type Grant, grantFromText, grantToText } from "../../core/grants.ts";
import { ON_ALL_ALONE } from "../../core/permissions.ts";
import { CommandError, EXIT } from "../exit.ts";

/** --grant, as often as wanted. */
export function grantOption(about: string): Option {
  return new Option(
    "--grant <grant>",
    `${about}: PERMISSIONS@PREFIX or PERMISSIONS@=NAME; may be repeated`,
  ).argParser(collected);
}

/** --revoke-grant, as often as wanted. */
export function revokeGrantOption(): Option {
  return new Option(
    "--revoke-grant <grant>",
    "take permissions away, written likewise; may be repeated",
  ).argParser(collected);
}

/** An option that may be repeated. */
export function collected(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** Several grants in one line. */
export function grantsCell(grants: readonly string[]): string {
  return grants.length === 0 ? "none" : grants.join(" ");
}

/** What is to become of a principal's grants. */
export interface GrantChanges {
  readonly grant?: readonly string[];
  readonly revokeGrant?: readonly string[];
}

/**
 * Grants without some permissions, and with others: on each prefix or name those that are there, less what is revoked,
 * and what is granted. What cannot be read here, for it is of a newer server, stays as it is.
 *
 * @param current  as the server has them
 * @returns        as they are to be, in the same order, new ones last
 * @throws CommandError  for a text that is no grant, or for one that is to be revoked and is not there
 */
export function changedGrants(
  current: readonly string[],
  { grant = [], revokeGrant = [] }: GrantChanges,
): string[] {
  const grants = new Map<string, Grant | string>();
  for (const text of current) {
    const read = grantFromText(text);
    if (typeof read === "string") grants.set(text, text);
    else grants.set(targetOf(read), merged(grants.get(targetOf(read)), read));
  }
  for (const text of revokeGrant) {
    const gone = expectGrant("--revoke-grant", text);
    const had = grants.get(targetOf(gone));
    if (had === undefined || typeof had === "string" || (had.permissions & gone.permissions) === 0)
      throw new CommandError(
        EXIT.USAGE,
        `There is nothing of --revoke-grant ${text} to take away; the grants are ${grantsCell(current)}.`,
      );
    const left = without(had, gone);
    if (left === undefined) grants.delete(targetOf(gone));
    else grants.set(targetOf(gone), left);
  }
  for (const text of grant) {
    const more = expectGrant("--grant", text);
    grants.set(targetOf(more), merged(grants.get(targetOf(more)), more));
  }
  return [...grants.values()].map((each) => (typeof each === "string" ? each : grantToText(each)));
}

/** @throws CommandError  that says by which option it came */
function expectGrant(option: string, text: string): Grant {
  const read = grantFromText(text);
  if (typeof read !== "string") return read;
  throw new CommandError(EXIT.USAGE, `${option} "${text}" ${read}.`);
}

function targetOf(grant: Grant): string {
  return "name" in grant ? `=${grant.name}` : grant.prefix;
}

function merged(had: Grant | string | undefined, more: Grant): Grant {
  return had === undefined || typeof had === "string"
    ? more
    : { ...more, permissions: had.permissions | more.permissions };
}

/** What of a grant stays. Of "all" on less than all names, `observe` and `admin` were none. */
function without(had: Grant, gone: Grant): Grant | undefined {
  const onAll = "prefix" in had && had.prefix === "";
  const left = had.permissions & ~gone.permissions & (onAll ? ~0 : ~ON_ALL_ALONE);
  return left === 0 ? undefined : { ...had, permissions: left };
}
