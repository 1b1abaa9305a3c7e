/**
 * The last streams of a connection that have closed, by how they did (RFC 9113, section 5.1, "closed"): frames that
 * still come for one mean different things.
 */
export class ClosedStreams {
  /** Ended by both sides. */
  readonly #ended = new Ring(64);
  /**
   * Ended by us while the peer was still sending. What it had sent by then is not its fault, and it can have had no
   * more of such than streams that it may have at a time, for it opens others only once it knows of our end; so that
   * many are remembered, and as many again for those that it opens before it has read our settings.
   */
  readonly #cut: Ring;

  constructor(streamsMax: number) {
    this.#cut = new Ring(4 * streamsMax);
  }

  addEnded(id: number): void {
    this.#ended.add(id);
  }

  addCut(id: number): void {
    this.#cut.add(id);
  }

  /** Both sides had ended it: nothing may come. */
  ended(id: number): boolean {
    return this.#ended.has(id);
  }

  /** We ended it, and the rest of what the peer had sent may come. */
  cut(id: number): boolean {
    return this.#cut.has(id);
  }
}

/** The last so many numbers. */
class Ring {
  readonly #size: number;
  /** Made with the first number. */
  #numbers: Int32Array | undefined;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(number: number): void {
    this.#numbers ??= new Int32Array(this.#size);
    this.#numbers[this.#next] = number;
    this.#next = (this.#next + 1) % this.#size;
  }

  has(number: number): boolean {
    return this.#numbers?.includes(number) ?? false;
  }
}
