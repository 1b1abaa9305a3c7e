import type { Time } from "./time.ts";

/**
 * What all connections have in common in one turn of the event loop: at its end what was written leaves, of each
 * connection in one write, and those that had more to read than their share go on.
 */
export class Turn {
  readonly #time: Time;
  #number = 0;
  #crowd = 1;
  #ending = false;
  #writers: { flush(): void }[] = [];
  #readers: (() => void)[] = [];
  readonly #end = () => this.#finish();

  constructor(time: Time) {
    this.#time = time;
  }

  /** Which turn it is. */
  get number(): number {
    this.#endLater();
    return this.#number;
  }

  /** How many had more to read than their share of the turn before, and go on in this: they share what one alone may have. */
  get crowd(): number {
    return this.#crowd;
  }

  /** Send what somebody wrote, once what else came in this turn is answered too. */
  flushLater(writer: { flush(): void }): void {
    this.#endLater();
    this.#writers.push(writer);
  }

  /** Go on in the next turn. */
  readLater(run: () => void): void {
    this.#endLater();
    this.#readers.push(run);
  }

  #endLater(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#time.soon(this.#end);
  }

  #finish(): void {
    this.#ending = false;
    this.#number++;
    const writers = this.#writers;
    const readers = this.#readers;
    this.#writers = [];
    this.#readers = [];
    this.#crowd = Math.max(1, readers.length);
    for (const writer of writers) writer.flush();
    for (const read of readers) read();
  }
}
