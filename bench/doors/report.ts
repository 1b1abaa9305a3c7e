import { execFileSync } from "node:child_process";
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

const cpuOf = ({ mainCpuUsPerOp }: Figure) => mainCpuUsPerOp;

const RATIOS: Ratio[] = [
  {
    what: "gRPC on the one port : on its own, rate",
    of: "one-port",
    over: "own-port",
    value: rateOf,
    aim: 0.97,
  },
  { what: "REST : bare node:http, rate", of: "rest", over: "echo", value: rateOf, aim: 0.6 },
  { what: "short path : Flask and Redis, rate", of: "short", over: "flask", value: rateOf, aim: 10 },
  { what: "short path : Flask with threads, rate", of: "short", over: "flask-threads", value: rateOf },
  { what: "gRPC on the one port : on its own, CPU a call", of: "one-port", over: "own-port", value: cpuOf },
  { what: "REST : bare node:http, CPU a call", of: "rest", over: "echo", value: cpuOf },
];

/** @returns the results as Markdown. */
export function report({ whats, figures, machine, seconds, idleShares, stolenCpu }: Run): string {
  return [
    "# What the doors cost",
    "",
    "Written by `npm run bench:doors`; bench/README.md says what it shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...machine,
    `- Beside: ${flaskVersions()}`,
    `- Run: ${seconds} s a leg (gRPC: half of that, twice), each warmed up before; the one generator for all is h2load`,
    othersLine(idleShares, stolenCpu),
    "",
    "## Aims",
    "",
    "The median of ratios, each of two legs that ran after another; then the middle half of them, the lowest and the",
    "highest. CPU is that of the server's main thread, which has the network.",
    "",
    ...table(
      ["ratio", "median", "middle half", "lowest, highest", "of", "aim", ""],
      RATIOS.map((ratio) => ratioCells(ratio, figures)),
    ),
    "",
    "## Figures",
    "",
    "Medians. Over gRPC 8 connections with 32 calls each, over HTTP/1.1 64 connections. CPU of Flask is left out, for it",
    "is that of many processes.",
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
export function ratioCells({ what, of, over, value, aim }: Ratio, figures: Map<string, Figure[]>): string[] {
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
export function legCells(id: string, what: string, figures: Figure[]): string[] {
  const of = (value: (figure: Figure) => number) => median(figures.map(value));
  const cpu = (value: (figure: Figure) => number) => (id.startsWith("flask") ? "" : of(value).toFixed(1));
  return [
    id,
    what,
    Math.round(of(rateOf)).toLocaleString("en"),
    of((figure) => figure.p50Ms).toFixed(2),
    of((figure) => figure.p99Ms).toFixed(2),
    cpu(cpuOf),
    cpu((figure) => figure.otherCpuUsPerOp),
  ];
}

function flaskVersions(): string {
  const gunicorn = execFileSync("gunicorn", ["--version"], { encoding: "utf8" });
  const flask = execFileSync("/usr/bin/python3", ["-c", "import flask; print(flask.__version__)"], {
    encoding: "utf8",
  });
  return `Flask ${flask.trim()}, gunicorn ${/[\d.]+/.exec(gunicorn)![0]}`;
}
