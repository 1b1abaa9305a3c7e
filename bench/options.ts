import { parseArgs } from "node:util";

export type Options = {
  rounds: number;
  /** Measured seconds of a leg in a round; b2 runs longer. */
  seconds: number;
  /** Smoke test: one short round, no minimum of request ids. */
  quick: boolean;
  /** Legs, as "b1" or "c/1000-zipf"; empty: all. */
  only: string[];
  /** Where the report goes besides stdout. */
  out: string | undefined;
};

/** @param resultsPath where a full run writes without `--out`: one that leaves legs out must not replace the results. */
export function optionsFrom(args: string[], resultsPath: string): Options {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      out: { type: "string" },
    },
  });
  const only = values.only.split(",").filter((id) => id !== "");
  const isFull = !values.quick && only.length === 0;
  return {
    rounds: positive(values.rounds, values.quick ? 1 : 3),
    seconds: positive(values.seconds, values.quick ? 2 : 8),
    quick: values.quick,
    only,
    out: values.out ?? (isFull ? resultsPath : undefined),
  };
}

/** @throws TypeError  when it is no number above 0 */
export function positive(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value > 0)) throw new TypeError(`expected a positive number, got ${text}`);
  return value;
}
