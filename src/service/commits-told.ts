import type { Clock } from "../core/clock.ts";
import { seldom } from "../core/seldom.ts";
import { partsOf } from "../telemetry/call-parts.ts";
import type { Log } from "../telemetry.ts";
import type { CommitMeter } from "./commit-meter.ts";
import type { CommitsTold } from "./writer.ts";

/**
 * Has those told of commits who watch them: the meter; who follows the change log; and the log, of failures now and then.
 *
 * @param options.wake  undefined: nobody follows the log who need be told
 * @param options.each  whether the log has each one that succeeds, too: looked at each time
 */
export function commitsTold(
  log: Log,
  clock: Clock,
  {
    meter,
    wake,
    each,
  }: { meter: CommitMeter; wake: (() => void) | undefined; each: { readonly isOn: boolean } },
): CommitsTold {
  const tellFailed = seldom(clock, (err) => log("store.commit_failed", { err }));
  return {
    failed(error) {
      meter.failed(error);
      tellFailed(error);
    },
    committed(calls, outcomes, waitedMs) {
      wake?.();
      meter.committed(calls, outcomes, waitedMs);
      if (!each.isOn) return;
      const { values, timings } = outcomes;
      log("store.committed", { calls: calls.length, ops: values.length, ...partsOf(timings) });
    },
  };
}
