/** What a read said of a counter: its value and which counter it is, or why there is none. */
export type Seen =
  | ({ readonly value: bigint; readonly uid: string } & Times)
  /** Tally's reason: COUNTER_NOT_FOUND, ROW_CORRUPT. */
  | { readonly reason: string };

/** When time will do something to it. */
export interface Times {
  readonly windowEnd?: Date;
  readonly fullTime?: Date;
  readonly expireTime?: Date;
}

/** A counter that is read again and again. */
export class Watched {
  readonly name: string;
  /** Changes a second between one read and the next, the latest last; as many as RATES_MAX. */
  readonly rates: number[] = [];
  #seen: Seen | undefined;
  #seenAtMs = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** The last read; undefined before the first. */
  get seen(): Seen | undefined {
    return this.#seen;
  }

  /**
   * Take in a read.
   *
   * @param atMs  when; later than the one before
   * @returns     by how much the value has moved, 0n at the first sight of a counter (also of another one under the
   *              same name); undefined when nothing is new
   */
  update(seen: Seen, atMs: number): bigint | undefined {
    const before = this.#seen;
    const seconds = (atMs - this.#seenAtMs) / 1000;
    this.#seen = seen;
    this.#seenAtMs = atMs;
    if ("reason" in seen) {
      this.rates.length = 0;
      const same = before !== undefined && "reason" in before && before.reason === seen.reason;
      return same ? undefined : 0n;
    }
    if (before === undefined || "reason" in before || before.uid !== seen.uid) {
      this.rates.length = 0; // Another counter: how it got its value is not known.
      return 0n;
    }
    const moved = seen.value - before.value;
    this.rates.push(Number(moved) / seconds);
    if (this.rates.length > RATES_MAX) this.rates.shift();
    return moved === 0n ? undefined : moved;
  }
}

/** Half a minute at one read a second. */
const RATES_MAX = 30;
