import { parseArgs } from "node:util";
import { positive } from "../options.ts";

/** What carries HTTP/2: see `tally serve --help`. */
export type Engine = "own" | "grpc-js";

const ENGINES: readonly Engine[] = ["own", "grpc-js"];

export type AuthOptions = {
  pairs: number;
  engines: readonly Engine[];
  /** Measured seconds of each of the four runs that a kind of call has in a pair. */
  seconds: number;
  /** Smoke test: one short pair, of one engine unless told otherwise, and each kind of call once. */
  quick: boolean;
  /** Kinds of calls by their ids; empty: all. */
  only: string[];
  /** Where pairs of runs before are, which these are added to: the report is of all together. */
  join: string | undefined;
  /** Where the report goes besides stdout. */
  out: string | undefined;
};

/** @param resultsPath where a full run writes without `--out`: one that leaves something out must not replace the results. */
export function authOptionsFrom(args: string[], resultsPath: string): AuthOptions {
  const { values } = parseArgs({
    args,
    options: {
      pairs: { type: "string" },
      engine: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      join: { type: "string" },
      out: { type: "string" },
    },
  });
  const { quick, engine } = values;
  const only = values.only.split(",").filter((id) => id !== "");
  const asked = engine ?? (quick ? "own" : undefined);
  const engines = ENGINES.filter((each) => asked === undefined || each === asked);
  if (engines.length === 0) throw new TypeError(`expected own or grpc-js, got ${engine}`);
  const isFull = !quick && only.length === 0 && engine === undefined;
  return {
    pairs: positive(values.pairs, quick ? 1 : 15),
    engines,
    seconds: positive(values.seconds, quick ? 0.1 : 1),
    quick,
    only,
    join: values.join,
    out: values.out ?? (isFull ? resultsPath : undefined),
  };
}
