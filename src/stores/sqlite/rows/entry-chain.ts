import {
  BEFORE_ALL,
  checksumOf,
  END,
  type Entry,
  type EntryKey,
  type EntryReader,
  gapIn,
  linkOf,
} from "./linked-entries.ts";

/** A damaged entry, which what leads to it tells from others. */
export interface DamagedEntry {
  readonly entry: Entry;
  /** Whose it is, also where it does not say so any more. */
  readonly id: number;
  /** Whether it has the key that was written. */
  readonly isKeySound: boolean;
}

/**
 * Goes through entries as they stand: each must be the one that the entry before it leads to, or what is left of it.
 *
 * An entry whose key has rotted says nothing of where it belongs, and leads searches astray. So a damaged one excuses nothing:
 * it must be led to by what has not rotted, and lead to the one behind it. Then nothing is hidden on either side.
 */
export class Chain {
  #last: Entry;
  #damaged: DamagedEntry | undefined;

  /** @param first  goes on behind it; begins at the first entry of all when there is none */
  constructor(first = BEFORE_ALL) {
    this.#last = first;
  }

  /**
   * Go to the entry before a key, from the last sound one before it.
   *
   * @returns  the damaged ones behind that one
   * @throws TallyError ROW_CORRUPT  where the search may have been led astray
   */
  upTo(beside: EntryReader, key: EntryKey): DamagedEntry[] {
    const [sound, ...others] = beside.downToSound(key).reverse();
    if (sound === undefined || linkOf(sound) === undefined || !isBefore(sound, key))
      throw gapIn("entries of counters");
    this.#last = sound;
    return others.map((other) => {
      this.step(other);
      return this.#damaged!;
    });
  }

  /** The last entry, if it is damaged. */
  get damaged(): DamagedEntry | undefined {
    return this.#damaged;
  }

  /** @throws TallyError ROW_CORRUPT  when one before this entry is missing, or may be */
  step(entry: Entry): void {
    const { next } = this.#last;
    const link = linkOf(entry);
    this.#damaged = link === undefined ? leftOf(entry, next) : undefined;
    if (link !== next && this.#damaged === undefined) throw gapIn("entries of counters");
    this.#last = entry;
  }

  /** After the last entry of all: none follows it. */
  end(): void {
    if (this.#last.next !== END) throw gapIn("entries of counters");
  }
}

/**
 * What a damaged entry was, if it is the one that a link leads to: two of its key, its id and its checksum are as they were
 * written, and the link tells the third.
 */
function leftOf(entry: Entry, link: number): DamagedEntry | undefined {
  const { key = "", value = "", name, counter_id, checksum } = entry;
  const hasId = Number.isSafeInteger(counter_id);
  if (hasId && counter_id + checksum === link) return { entry, id: counter_id, isKeySound: false };
  if (typeof key !== "string" || typeof value !== "string" || typeof name !== "string") return undefined;
  if (hasId && counter_id + checksumOf(entry) === link) return { entry, id: counter_id, isKeySound: true };
  const id = link - checksum;
  if (!Number.isSafeInteger(id) || checksumOf({ ...entry, counter_id: id }) !== checksum) return undefined;
  return { entry, id, isKeySound: true };
}

/** In the order of the table. */
export function isBefore({ key = "", value = "", name }: Entry, other: EntryKey): boolean {
  const order = orderOf(key, other.key) || orderOf(value, other.value) || orderOf(name, other.name);
  return order < 0;
}

function orderOf(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}
