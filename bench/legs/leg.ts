import type { Figure } from "../figure.ts";
import type { Server } from "../servers.ts";

/** One thing that is measured, once in every round. */
export type Leg = {
  /** As in the report: "b2/8" is leg b2 over 8 connections. `--only` takes it, or the part before the slash. */
  id: string;
  what: string;
  /** It runs so many times as long as the others. Default 1. */
  longer?: number;
  /** Calls with a request id that a full run must reach: after the last round, more rounds of this leg follow. */
  requestIdsMin?: number;
  run(bench: Bench, seconds: number): Promise<Figure>;
};

/** What the legs share for the whole run. A server is started when a leg first asks for it. */
export type Bench = {
  /** A directory for what the generators write. */
  directory: string;
  /** A smoke test. */
  quick: boolean;
  bareServer(): Promise<Server>;
  redis(): Promise<Server>;
  tally(): Promise<Server>;
  /** What was acknowledged so far; each leg compares it with the counters' values. */
  acknowledged: {
    /** On b1's one counter. */
    one: bigint;
    /** On the 10,000 counters of b2 and c together. */
    tenThousand: bigint;
  };
};
