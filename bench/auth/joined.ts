import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Engine } from "./options.ts";
import type { Pair, Pairs } from "./report.ts";

/** What runs one after another have measured, for a run of 15 pairs takes longer than some machines can be had for at once. */
export type Joined = {
  pairCount: number;
  measured: Map<Engine, Pairs>;
  idleShares: number[];
};

/** What the runs before have left in a file; nothing, where there is none. */
export function joinedFrom(path: string | undefined): Joined | undefined {
  if (path === undefined || !existsSync(path)) return undefined;
  const { pairCount, measured, idleShares } = JSON.parse(readFileSync(path, "utf8")) as Kept;
  return {
    pairCount,
    idleShares,
    measured: new Map(measured.map(([engine, pairs]) => [engine, new Map(pairs)])),
  };
}

/** Leave it for the next. */
export function keepJoined(path: string, { pairCount, measured, idleShares }: Joined): void {
  const kept: Kept = {
    ...{ pairCount, idleShares },
    measured: [...measured].map(([engine, pairs]) => [engine, [...pairs]]),
  };
  writeFileSync(path, JSON.stringify(kept));
}

type Kept = Omit<Joined, "measured"> & { measured: [Engine, [string, Pair[]][]][] };
