import { isPrefix, NAME_BYTES_MAX } from "../../core/name.ts";

/**
 * The name of the counter for any bytes: printable ASCII stays as it is, every other byte becomes %XX, and so do
 * "%" itself, because the name must give the bytes back, and a leading "-", which no name may have.
 *
 * @param bytes  one character (U+0000 to U+00FF) a byte, as latin1 reads them; at least one. The bytes need not be
 *               UTF-8: nothing is decoded, so two lines that differ never share a name.
 * @returns      a legal name, unless it is longer than NAME_BYTES_MAX
 */
export function nameOf(bytes: string): string {
  if (IS_NAME.test(bytes)) return bytes;
  return bytes.replace(TO_ENCODE, (byte) => PERCENT[byte.charCodeAt(0)]!);
}

const IS_NAME = /^[!-$&-,.-~][!-$&-~]*$/;

const TO_ENCODE = /^-|[^!-$&-~]/g;

const PERCENT = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
);

/** Why a prefix cannot stand before names; undefined when it can. */
export function faultOfPrefix(prefix: string): string | undefined {
  if (prefix.length >= NAME_BYTES_MAX) {
    return `expected at most ${NAME_BYTES_MAX - 1} bytes, so that a name has room, got ${prefix.length}`;
  }
  if (isPrefix(prefix)) return undefined;
  return `expected printable ASCII (! to ~), the first not "-", got ${JSON.stringify(prefix)}`;
}
