/** Two plots of the same time under each other: what the value was, and what was added and removed. */
import uPlot from "uplot";
import { shortCount } from "./numbers.ts";

/** What is drawn: numbers as near as a float comes, for nobody reads digits off a line. */
export interface Drawn {
  /** When each point begins: seconds since the Unix epoch. */
  readonly times: readonly number[];
  readonly values: readonly number[];
  /** Null where there is nothing to draw. */
  readonly added: readonly (number | null)[];
  /** The same, as numbers below 0: it hangs down. */
  readonly removed: readonly (number | null)[];
  /** When the last point ends. */
  readonly end: number;
  /** What is shown of time: from when, and until when. */
  readonly span: readonly [from: number, to: number];
}

/** Plots in an element, as wide as it is, in the page's colours by day and by night. */
export class Plots {
  readonly #value: uPlot;
  readonly #moved: uPlot;
  readonly #watching: ResizeObserver;
  readonly #colours = matchMedia("(prefers-color-scheme: dark)");
  /** How many points there are, which is one less than what is drawn: the last one lasts. */
  #points = 0;
  #span: Drawn["span"] = [0, 1];
  readonly #redraw = () => {
    for (const plot of this.#both) plot.redraw();
  };

  /**
   * @param timeText  how a time is written below the plots, of those that are shown
   * @param onPoint   told which point the pointer is at
   */
  constructor(root: HTMLElement, timeText: (seconds: number) => string, onPoint: (index: number) => void) {
    const sync = uPlot.sync("history");
    const options = (
      title: string,
      height: number,
      series: uPlot.Series[],
      times: uPlot.Axis,
    ): uPlot.Options => ({
      title,
      width: Math.max(root.clientWidth, 1),
      height,
      series: [{}, ...series.map((each) => ({ points: { show: false }, ...each }))],
      scales: { x: { range: () => [...this.#span] } }, // Whatever there is of it: of one point nothing could be told.
      axes: [
        { ...axis(), size: 28, space: 72, ...times },
        { ...axis(), ...COUNTS },
      ],
      legend: { show: false },
      cursor: { sync: { key: sync.key }, drag: { x: false, y: false }, y: false, points: { show: false } },
      hooks: {
        setCursor: [({ cursor: { idx } }) => void (idx != null && onPoint(Math.min(idx, this.#points - 1)))],
      },
    });
    const accent = () => colour("--accent");
    const stepped = uPlot.paths.stepped!({ align: 1 });
    const bars = uPlot.paths.bars!({ size: [0.8, 24] });
    const bar = (of: () => string): uPlot.Series => ({ stroke: of, fill: of, width: 0, paths: bars });
    const line: uPlot.Series = {
      ...{ stroke: accent, fill: () => colour("--accent-soft"), width: 2, paths: stepped },
      // A line of one step is too short to be seen.
      points: { show: () => this.#points === 1, filter: () => [0], size: 8, fill: accent },
    };
    this.#value = new uPlot(
      options("Value", 160, [line], { values: (_, splits) => splits.map(() => "") }),
      [[], []],
      root,
    );
    this.#moved = new uPlot(
      options("Added, and below removed", 120, [bar(accent), bar(() => colour("--danger"))], {
        values: (_, splits) => splits.map(timeText),
      }),
      [[], [], []],
      root,
    );
    for (const plot of this.#both) sync.sub(plot);
    this.#watching = new ResizeObserver(() => {
      for (const plot of this.#both)
        plot.setSize({ width: Math.max(root.clientWidth, 1), height: plot.height });
    });
    this.#watching.observe(root);
    this.#colours.addEventListener("change", this.#redraw);
  }

  draw({ times, values, added, removed, end, span }: Drawn): void {
    this.#points = times.length;
    this.#span = span;
    this.#value.setData([
      [...times, end],
      [...values, values.at(-1)!],
    ]);
    this.#moved.setData([
      [...times, end],
      [...added, null],
      [...removed, null],
    ]);
  }

  /** Mark a point, as the pointer does. */
  mark(index: number): void {
    const time = this.#value.data[0][index];
    if (time !== undefined) this.#value.setCursor({ left: this.#value.valToPos(time, "x"), top: 1 });
  }

  close(): void {
    this.#watching.disconnect();
    this.#colours.removeEventListener("change", this.#redraw);
    for (const plot of this.#both) plot.destroy();
  }

  get #both(): readonly uPlot[] {
    return [this.#value, this.#moved];
  }
}

function axis(): uPlot.Axis {
  const line = { stroke: () => colour("--line"), width: 1 };
  return { stroke: () => colour("--quiet"), font: FONT, grid: line, ticks: line };
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}

const COUNTS: uPlot.Axis = {
  values: (_, splits) => splits.map(shortCount),
  size: 56,
  space: 28,
};

const FONT = "12px ui-sans-serif, system-ui, sans-serif";
