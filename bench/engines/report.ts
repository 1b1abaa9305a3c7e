import { legCells, type Ratio, type Run, ratioCells } from "../doors/report.ts";
import { rateOf } from "../figure.ts";
import { othersLine, table } from "../report.ts";

const RATIOS: Ratio[] = [
  { what: "own : grpc-js, 16 x 32", of: "own-16x32", over: "grpc-js-16x32", value: rateOf, aim: 5 },
  { what: "own : grpc-js, 64 x 1", of: "own-64x1", over: "grpc-js-64x1", value: rateOf, aim: 2.5 },
  { what: "own, 16 x 32 : Redis", of: "own-16x32", over: "redis", value: rateOf, aim: 1 },
  { what: "own, 64 x 1 : Redis", of: "own-64x1", over: "redis", value: rateOf },
];

/** @returns the results as Markdown. */
export function engineReport({ whats, figures, machine, seconds, idleShares, stolenCpu }: Run): string {
  const ratios = RATIOS.filter(({ of, over }) => figures.has(of) && figures.has(over));
  return [
    "# What carries HTTP/2",
    "",
    "Written by `npm run bench:engines`; bench/README.md says what it shows.",
    "",
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    ...machine,
    `- Run: ${seconds} s a leg, each warmed up before; all in turn in each round, with new processes; generator: h2load`,
    othersLine(idleShares, stolenCpu),
    "",
    "## Aims",
    "",
    "The median of ratios of rates, each of two legs of one round; then the middle half of them, the lowest and the highest.",
    "",
    ...table(
      ["ratio", "median", "middle half", "lowest, highest", "of", "aim", ""],
      ratios.map((ratio) => ratioCells(ratio, figures)),
    ),
    "",
    "## Figures",
    "",
    "Medians of Increment of one counter over gRPC, without request ids, on SQLite with fsync.",
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
