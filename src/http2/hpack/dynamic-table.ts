import type { Entry } from "./static-table.ts";

/** SETTINGS_HEADER_TABLE_SIZE as it is without a word (RFC 9113, section 6.5.2), which is what we leave it at. */
export const TABLE_BYTES_MAX = 4096;

/** No entry takes less than 32 octets, so there are at most so many; a power of two. */
const PLACES = TABLE_BYTES_MAX / 32;

/** The dynamic table of a decoder (RFC 7541, sections 2.3.2 and 4): a ring of entries, the newest first. */
export class DynamicTable {
  /** Made with the first entry: most connections of an idle thousand have none. */
  #ring: (Entry | undefined)[] | undefined;
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax = TABLE_BYTES_MAX;

  /** What it takes, as RFC 7541 counts. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The newest is 0. Undefined where there is none. */
  at(index: number): Entry | undefined {
    return index < this.#count ? this.#ring![(this.#newest - index) & (PLACES - 1)] : undefined;
  }

  /** Have room for so many bytes from now on, `TABLE_BYTES_MAX` at most (RFC 7541, section 4.3). */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evict(0);
  }

  /** One that is larger than the table empties it, and is not there after that (RFC 7541, section 4.4). */
  add(entry: Entry): void {
    this.#evict(entry.bytes);
    if (entry.bytes > this.#bytesMax) return;
    this.#ring ??= new Array(PLACES);
    this.#newest = (this.#newest + 1) & (PLACES - 1);
    this.#ring[this.#newest] = entry;
    this.#count++;
    this.#bytes += entry.bytes;
  }

  #evict(wantedBytes: number): void {
    while (this.#count > 0 && this.#bytes + wantedBytes > this.#bytesMax) {
      this.#count--;
      const oldest = (this.#newest - this.#count) & (PLACES - 1);
      this.#bytes -= this.#ring![oldest]!.bytes;
      this.#ring![oldest] = undefined;
    }
  }
}
