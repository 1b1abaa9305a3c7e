import { ConnectionError, ErrorCode } from "../codes.ts";
import { DynamicTable, TABLE_BYTES_MAX } from "./dynamic-table.ts";
import { isFieldName, isFieldValue } from "./field-octets.ts";
import { decodeHuffman, huffmanBytesMax } from "./huffman.ts";
import { ENTRY_OVERHEAD_BYTES, type Entry, STATIC_TABLE } from "./static-table.ts";

/** Takes the fields of a block, in their order. */
export interface FieldSink {
  /**
   * @param bytes  as RFC 9113, section 6.5.2 counts
   * @param valid  whether name and value have only octets that HTTP/2 allows; of one that has not the name may be anything
   */
  add(name: string, value: string, bytes: number, valid: boolean): void;
}

/**
 * Decodes the header blocks of one connection, in the order in which they came (RFC 7541, section 3). Whatever it cannot
 * read is a connection error, for both ends would disagree about the table from there on (RFC 9113, section 4.3).
 */
export class Decoder {
  readonly #table = new DynamicTable();
  #block: Buffer = NOTHING;
  #at = 0;
  #end = 0;
  /** Where the string lies that was read last: in the block, or decoded in `scratch`. */
  #from: Buffer = NOTHING;
  #start = 0;
  #stop = 0;
  #tableChanged = false;

  /** What the dynamic table takes. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /**
   * Decode the block that lies at `start` to `end` of `from`.
   *
   * @returns  whether the dynamic table is as it was, so that the same bytes would mean the same again
   * @throws ConnectionError COMPRESSION_ERROR
   */
  decode(from: Buffer, start: number, end: number, into: FieldSink): boolean {
    this.#block = from;
    this.#at = start;
    this.#end = end;
    this.#tableChanged = false;
    this.#resizes();
    while (this.#at < end) this.#field(from[this.#at]!, into);
    this.#block = this.#from = NOTHING; // Not to keep all that was read from the socket.
    return !this.#tableChanged;
  }

  /** Updates of the table's size, which stand before all fields (RFC 7541, sections 4.2 and 6.3). */
  #resizes(): void {
    while (this.#at < this.#end && isResize(this.#block[this.#at]!)) {
      const bytesMax = this.#integer(5);
      if (bytesMax > TABLE_BYTES_MAX) throw broken("a table larger than was allowed");
      this.#table.resize(bytesMax);
      this.#tableChanged = true;
    }
  }

  /** RFC 7541, section 6. */
  #field(first: number, into: FieldSink): void {
    if (first >= 0x80) {
      const { name, value, bytes, valid } = this.#entry(this.#integer(7));
      into.add(name, value, bytes, valid);
    } else if (first >= 0x40) {
      const entry = this.#literal(6);
      into.add(entry.name, entry.value, entry.bytes, entry.valid);
      this.#table.add(entry);
      this.#tableChanged = true;
    } else if (isResize(first)) throw broken("a table's size behind a field");
    else {
      const { name, value, bytes, valid } = this.#literal(4); // Never indexed, or not here: the same to who reads.
      into.add(name, value, bytes, valid);
    }
  }

  #literal(prefixBits: number): Entry {
    const index = this.#integer(prefixBits);
    let name: string;
    let nameValid: boolean;
    if (index > 0) ({ name, nameValid } = this.#entry(index));
    else {
      this.#string();
      nameValid = isFieldName(this.#from, this.#start, this.#stop);
      name = this.#from.toString("latin1", this.#start, this.#stop);
    }
    this.#string();
    const valid = nameValid && isFieldValue(this.#from, this.#start, this.#stop);
    const value = this.#from.toString("latin1", this.#start, this.#stop);
    return { name, value, bytes: name.length + value.length + ENTRY_OVERHEAD_BYTES, nameValid, valid };
  }

  /** One address space: the static table, and the dynamic one behind it (RFC 7541, section 2.3.3). */
  #entry(index: number): Entry {
    const entry =
      index <= STATIC_TABLE.length
        ? STATIC_TABLE[index - 1]
        : this.#table.at(index - STATIC_TABLE.length - 1);
    if (entry === undefined) throw broken("an index that is in no table");
    return entry;
  }

  /** RFC 7541, section 5.1; the octet that it begins in is there. None of ours is beyond 28 bits. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#block[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= INTEGER_SHIFT_MAX; shift += 7) {
      if (this.#at >= this.#end) throw broken("an integer that is cut short");
      const octet = this.#block[this.#at++]!;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw broken("an integer that is too large");
  }

  /** RFC 7541, section 5.2. */
  #string(): void {
    if (this.#at >= this.#end) throw broken("a field that is cut short");
    const coded = this.#block[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    const stop = start + length;
    if (stop > this.#end) throw broken("a string that is cut short");
    this.#at = stop;
    if (!coded) {
      this.#from = this.#block;
      this.#start = start;
      this.#stop = stop;
      return;
    }
    const bytesMax = huffmanBytesMax(length);
    if (bytesMax > scratch.length) scratch = Buffer.allocUnsafeSlow(bytesMax); // Bounded as blocks are.
    this.#from = scratch;
    this.#start = 0;
    this.#stop = decodeHuffman(this.#block, start, stop, scratch);
    if (this.#stop < 0) throw broken("a string that is not in the Huffman code");
  }
}

const NOTHING = Buffer.alloc(0);
const INTEGER_SHIFT_MAX = 21;

/** Where all decoders decode strings to, one after another. */
let scratch = Buffer.allocUnsafeSlow(4096);

/** 001xxxxx: a dynamic table size update (RFC 7541, section 6.3). */
function isResize(octet: number): boolean {
  return (octet & 0xe0) === 0x20;
}

function broken(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `header block: ${what}`);
}
