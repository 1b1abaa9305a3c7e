/** Random bytes, so many of them. Handed in, so that tests own them. */
export type RandomBytes = (bytes: number) => Buffer;

/**
 * A name that nobody has: 60 random bits as 12 letters and digits, none of which is taken for another one. Two of a million
 * are the same with a probability of one in two million.
 */
export function randomId(randomBytes: RandomBytes): string {
  let id = "";
  for (const byte of randomBytes(12)) id += ALPHABET[byte & 31];
  return id;
}

/** Those of Crockford's base32, in lower case. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
