/**
 * npm run test:failover [-- --promotions N] [--cuts N] [--seed N]
 *
 * Goal: what was acknowledged is there, once, when a PostgreSQL primary is lost and its synchronous standby takes its
 * place, and wherever a connection to it ends.
 *
 * Method: the clients of the crash test (test/proofs/crash) work on one `tally serve`, whose store is a primary that waits for
 * a synchronous standby. All processes of the primary are sent SIGKILL under load, and the standby is promoted, gets a
 * new standby by pg_basebackup, and is lost in its turn: 20 times unless told otherwise. Then a proxy cuts connections
 * at COMMIT, 400 of them, half before the server has it, and half after it was done and before it is answered. The
 * histories of all counters are checked exactly, and so is the change log.
 *
 * In CI: `npm run test:failover -- --promotions 3 --cuts 100`. It needs PostgreSQL.
 */
import { parseArgs } from "node:util";
import type { ViolationKind } from "../crash/history.ts";
import { freshSeed } from "../crash/random.ts";
import { type FailoverReport, failoverRun } from "./failover-run.ts";

const { values } = parseArgs({
  options: {
    promotions: { type: "string", default: "20" },
    cuts: { type: "string", default: "400" },
    seed: { type: "string" },
  },
});
const [promotions, cuts] = [Number(values.promotions), Number(values.cuts)];
const seed = values.seed === undefined ? freshSeed() : Number(values.seed);
if (![promotions, cuts, seed].every(Number.isSafeInteger)) {
  throw new TypeError("expected whole numbers for --promotions, --cuts and --seed");
}

console.log(`seed ${seed}`);
const startedMs = performance.now();
const report = await failoverRun({ promotions, cuts, seed, progress: console.log });
const pass = passed(report);
print(report);
process.exitCode = pass ? 0 : 1;

function passed({ callers, unknownByPromotion, cuts: { before, after } }: FailoverReport): boolean {
  return (
    callers.violations.length === 0 && unknownByPromotion.length === promotions && before + after === cuts
  );
}

function print({ unknownByPromotion, cuts, callers, stored }: FailoverReport): void {
  const { tally, violations, account } = callers;
  const { afterNoAnswer, twiceAtOnce, longAfter } = tally.replays;
  const kinds = (...of: ViolationKind[]) => violations.filter(({ kind }) => of.includes(kind)).length;
  console.log(`
promotions ${unknownByPromotion.length}; attempts with an unknown outcome by promotion: ${unknownByPromotion.join(" ")}
cuts       ${cuts.before} at COMMIT before the server had it, ${cuts.after} after it was done
calls      ${tally.calls} answered, ${tally.operations} operations on ${account.known.size} counters
replays    ${afterNoAnswer} after an attempt that got no answer, ${twiceAtOnce} of requests sent twice at once,
           ${longAfter} of requests sent again long after
refusals   ${[...tally.refusals].map(([reason, times]) => `${reason} ${times}`).join(", ") || "none"}
history    ${kinds("lost")} lost, ${kinds("doubled")} doubled or gaps, ${kinds("value")} wrong values, ${kinds("order")} out of order, \
${kinds("refusal", "identity", "answer")} other violations
database   ${stored.faults.length === 0 ? `${stored.changes} changes sum up to the values of ${stored.counters} counters` : `${stored.faults.length} FAULTS`}
time       ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  for (const { kind, text } of violations.slice(0, 20)) console.log(`${kind}: ${text}`);
  console.log(pass ? "PASS" : "FAIL");
}
