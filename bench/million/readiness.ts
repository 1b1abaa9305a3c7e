import { runLoad } from "../load/processes.ts";
import { openTally } from "../servers.ts";
import { median } from "../stats.ts";
import { fullLoad } from "./loads.ts";

const STARTS = 5;

/** Milliseconds from spawn to a health check that says SERVING: medians of so many starts. */
export type Readiness = { emptyMs: number; afterStopMs: number; afterKillMs: number };

/** @param full a directory whose database has the million counters. */
export async function measureReadiness(empty: string, full: string, quick: boolean): Promise<Readiness> {
  const starts = quick ? 1 : STARTS;
  return {
    emptyMs: await medianOf(starts, () => readyMs(empty)),
    afterStopMs: await medianOf(starts, () => readyMs(full)),
    afterKillMs: await medianOf(starts, async () => {
      await killUnderLoad(full);
      return readyMs(full);
    }),
  };
}

async function medianOf(times: number, measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let n = 0; n < times; n++) values.push(await measure());
  return median(values);
}

async function readyMs(directory: string): Promise<number> {
  const server = await openTally(directory);
  await server.close();
  return server.readyMs;
}

/** Leaves a WAL that the next start has to take in. */
async function killUnderLoad(directory: string): Promise<void> {
  const server = await openTally(directory);
  for (const load of fullLoad(1)) await runLoad(load, server);
  await server.close("SIGKILL");
}
