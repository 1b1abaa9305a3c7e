import { othersLine, table } from "../report.ts";
import { median, quantile } from "../stats.ts";
import type { Cost } from "./costs.ts";
import type { Engine } from "./options.ts";

/** The server's processor time for a call, in microseconds. */
export type Cpu = {
  /** Of all its threads. */
  allUs: number;
  /** Of its main thread alone, where callers are judged. */
  mainUs: number;
};

/** The same calls of a server that asks nobody, and of one that asks. */
export type Pair = { off: Cpu; on: Cpu };

/** By the id of their cost, in their order. */
export type Pairs = Map<string, Pair[]>;

export type AuthRun = {
  costs: readonly Cost[];
  measured: ReadonlyMap<Engine, Pairs>;
  /** Lines of Markdown; see machine.ts. */
  machine: string[];
  pairCount: number;
  seconds: number;
  idleShares: number[];
  stolenCpu: number;
};

/** @returns the results as Markdown. */
export function authReport(run: AuthRun): string {
  return [
    "# What asking who calls costs",
    "",
    "Written by `npm run bench:auth`; bench/README.md says what it shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...run.machine,
    `- Run: ${run.pairCount} pairs of new processes, \`auth\` off and required, on SQLite with fsync; of each kind of call two ` +
      `runs of ${run.seconds} s each, in the order off, on, on, off or on, off, off, on, warmed up before; generator: h2load ` +
      "(with request ids ours)",
    othersLine(run.idleShares, run.stolenCpu),
    "",
    "CPU is that of all of the server's threads for a call (of BatchApply, for a batch), medians of the pairs. The ratio is",
    "that of these medians, and what the bound is held against; then the middle half of the pairs' own ratios, the lowest and",
    "the highest. Added is the median of the pairs' own differences on the main thread, where callers are judged.",
    "",
    ...[...run.measured].flatMap(([engine, pairs]) => [
      `## http2-engine = "${engine}"`,
      "",
      ...table(
        ["call", "off, µs", "on, µs", "on : off", "middle half", "lowest, highest", "added, µs", "bound", ""],
        run.costs.map((cost) => cells(cost, pairs.get(cost.id)!)),
      ),
      "",
    ]),
    "After each run the counters showed what the generator had seen answered, no more and no less.",
    "",
  ].join("\n");
}

function cells({ what, max }: Cost, pairs: Pair[]): string[] {
  const [off, on] = (["off", "on"] as const).map((which) => median(pairs.map((pair) => pair[which].allUs)));
  const ratios = pairs.map((pair) => pair.on.allUs / pair.off.allUs);
  const range = (low: number, high: number) => `${low.toFixed(3)} to ${high.toFixed(3)}`;
  const ratio = on! / off!;
  return [
    what,
    off!.toFixed(1),
    on!.toFixed(1),
    ratio.toFixed(3),
    range(quantile(ratios, 0.25), quantile(ratios, 0.75)),
    range(Math.min(...ratios), Math.max(...ratios)),
    median(pairs.map((pair) => pair.on.mainUs - pair.off.mainUs)).toFixed(2),
    max === undefined ? "" : `<= ${max}`,
    max === undefined ? "" : ratio <= max ? "met" : "**missed**",
  ];
}
