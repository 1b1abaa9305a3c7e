import { rateOf } from "../figure.ts";
import { legsReport, type Ratio, type Run } from "../legs/report.ts";

const RATIOS: Ratio[] = [
  { what: "own : grpc-js, 16 x 32", of: "own-16x32", over: "grpc-js-16x32", value: rateOf, aim: 5 },
  { what: "own : grpc-js, 64 x 1", of: "own-64x1", over: "grpc-js-64x1", value: rateOf, aim: 2.5 },
  { what: "own, 16 x 32 : Redis", of: "own-16x32", over: "redis-128", value: rateOf, aim: 1 },
  // As many calls at a time wait for the disk, which is what both are bound by then.
  { what: "own, 64 x 1 : Redis, 64 clients", of: "own-64x1", over: "redis-64", value: rateOf },
];

/** @returns the results as Markdown. */
export function engineReport(run: Run): string {
  return legsReport(
    {
      title: "What carries HTTP/2",
      name: "engines",
      run: [
        `- Run: ${run.seconds} s a leg, each warmed up before; all in turn in each round, with new processes; generator: h2load`,
      ],
      aims: [
        "The median of ratios of rates, each of two legs of one round; then the middle half of them, the lowest and the highest.",
      ],
      figures: ["Medians of Increment of one counter over gRPC, without request ids, on SQLite with fsync."],
      ratios: RATIOS,
    },
    run,
  );
}
