/** What is measured under one name: how it is told, and which children it has. */
export interface Family {
  readonly kind: "counter" | "gauge" | "histogram";
  /** Begins with "tally_" and ends in its unit; of a counter in "_total". */
  readonly name: string;
  /** What it tells, in a sentence for operators. */
  readonly help: string;
  /** Each label with all the values that it can have: a child for each combination. None: one child. */
  readonly labels: LabelValues;
  /**
   * Which children are told of while they are zero: all, none, or those whose labels have these values. None but those that
   * alerts divide by, for what is not there costs nothing. "known": those that somebody has said to know of, and no other
   * whatever it is, as a store in memory has no room on a disk, not even none.
   */
  readonly atZero: "all" | "none" | "known" | LabelValues;
  /** Of a histogram: the upper bounds of its buckets but for the last, which has none; rising. */
  readonly bounds: readonly number[];
}

/** Values by label. */
export type LabelValues = Readonly<Record<string, readonly string[]>>;

/** Where the numbers of a family stand among all. */
export interface Placed {
  readonly family: Family;
  /** Of its first child. The last label goes round first. */
  readonly first: number;
  readonly children: number;
  /** How many numbers a child has: one; of a histogram one a bucket, and the sum. */
  readonly width: number;
}

/** Put families one behind another. */
export function placed(families: readonly Family[]): { readonly places: readonly Placed[]; size: number } {
  let size = 0;
  const places = families.map((family) => {
    const children = Object.values(family.labels).reduce((product, { length }) => product * length, 1);
    const width = family.kind === "histogram" ? family.bounds.length + 2 : 1;
    const first = size;
    size += children * width;
    return { family, first, children, width };
  });
  return { places, size };
}

/**
 * Where a child's numbers begin.
 *
 * @param labels  a value for each label
 * @throws TypeError  of a value that the family has not
 */
export function placeOf({ family, first, width }: Placed, labels: Readonly<Record<string, string>>): number {
  let child = 0;
  for (const [label, values] of Object.entries(family.labels)) {
    const at = values.indexOf(labels[label]!);
    if (at === -1) throw new TypeError(`${family.name} has no ${label} ${JSON.stringify(labels[label])}`);
    child = child * values.length + at;
  }
  return first + child * width;
}

/** The values of a child's labels, in their order. @param child  from 0 */
export function labelsOf({ family }: Placed, child: number): [label: string, value: string][] {
  let rest = child;
  return Object.entries(family.labels)
    .reverse()
    .map(([label, values]): [string, string] => {
      const value = values[rest % values.length]!;
      rest = Math.floor(rest / values.length);
      return [label, value];
    })
    .reverse();
}
