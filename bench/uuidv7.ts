import { randomBytes } from "node:crypto";

/** As many characters as a UUID has. */
export const UUID_PLACEHOLDER = "00000000-0000-7000-8000-000000000000";

const HEX = Buffer.from("0123456789abcdef");

/**
 * Make a writer of UUIDv7s as text. Each has the time, a counter in rand_a (so that one process's ids rise
 * within a millisecond, up to 4,096 of them), then 30 bits that are this process's own and 32 random ones.
 * Written digit by digit into the request's buffer: a string and its copy would cost the generator more
 * than all of this.
 */
export function uuidv7Writer(): (buffer: Buffer, offset: number) => void {
  const own = randomBytes(4).readUInt32BE() & 0x3fffffff;
  let counter = 0;
  let lastMs = 0;
  return (buffer, offset) => {
    const ms = Date.now();
    counter = ms === lastMs ? counter + 1 : 0;
    lastMs = ms;
    writeHex(buffer, offset, Math.floor(ms / 0x10000), 8);
    writeHex(buffer, offset + 9, ms % 0x10000, 4);
    writeHex(buffer, offset + 15, counter, 3);
    writeHex(buffer, offset + 19, 0x8000 | (own >>> 16), 4);
    writeHex(buffer, offset + 24, own, 4);
    writeHex(buffer, offset + 28, Math.random() * 0x1_0000_0000, 8);
  };
}

/** The lowest `digits` hexadecimal digits of `value`. */
function writeHex(buffer: Buffer, offset: number, value: number, digits: number): void {
  let rest = value;
  for (let at = offset + digits - 1; at >= offset; at--) {
    buffer[at] = HEX[rest & 15]!;
    rest >>>= 4;
  }
}
