import { expositionOf } from "./exposition.ts";
import { type Placed, placed, placeOf } from "./family.ts";
import { type LabelsOf, SERIES, type SeriesKey } from "./series.ts";

const KEYS = Object.keys(SERIES) as SeriesKey[];
const { places: PLACES, size: SIZE } = placed(Object.values(SERIES));
const PLACED = Object.fromEntries(KEYS.map((key, i) => [key, PLACES[i]!])) as Readonly<
  Record<SeriesKey, Placed>
>;

/**
 * What is measured, as numbers in an array: who measures asks once where a number stands, and then adds to it. That costs
 * some ten nanoseconds, where a library that finds a child by its labels takes several hundred.
 */
export class Metrics {
  /** Each number at its place; of a histogram how many fell into each bucket, and then their sum. */
  readonly numbers = new Float64Array(SIZE);
  readonly #beforeRead = new Set<() => void>();

  /**
   * Where the number of a child stands; of a histogram its first bucket. Those of the last label's values stand side by side.
   *
   * @throws TypeError  of a value that a label has not
   */
  placeOf<Key extends SeriesKey>(key: Key, labels: LabelsOf<Key>): number {
    return placeOf(PLACED[key], labels as Readonly<Record<string, string>>);
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
    for (const look of this.#beforeRead) look();
    return expositionOf(PLACES, (place) => this.numbers[place]!);
  }
}
