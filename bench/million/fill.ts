import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { counterName, type NameRange } from "../names.ts";
import { openTally } from "../servers.ts";
import { openCaller } from "../tally.ts";

const OPERATIONS = 8000; // The most that a BatchApply takes.
const CALLS_AT_ONCE = 4;

/**
 * Make a database in this directory that has these counters, each with the value 1.
 *
 * @param checkout  of the Tally that makes it, when it is another than this
 */
export async function fill(directory: string, names: NameRange, checkout?: string): Promise<void> {
  const server = await openTally(directory, undefined, checkout);
  const caller = await openCaller(server.port);
  let next = 0;
  const workers = Array.from({ length: CALLS_AT_ONCE }, async () => {
    while (next < names.count) {
      const from = next;
      next = Math.min(from + OPERATIONS, names.count);
      const operations = Array.from({ length: next - from }, (_, n) => ({
        name: counterName((from + n) * names.stride),
        action: { case: "increment" as const, value: 1n },
      }));
      const { outcomes } = await caller.call(CounterService.method.batchApply, { operations });
      if (outcomes.some(({ value }) => value !== 1n)) throw new Error("expected every counter to be new");
    }
  });
  await Promise.all(workers);
  caller.close();
  await server.close();
}
