/**
 * npm run test:crash [-- --kills N] [--seed N] [--self-test]
 *
 * Goal: what was acknowledged is there, once, whenever the server is killed.
 *
 * Method: 32 clients increment, decrement, set, reset, create, update, delete, read and batch under request ids on a real server,
 * which is sent SIGKILL at random moments, 100 of them unless told otherwise; each client retries the same request
 * until it is answered. Then the histories of all counters are checked exactly (history.ts), and so is the file, its buckets
 * of history by the change log among it.
 * Some counters have windows, refill or expire within a second, and are limits that are taken from and given back to, or
 * follow a policy that is set again and again (timed.ts): of these each end is in the log once.
 *
 * `--self-test` puts one fault after another into the server, from outside of it, and fails when one goes unnoticed.
 *
 * In CI: `npm run test:crash -- --kills 20` and `npm run test:crash -- --self-test`. In full: `-- --kills 1000`.
 */
import { parseArgs } from "node:util";
import { type CrashReport, crashRun } from "./crash-run.ts";
import type { ViolationKind } from "./history.ts";
import { freshSeed } from "./random.ts";
import { selfTest } from "./self-test.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    seed: { type: "string" },
    "self-test": { type: "boolean", default: false },
  },
});
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
const kills = Number(values.kills);
if (!Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed)) {
  throw new TypeError(
    `expected whole numbers for --kills and --seed, got ${values.kills} and ${values.seed}`,
  );
}

console.log(`seed ${seed}`);
if (values["self-test"]) {
  const unnoticed = await selfTest(seed, console.log);
  console.log(
    unnoticed.length === 0 ? "PASS: every fault was noticed" : `FAIL: unnoticed: ${unnoticed.join(", ")}`,
  );
  process.exitCode = unnoticed.length === 0 ? 0 : 1;
} else {
  const report = await crashRun({ kills, seed, progress: console.log });
  print(report);
  process.exitCode = passed(report) ? 0 : 1;
}

function passed({ violations, brokenByKill }: CrashReport): boolean {
  return violations.length === 0 && brokenByKill.length === kills;
}

function print(report: CrashReport): void {
  const { violations, brokenByKill, killsBetweenCalls, killsAtStart, tally, counters, stored } = report;
  const { afterNoAnswer, twiceAtOnce, longAfter } = tally.replays;
  const broken = brokenByKill.toSorted((a, b) => a - b);
  const kinds = (...of: ViolationKind[]) => violations.filter(({ kind }) => of.includes(kind)).length;
  console.log(`
kills      ${broken.length}, each with calls in flight: ${broken[0]} at least, ${broken[broken.length >> 1]} in the median
           beside these, ${killsAtStart} while the server was starting and ${killsBetweenCalls} between calls
calls      ${tally.calls} answered, ${tally.operations} operations on ${counters} counters
retries    ${tally.unanswered} attempts got no answer; ${tally.retried} calls were answered on a retry
replays    ${afterNoAnswer} after an attempt that got no answer, ${twiceAtOnce} of requests sent twice at once,
           ${longAfter} of requests sent again long after
refusals   ${[...tally.refusals].map(([reason, times]) => `${reason} ${times}`).join(", ") || "none"}
history    ${kinds("lost")} lost, ${kinds("doubled")} doubled or gaps, ${kinds("value")} wrong values, ${kinds("order")} out of order, \
${kinds("refusal", "identity", "answer")} other violations
file       ${
    stored === undefined
      ? "not looked at"
      : `integrity_check ${stored.faults.length === 0 ? "ok" : "FAILED"}; ${stored.changes} changes sum up to the values of ${stored.counters} counters,
           among them ${stored.rolls} ends of windows and ${stored.expiries} of idle counters, each once`
  }
time       ${report.seconds.toFixed(0)} s`);
  for (const { kind, text } of violations.slice(0, 20)) console.log(`${kind}: ${text}`);
  console.log(passed(report) ? "PASS" : "FAIL");
}
