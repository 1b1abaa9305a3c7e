/**
 * The last streams of a connection that have closed, by how they did (RFC 9113, section 5.1, "closed"): frames that
 * still come for one mean different things.
 */
export class ClosedStreams {
  /** Ended by both sides. */
  readonly #ended = new Ring(64);
  /** Reset by the peer. */
  readonly #reset = new Ring(64);
  /**
   * Reset by us, the answer being whole or not, while the peer may have been sending. What it had sent by then is not
   * its fault, and it can have had no more of such than streams that it may have at a time, for it opens others only
   * once it knows of our end; so that many are remembered, and more for those that it opens before it has read our
   * settings.
   */
  readonly #cut: Ring;

  constructor(streamsMax: number) {
    this.#cut = new Ring(Math.max(CUT_MIN, 4 * streamsMax));
  }

  addEnded(id: number): void {
    this.#ended.add(id);
  }

  addReset(id: number): void {
    this.#reset.add(id);
  }

  addCut(id: number): void {
    this.#cut.add(id);
  }

  /** Nothing may come. */
  ended(id: number): boolean {
    return this.#ended.has(id);
  }

  /** Nothing should come; but Netty's client sends what it has written of a call after it has reset it. */
  reset(id: number): boolean {
    return this.#reset.has(id);
  }

  /** The rest of what the peer had sent may come, and means nothing. */
  cut(id: number): boolean {
    return this.#cut.has(id);
  }
}

const CUT_MIN = 1_024;

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
