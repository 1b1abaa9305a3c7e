import { createHash } from "node:crypto";

/**
 * A name for people that is made of what somebody else has called somebody: percent-encoded, so that it is one line of
 * ASCII without spaces and colons.
 *
 * @param subject  well-formed Unicode
 * @returns        up to 80 bytes; what would be longer is cut, and ends in the first 72 bits of its SHA-256, in base64url
 */
export function percentName(subject: string): string {
  const name = encodeURIComponent(subject);
  if (name.length <= NAME_BYTES_MAX) return name;
  const hash = hashOf(subject);
  return `${name.slice(0, NAME_BYTES_MAX - hash.length - 1)}~${hash}`;
}

/** Text in a fixed number of characters: the first 72 bits of the SHA-256 of its UTF-8, in base64url. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest().subarray(0, 9).toString("base64url");
}

const NAME_BYTES_MAX = 80;
