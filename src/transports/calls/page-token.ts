import { createHash } from "node:crypto";
import type { Epoch } from "../../core/epoch.ts";
import { isName } from "../../core/name.ts";
import type { Selection } from "../../core/selection.ts";

/**
 * Where a list goes on, as a text for callers: the name that the next page begins at, and a digest that ties it to
 * the list's prefix and labels, and to the epoch. It needs nothing kept, so it works after a restart and on another instance.
 */
export function toPageToken(next: string, selection: Selection, epoch: Epoch): string {
  return tokenOf(next, digest(epoch, "tally.v1 page", next, ...ofSelection(selection)));
}

/**
 * The name that a token stands for; undefined when it is damaged, or of a list of other counters. Its digest is no secret,
 * so that the name is held against the prefix: nobody may begin a list before what they asked for.
 */
export function fromPageToken(token: string, selection: Selection, epoch: Epoch): string | undefined {
  const next = textIn(token);
  const isOfList = isName(next) && next.startsWith(selection.prefix);
  return isOfList && toPageToken(next, selection, epoch) === token ? next : undefined;
}

/** The same of a counter's changes: the position that the next page is before, tied to the name. */
export function toChangesToken(position: string, name: string, epoch: Epoch): string {
  return tokenOf(position, digest(epoch, "tally.v1 changes", position, name));
}

/** The position that a token stands for; undefined when it is damaged, or of another name. */
export function fromChangesToken(token: string, name: string, epoch: Epoch): string | undefined {
  const position = textIn(token);
  return toChangesToken(position, name, epoch) === token ? position : undefined;
}

/** The same of policies: the prefix that the next page begins at, tied to what the prefixes of the list begin with. */
export function toPoliciesToken(next: string, prefix: string, epoch: Epoch): string {
  return tokenOf(next, digest(epoch, "tally.v1 policies", next, prefix));
}

/** The prefix that a token stands for, the same; undefined when it is damaged, or of another list. */
export function fromPoliciesToken(token: string, prefix: string, epoch: Epoch): string | undefined {
  const next = textIn(token);
  return next.startsWith(prefix) && toPoliciesToken(next, prefix, epoch) === token ? next : undefined;
}

/** The same of principals: the name that the next page begins at. */
export function toPrincipalsToken(next: string, epoch: Epoch): string {
  return tokenOf(next, digest(epoch, "tally.v1 principals", next));
}

/** The name that a token stands for; undefined when it is damaged. */
export function fromPrincipalsToken(token: string, epoch: Epoch): string | undefined {
  const next = textIn(token);
  return toPrincipalsToken(next, epoch) === token ? next : undefined;
}

function ofSelection({ prefix, labels }: Selection): unknown[] {
  return [prefix, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))];
}

function tokenOf(text: string, digest: Buffer): string {
  return Buffer.concat([digest, Buffer.from(text)]).toString("base64url");
}

function textIn(token: string): string {
  return Buffer.from(token, "base64url").toString("latin1", DIGEST_BYTES);
}

/** Of a token that is good in one epoch. */
function digest(epoch: Epoch, ...of: readonly unknown[]): Buffer {
  const all = epoch === undefined ? of : [...of, { epoch }]; // In no list of texts is there such an object.
  return createHash("sha256").update(JSON.stringify(all)).digest().subarray(0, DIGEST_BYTES);
}

const DIGEST_BYTES = 16;
