/** Numbers drawn at a terminal: a column each, in eighths of a line. */

/** Numbers to draw, one a column: undefined leaves it empty. */
export interface Series {
  readonly title: string;
  readonly values: readonly (bigint | undefined)[];
  /** What columns stand on: no value is below it. */
  readonly base: bigint;
  /** How high it is, in lines: 2 and up. */
  readonly lines: number;
}

/** The charts under each other, of the same width: each under its title, its highest and lowest value at its edge. */
export function chartsOf(series: readonly Series[]): string[] {
  const labels = series.map(({ values, base }) => [`${highestOf(values, base)}`, `${base}`]);
  const width = labelWidth(labels.flat());
  return series.flatMap(({ title, values, base, lines }, i) => {
    const [top, bottom] = labels[i]!;
    const drawn = rowsOf(values, base, lines).map((row, line) => {
      const label = line === 0 ? top! : line === lines - 1 ? bottom! : "";
      return `${label.padStart(width)} ${label === "" ? "│" : "┤"}${row}`.trimEnd();
    });
    return [title, ...drawn];
  });
}

/** What stands before the columns of charts with such labels, beside their edge. */
export function labelWidth(labels: readonly string[]): number {
  return Math.max(...labels.map((label) => label.length));
}

/** As many values as there are columns: several steps in one, or one in several. */
export function inColumns<T>(items: readonly T[], width: number, fold: (some: readonly T[]) => T): T[] {
  if (items.length <= width) {
    const times = Math.min(Math.floor(width / Math.max(items.length, 1)), WIDEST);
    return items.flatMap((item) => Array<T>(times).fill(item));
  }
  const size = Math.ceil(items.length / width);
  const columns: T[] = [];
  for (let i = 0; i < items.length; i += size) columns.push(fold(items.slice(i, i + size)));
  return columns;
}

/** Of one step, in columns. */
const WIDEST = 4;

function highestOf(values: readonly (bigint | undefined)[], base: bigint): bigint {
  return values.reduce<bigint>((top, value) => (value !== undefined && value > top ? value : top), base);
}

/** The highest line first. */
function rowsOf(values: readonly (bigint | undefined)[], base: bigint, lines: number): string[] {
  const range = highestOf(values, base) - base;
  const heights = values.map((value) =>
    value === undefined ? 0 : heightOf(value - base, range, lines * EIGHTHS),
  );
  return Array.from({ length: lines }, (_, line) => {
    const below = (lines - 1 - line) * EIGHTHS; // Of a column, in the lines under this one.
    return heights.map((height) => BLOCKS[Math.min(Math.max(height - below, 0), EIGHTHS)]!).join("");
  });
}

/** In eighths of a line: what is there shows, however small it is beside the highest. */
function heightOf(value: bigint, highest: bigint, heightMax: number): number {
  return highest === 0n ? 1 : Math.max(1, Number((value * BigInt(heightMax)) / highest));
}

const BLOCKS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const EIGHTHS = 8;
