/**
 * About how many different names there were, in a megabyte however many there are.
 *
 * Linear counting: each name sets the bit that its hash says, and the share of bits not set gives the number. Right
 * to a percent up to some 20 million, and a set of the names would take gigabytes.
 */
export class Distinct {
  readonly #bits = new Uint8Array(BITS / 8);
  #unset = BITS;

  add(name: string): void {
    const bit = hashOf(name) % BITS;
    const mask = 1 << (bit & 7);
    const byte = this.#bits[bit >>> 3]!;
    if ((byte & mask) !== 0) return;
    this.#bits[bit >>> 3] = byte | mask;
    this.#unset--;
  }

  /** About so many; Infinity when there were too many to tell. */
  get estimate(): number {
    return this.#unset === 0 ? Number.POSITIVE_INFINITY : Math.round(BITS * Math.log(BITS / this.#unset));
  }
}

const BITS = 2 ** 23;

/** FNV-1a, its bits mixed at the end as MurmurHash3 does: FNV's own low bits depend too little on the last bytes. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
