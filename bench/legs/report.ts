import { type Figure, rateOf } from "../figure.ts";
import { othersLine, table } from "../report.ts";
import { median, quantile } from "../stats.ts";

/** What was measured. */
export type Run = {
  /** What each leg is, by its id, in the order of the table. */
  whats: Map<string, string>;
  figures: Map<string, Figure[]>;
  /** Lines of Markdown; see machine.ts. */
  machine: string[];
  seconds: number;
  idleShares: number[];
  stolenCpu: number;
};

/** A figure of a leg divided by that of another, measured right before or after it. */
export type Ratio = {
  what: string;
  of: string;
  over: string;
  value: (figure: Figure) => number;
  aim?: number;
};

/** What a bench says of itself and of what it measured; each text as lines of Markdown. */
export type About = {
  title: string;
  /** `npm run bench:<name>`. */
  name: string;
  /** How it was run, after the machine. */
  run: string[];
  aims: string[];
  figures: string[];
  ratios: Ratio[];
};

/** @returns the results of legs that ran in turn, as Markdown: ratios against their aims, and the figures of each. */
export function legsReport(about: About, { whats, figures, machine, idleShares, stolenCpu }: Run): string {
  // Of legs that were not asked for there is nothing to say.
  const ratios = about.ratios.filter(({ of, over }) => figures.has(of) && figures.has(over));
  return [
    `# ${about.title}`,
    "",
    `Written by \`npm run bench:${about.name}\`; bench/README.md says what it shows.`,
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...machine,
    ...about.run,
    othersLine(idleShares, stolenCpu),
    "",
    "## Aims",
    "",
    ...about.aims,
    "",
    ...table(
      ["ratio", "median", "middle half", "lowest, highest", "of", "aim", ""],
      ratios.map((ratio) => ratioCells(ratio, figures)),
    ),
    "",
    "## Figures",
    "",
    ...about.figures,
    "",
    ...table(
      ["leg", "what", "op/s", "p50 ms", "p99 ms", "CPU µs/op: main", "others"],
      [...whats].map(([id, what]) => legCells(id, what, figures.get(id)!)),
    ),
    "",
    "After each leg its counter showed what the generator had seen answered, no more and no less.",
    "",
  ].join("\n");
}

/** A line of the table of ratios. */
function ratioCells({ what, of, over, value, aim }: Ratio, figures: Map<string, Figure[]>): string[] {
  const dividends = figures.get(of)!;
  const ratios = dividends.map((figure, at) => value(figure) / value(figures.get(over)![at]!));
  const digits = aim !== undefined && aim > 1 ? 1 : 3;
  const range = (low: number, high: number) => `${low.toFixed(digits)} to ${high.toFixed(digits)}`;
  return [
    what,
    median(ratios).toFixed(digits),
    range(quantile(ratios, 0.25), quantile(ratios, 0.75)),
    range(Math.min(...ratios), Math.max(...ratios)),
    `${ratios.length}`,
    aim === undefined ? "" : `>= ${aim}`,
    aim === undefined ? "" : median(ratios) >= aim ? "met" : "**missed**",
  ];
}

/** A line of the table of figures. */
function legCells(id: string, what: string, figures: Figure[]): string[] {
  const of = (value: (figure: Figure) => number) => median(figures.map(value));
  const cpu = (value: (figure: Figure) => number) => (id.startsWith("flask") ? "" : of(value).toFixed(1));
  return [
    id,
    what,
    Math.round(of(rateOf)).toLocaleString("en"),
    of((figure) => figure.p50Ms).toFixed(2),
    of((figure) => figure.p99Ms).toFixed(2),
    cpu(({ mainCpuUsPerOp }) => mainCpuUsPerOp),
    cpu((figure) => figure.otherCpuUsPerOp),
  ];
}
