import { type Figure, rateOf } from "./figure.ts";
import { median } from "./stats.ts";

/** A rate divided by another that was measured in the same round, by the same generator where there is an aim on a. */
export type Ratio = { of: string; over: string; aim?: number };

export const RATIOS: Ratio[] = [
  { of: "b1", over: "a/h2load", aim: 0.6 },
  { of: "b2/8", over: "a/node-8", aim: 0.45 },
  { of: "b2/64", over: "a/node-64", aim: 0.45 },
  { of: "c/1000-zipf", over: "d/pipelined", aim: 1 },
  { of: "c/1000-uniform", over: "d/pipelined", aim: 0.7 },
  { of: "c/100-zipf", over: "d/pipelined" },
  { of: "c/100-uniform", over: "d/pipelined" },
  { of: "b1", over: "d/plain" },
  { of: "b2/8", over: "d/plain" },
  { of: "b2/64", over: "d/plain" },
];

/** Figures of each leg, by its id, in order of the rounds. */
export type Figures = Map<string, Figure[]>;

export type MeasuredRatio = Ratio & { median: number; lowest: number; highest: number };

/**
 * The median over the rounds of each round's own ratio. A shared machine is faster in one minute than in the
 * next: within a round both legs see the same machine, so their ratio moves less than the rates do.
 */
export function measuredRatios(figures: Figures): MeasuredRatio[] {
  return RATIOS.flatMap((ratio) => {
    const dividends = figures.get(ratio.of) ?? [];
    const divisors = figures.get(ratio.over) ?? [];
    const values = dividends
      .slice(0, divisors.length)
      .map((figure, round) => rateOf(figure) / rateOf(divisors[round]!));
    if (values.length === 0) return [];
    return [{ ...ratio, median: median(values), lowest: Math.min(...values), highest: Math.max(...values) }];
  });
}
