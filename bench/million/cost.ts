import { type Figure, rateOf } from "../figure.ts";
import { type Load, runLoad } from "../load/processes.ts";
import { openTally, type Server } from "../servers.ts";
import { median } from "../stats.ts";
import { batchLoad, NEIGHBOURS, SCATTERED, unaryLoad } from "./loads.ts";

/** Of one kind of load: what an increment takes in the large file, divided by what it takes in the small one. */
export type Cost = {
  what: string;
  /** Of the time an increment takes at full load: the reciprocal of the rate. Median of the rounds' own ratios. */
  ratio: number;
  lowest: number;
  highest: number;
  small: Figure[];
  large: Figure[];
};

/** Directories whose databases have the working sets of loads.ts. */
export type Databases = { scattered: string; neighbours: string; million: string };

/** Servers on a small and on the large file, loaded in turn with the same names. */
export async function measureCost(databases: Databases, rounds: number, seconds: number): Promise<Cost[]> {
  const scattered = await openTally(databases.scattered);
  const neighbours = await openTally(databases.neighbours);
  const million = await openTally(databases.million);
  const costs = [
    costOf("Increment, names scattered", unaryLoad(SCATTERED, seconds), scattered),
    costOf("BatchApply of 1,000, names scattered", batchLoad(SCATTERED, seconds), scattered),
    costOf("BatchApply of 1,000, names neighbours", batchLoad(NEIGHBOURS, seconds), neighbours),
  ];
  for (let round = 1; round <= rounds; round++) {
    for (const cost of costs) {
      cost.small.push(await runLoad(cost.load, cost.server));
      cost.large.push(await runLoad(cost.load, million));
      const rates = [cost.small, cost.large].map((figures) => Math.round(rateOf(figures.at(-1)!)));
      console.log(
        `round ${round}  ${cost.what}: ${rates.join(" and ")} op/s with 1,000 and 1,000,000 counters`,
      );
    }
  }
  for (const server of [scattered, neighbours, million]) await server.close();
  return costs.map(({ what, small, large }) => {
    const ratios = small.map((figure, round) => rateOf(figure) / rateOf(large[round]!));
    return {
      what,
      ratio: median(ratios),
      lowest: Math.min(...ratios),
      highest: Math.max(...ratios),
      small,
      large,
    };
  });
}

function costOf(what: string, load: Load, server: Server) {
  return { what, load, server, small: [] as Figure[], large: [] as Figure[] };
}
