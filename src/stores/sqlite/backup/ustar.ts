/**
 * The blocks of a tar file: as much of POSIX's ustar as a backup needs, plain files of mode 0600 in one folder. Each header
 * can be written in one way only, so that one which is read can be compared with what it ought to be, bit by bit.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
 */

/** Everything in a tar file is a whole number of these. */
export const BLOCK_BYTES = 512;
/** Two empty blocks end it. */
export const END_BYTES = 2 * BLOCK_BYTES;

/** A file in it. */
export interface TarEntry {
  /** Up to 100 octets of ASCII. */
  readonly name: string;
  readonly bytes: number;
  /** In whole seconds since the Unix epoch. */
  readonly time: number;
}

/** What stands before a file's bytes. */
export function tarHeader({ name, bytes, time }: TarEntry): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(name, 0, 100, "ascii");
  block.write("0000600\0", 100, "ascii");
  block.write("0000000\0".repeat(2), 108, "ascii"); // Nobody's: who unpacks it has them.
  writeNumber(block, SIZE_AT, bytes);
  writeNumber(block, TIME_AT, time);
  block.write("0", 156, "ascii");
  block.write("ustar\x0000", 257, "ascii");
  block.write("0000000\0".repeat(2), 329, "ascii");
  block.write(" ".repeat(8), SUM_AT, "ascii"); // As which they count in the sum.
  const sum = block.reduce((total, octet) => total + octet, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, SUM_AT, "ascii");
  return block;
}

/** What a header says; undefined when it is none that tarHeader has made. */
export function readTarHeader(block: Buffer): TarEntry | undefined {
  const end = block.subarray(0, 100).indexOf(0);
  const name = block.toString("latin1", 0, end === -1 ? 100 : end);
  const [bytes, time] = [readNumber(block, SIZE_AT), readNumber(block, TIME_AT)];
  if (bytes === undefined || time === undefined) return undefined;
  const entry = { name, bytes, time };
  return tarHeader(entry).equals(block) ? entry : undefined;
}

/** How many zeros follow a file, so that the next header begins a block. */
export function paddingAfter(bytes: number): number {
  return (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

const SIZE_AT = 124;
const TIME_AT = 136;
const SUM_AT = 148;
const NUMBER_BYTES = 12;

/** In octal, as all tars read it; from 8 GiB on as GNU's and BSD's do, in the last octets, the first being 0x80. */
function writeNumber(block: Buffer, at: number, value: number): void {
  if (value < OCTAL_END) block.write(`${value.toString(8).padStart(NUMBER_BYTES - 1, "0")}\0`, at, "ascii");
  else {
    block[at] = BINARY;
    block.writeUIntBE(value, at + NUMBER_BYTES - 6, 6);
  }
}

function readNumber(block: Buffer, at: number): number | undefined {
  if (block[at] === BINARY) return block.readUIntBE(at + NUMBER_BYTES - 6, 6);
  const text = block.toString("latin1", at, at + NUMBER_BYTES - 1);
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

const OCTAL_END = 8 ** 11;
const BINARY = 0x80;
