/**
 * The uids of counters: UUIDs of version 7, as 36 characters of text in the core and the API and as 16 bytes in
 * stores.
 */

/**
 * The uid of the counter that operation `index` of a batch makes: one fresh UUIDv7 a batch, plus the index in
 * its last 48 bits. Unique, because the seed has 74 random bits and the index never repeats within a batch.
 */
export function uidAt(seed: string, index: number): string {
  const last = (Number.parseInt(seed.slice(24), 16) + index) % 2 ** 48;
  return seed.slice(0, 24) + last.toString(16).padStart(12, "0");
}

/** The 16 bytes of a UUID in its usual form, "01890a5d-ac96-774b-bcce-b302099a8057". */
export function uidToBytes(uid: string): Uint8Array {
  const bytes = new Uint8Array(16);
  let half = 0;
  for (let i = 0; i < uid.length; i++) {
    const unit = uid.charCodeAt(i);
    if (unit === DASH) continue;
    const nibble = unit < 58 ? unit - 48 : unit - 87; // "0" is 48, "a" is 97.
    bytes[half >> 1]! |= half % 2 === 0 ? nibble << 4 : nibble;
    half++;
  }
  return bytes;
}

/** The usual form of a UUID of 16 bytes. */
export function uidFromBytes(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += HEX[bytes[i]!];
  }
  return text;
}

const DASH = 45;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
