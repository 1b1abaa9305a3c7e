import { createHash } from "node:crypto";
import { NAME_BYTES_MAX } from "../../core/name.ts";

/** One key and value of a descriptor. */
export interface Entry {
  readonly key: string;
  readonly value: string;
}

/**
 * The counter that a descriptor stands for: "DOMAIN/KEY+KEY/VALUE+VALUE", and where it brings its own limit, that behind
 * it: "/=100+MINUTE". Keys first: so the prefix "DOMAIN/KEY+KEY/" is exactly these keys, with any values; key by key, a
 * policy for one entry would catch every longer descriptor.
 *
 * Each part is percent-encoded but letters, digits, ".", "_" and "~", so no two descriptors have one name. What is longer
 * than a name may be ends in a digest of all of it, behind a "#", which stands in no other.
 *
 * @returns  1 to 200 bytes of ASCII
 */
export function counterName(domain: string, entries: readonly Entry[], override?: string): string {
  const keys = entries.map(({ key }) => encoded(key)).join("+");
  const values = entries.map(({ value }) => encoded(value)).join("+");
  const whole = `${encoded(domain)}/${keys}/${values}${override === undefined ? "" : `/=${override}`}`;
  if (whole.length <= NAME_BYTES_MAX) return whole;
  const digest = `#${createHash("sha256").update(whole).digest("base64url")}`;
  return whole.slice(0, NAME_BYTES_MAX - digest.length) + digest;
}

function encoded(part: string): string {
  return encodeURIComponent(part).replace(
    /[-!*'()]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
