import { expositionOf } from "./exposition.ts";
import { labelsOf, type Placed, placed, placeOf } from "./family.ts";
import { type LabelsOf, SERIES, type SeriesKey, THREADS, type ThreadName } from "./series.ts";

const KEYS = Object.keys(SERIES) as SeriesKey[];
const { places: PLACES, size: SIZE } = placed(Object.values(SERIES));
const PLACED = Object.fromEntries(KEYS.map((key, i) => [key, PLACES[i]!])) as Readonly<
  Record<SeriesKey, Placed>
>;

/**
 * What is measured, as numbers in an array: who measures asks once where a number stands, and then adds to it. That costs
 * some ten nanoseconds, where a library that finds a child by its labels takes several hundred.
 *
 * Each thread has a block of its own in memory that all share, which only it writes; what is told of a number is the sum of
 * all blocks. So nobody waits for anybody, and to read is to send no message.
 */
export class Metrics {
  /** Each number of this thread at its place; of a histogram how many fell into each bucket, and then their sum. */
  readonly numbers: Float64Array;
  /** What another thread is given to measure into. */
  readonly shared: SharedArrayBuffer;
  readonly #blocks: readonly Float64Array[];
  readonly #beforeRead = new Set<() => void>();

  /** @param shared  of the main thread's; that one has none yet */
  constructor(thread: ThreadName = "main", shared?: SharedArrayBuffer) {
    this.shared = shared ?? new SharedArrayBuffer(THREADS.length * SIZE * BYTES);
    this.#blocks = THREADS.map((_, i) => new Float64Array(this.shared, i * SIZE * BYTES, SIZE));
    this.numbers = this.#blocks[THREADS.indexOf(thread)]!;
    if (shared === undefined)
      for (const { family, first, children, width } of PLACES)
        if (family.atZero === "known") this.numbers.fill(Number.NaN, first, first + children * width);
  }

  /**
   * Where the number of a child stands; of a histogram its first bucket. Those of the last label's values stand side by side.
   *
   * @throws TypeError  of a value that a label has not
   */
  placeOf<Key extends SeriesKey>(key: Key, labels: LabelsOf<Key>): number {
    return placeOf(PLACED[key], labels as Readonly<Record<string, string>>);
  }

  /**
   * Say that a child is known from now on, which the main thread does: of a family that is told of only where it is.
   *
   * @returns  its place, as placeOf
   */
  know<Key extends SeriesKey>(key: Key, labels: LabelsOf<Key>): number {
    const place = this.placeOf(key, labels);
    if (Number.isNaN(this.numbers[place])) this.numbers[place] = 0;
    return place;
  }

  /** Where the numbers of all children stand whose labels have these values: of any kind but a histogram. */
  placesOf<Key extends SeriesKey>(key: Key, labels: Partial<LabelsOf<Key>> = {}): number[] {
    const placed = PLACED[key];
    const wanted = Object.entries(labels);
    return Array.from({ length: placed.children }, (_, child) => child)
      .filter((child) => {
        const its = Object.fromEntries(labelsOf(placed, child));
        return wanted.every(([label, value]) => its[label] === value);
      })
      .map((child) => placed.first + child * placed.width);
  }

  /** The number at a place, of all threads. */
  at(place: number): number {
    let sum = 0;
    for (const block of this.#blocks) sum += block[place]!;
    return sum;
  }

  /** Count one observation into a histogram. @param first  its place @param value  in its unit, zero and up */
  observe(key: SeriesKey, first: number, value: number): void {
    const { bounds } = SERIES[key];
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.numbers[first + bucket]!++;
    this.numbers[first + bounds.length + 1]! += value;
  }

  /**
   * Set what is looked up and not counted, each time before all is read. It is to be quick, and must not throw.
   *
   * @returns  what ends that
   */
  beforeRead(look: () => void): () => void {
    this.#beforeRead.add(look);
    return () => this.#beforeRead.delete(look);
  }

  /** All of it, as Prometheus reads it. */
  read(): string {
    this.look();
    const text = expositionOf(PLACES, (place) => this.at(place));
    this.numbers[READS]!++;
    return text;
  }

  /** How often all of it was read. */
  get reads(): number {
    return this.at(READS);
  }

  /** Have what is looked up be as it is now, for who reads single numbers. */
  look(): void {
    for (const look of this.#beforeRead) look();
  }
}

/** By it threads know that they were read. */
const READS = placeOf(PLACED.reads, {});
const BYTES = Float64Array.BYTES_PER_ELEMENT;
