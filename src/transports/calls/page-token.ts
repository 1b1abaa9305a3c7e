import { createHash } from "node:crypto";
import { isName } from "../../core/name.ts";
import type { Selection } from "../../core/selection.ts";

/**
 * Where a list goes on, as a text for callers: the name that the next page begins at, and a digest that ties it to
 * the list's prefix and labels. It needs nothing kept, so it works after a restart and on another instance.
 */
export function toPageToken(next: string, selection: Selection): string {
  return Buffer.concat([digest(next, selection), Buffer.from(next)]).toString("base64url");
}

/** The name that a token stands for; undefined when it is damaged, or of a list of other counters. */
export function fromPageToken(token: string, selection: Selection): string | undefined {
  const bytes = Buffer.from(token, "base64url");
  const next = bytes.toString("latin1", DIGEST_BYTES);
  return isName(next) && toPageToken(next, selection) === token ? next : undefined;
}

function digest(next: string, { prefix, labels }: Selection): Buffer {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(["tally.v1 page", next, prefix, sorted]);
  return createHash("sha256").update(text).digest().subarray(0, DIGEST_BYTES);
}

const DIGEST_BYTES = 16;
