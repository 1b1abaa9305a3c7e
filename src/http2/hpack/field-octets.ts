/** Which octets names and values of fields have (RFC 9113, section 8.2.1; RFC 9110, section 5.5). */

const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;

/** The characters of tokens without capitals (RFC 9110, section 5.6.2). */
const NAME_OCTETS = octets("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");

/**
 * All but the controls, of which only the tab may be. RFC 9113 forbids NUL, CR and LF; the others RFC 9110 leaves to
 * the recipient, and no client of ours sends them.
 */
const VALUE_OCTETS = new Uint8Array(256)
  .fill(1, SPACE)
  .fill(1, TAB, TAB + 1)
  .fill(0, 0x7f, 0x80);

/** A name; one that begins with a colon is a pseudo-header's, which has something behind it. */
export function isFieldName(from: Uint8Array, start: number, end: number): boolean {
  let at = start < end && from[start] === COLON ? start + 1 : start;
  if (at === end) return false;
  while (at < end) if (NAME_OCTETS[from[at++]!] === 0) return false;
  return true;
}

/** A value; it neither begins nor ends with a blank. */
export function isFieldValue(from: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  for (let at = start; at < end; at++) if (VALUE_OCTETS[from[at]!] === 0) return false;
  return !isBlank(from[start]!) && !isBlank(from[end - 1]!);
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === TAB;
}

function octets(characters: string): Uint8Array {
  const set = new Uint8Array(256);
  for (const character of characters) set[character.charCodeAt(0)] = 1;
  return set;
}
