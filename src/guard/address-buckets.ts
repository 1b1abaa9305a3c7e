import { isIPv6 } from "node:net";

/** How many buckets there are for all addresses: those that meet in one share it. */
const SLOTS = 65_536;

/** A fixed number of buckets for addresses of any number, so that none is forgotten, and none takes memory of its own. */
export class AddressBuckets<T> {
  readonly #seed: number;
  readonly #make: () => T;
  readonly #slots: (T | undefined)[] = [];

  /** @param seed  by which addresses come to slots: who does not know it cannot choose whom to share one with */
  constructor(seed: number, make: () => T) {
    this.#seed = seed;
    this.#make = make;
  }

  /** The bucket of an address; of IPv6 that of its /64, which is what one customer has. */
  at(address: string): T {
    const slot = hashOf(networkOf(address), this.#seed) % SLOTS;
    this.#slots[slot] ??= this.#make();
    return this.#slots[slot];
  }
}

/** An IPv4 address as it is; of IPv6 the first four of its eight groups. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = address.split("%")[0]!.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const filled =
    tail === undefined ? first : [...first, ...Array(8 - first.length - last.length).fill("0"), ...last];
  return filled
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}

/** FNV-1a over the characters, begun at a seed. */
function hashOf(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return (hash ^ (hash >>> 16)) >>> 0;
}
