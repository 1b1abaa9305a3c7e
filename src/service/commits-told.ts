import type { Clock } from "../core/clock.ts";
import type { OpColumns, Outcomes } from "../core/columns.ts";
import { TallyError } from "../core/errors.ts";
import type { Op } from "../core/op.ts";
import { seldom } from "../core/seldom.ts";
import { partsOf } from "../telemetry/call-parts.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { COMMIT_PHASES, OPERATION_OUTCOMES, VERBS } from "../telemetry/series.ts";
import type { Log } from "../telemetry.ts";
import type { Call } from "./call.ts";
import type { DamageWatch } from "./damage.ts";
import type { ReadinessWatch } from "./readiness.ts";
import type { CommitsTold } from "./writer.ts";

/**
 * Has those told of commits who watch them: who follows the change log; the meter; who says whether the store is ready, and
 * what of it is damaged; and the log, of failures now and then.
 *
 * @param options.wake  undefined: nobody follows the log who need be told
 * @param options.each  whether the log has each one that succeeds, too: looked at each time
 */
export function commitsTold(
  log: Log,
  clock: Clock,
  {
    meter,
    readiness,
    damage,
    wake,
    each,
  }: {
    meter: CommitMeter;
    readiness: ReadinessWatch["commits"];
    damage: DamageWatch["commits"];
    wake: (() => void) | undefined;
    each: { readonly isOn: boolean };
  },
): CommitsTold {
  const tellFailed = seldom(clock, (err) => log("store.commit_failed", { err }));
  return {
    failed(error) {
      readiness.failed(error);
      damage.failed(error);
      meter.failed(error);
      tellFailed(error);
    },
    committed(calls, outcomes, waitedMs) {
      readiness.good();
      if (outcomes.refusals.size + outcomes.callRefusals.size > 0) damage.refused(outcomes);
      wake?.();
      meter.committed(calls, outcomes, waitedMs);
      if (!each.isOn) return;
      const { values, timings } = outcomes;
      log("store.committed", { calls: calls.length, ops: values.length, ...partsOf(timings) });
    },
  };
}

/** Measures commits, what was done in them, and what waits for one. */
export class CommitMeter implements CommitsTold {
  readonly #metrics: Metrics;
  readonly #numbers: Float64Array;
  readonly #commits: Readonly<Record<"committed" | "not_applied" | "unknown", number>>;
  readonly #calls: number;
  readonly #operations: number;
  /** By phase, in their order. */
  readonly #seconds: readonly number[];
  /** By verb the first outcome. */
  readonly #verbs: readonly number[];

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#numbers = metrics.numbers;
    const commits = (outcome: "committed" | "not_applied" | "unknown") =>
      metrics.placeOf("commits", { outcome });
    this.#commits = {
      committed: commits("committed"),
      not_applied: commits("not_applied"),
      unknown: commits("unknown"),
    };
    this.#calls = metrics.placeOf("commitCalls", {});
    this.#operations = metrics.placeOf("commitOperations", {});
    this.#seconds = COMMIT_PHASES.map((phase) => metrics.placeOf("commitSeconds", { phase }));
    this.#verbs = VERBS.map((verb) =>
      metrics.placeOf("operations", { verb, outcome: OPERATION_OUTCOMES[0] }),
    );
  }

  /** Look at a queue each time that all is read. @returns  what ends that */
  watch(queue: Waiting): () => void {
    const numbers = this.#numbers;
    const operations = this.#metrics.placeOf("queueOperations", {});
    const bytes = this.#metrics.placeOf("queueBytes", {});
    const oldest = this.#metrics.placeOf("queueOldestSeconds", {});
    const inFlight = this.#metrics.placeOf("commitsInFlight", {});
    return this.#metrics.beforeRead(() => {
      numbers[operations] = queue.queuedOps;
      numbers[bytes] = queue.queuedBytes;
      numbers[oldest] = queue.oldestMs / 1_000;
      numbers[inFlight] = queue.commitsInFlight;
    });
  }

  committed(calls: readonly Call[], outcomes: Outcomes, waitedMs: number): void {
    const { loadMs, decideMs, saveMs, syncMs } = outcomes.timings;
    this.#numbers[this.#commits.committed]!++;
    this.#numbers[this.#calls]! += calls.length;
    this.#metrics.observe("commitOperations", this.#operations, outcomes.values.length);
    for (const [phase, ms] of [waitedMs, loadMs, decideMs, saveMs, syncMs].entries())
      if (ms !== undefined) this.#metrics.observe("commitSeconds", this.#seconds[phase]!, ms / 1_000);
    let first = 0;
    for (const [c, { ops }] of calls.entries()) first = this.#count(ops, outcomes, c, first);
  }

  failed(error: unknown): void {
    const isCertain = error instanceof TallyError && error.code !== "OUTCOME_UNKNOWN";
    this.#numbers[isCertain ? this.#commits.not_applied : this.#commits.unknown]!++;
  }

  /** The operations of a call, of which the first is `first`. @returns  the one past its last */
  #count(ops: Op | OpColumns, outcomes: Outcomes, c: number, first: number): number {
    const count = "verbs" in ops ? ops.count : 1;
    const isReplayed = outcomes.replayed[c] === 1;
    for (let i = 0; i < count; i++) {
      const verb = "verbs" in ops ? ops.verbs[i]! : ops.verb;
      const outcome = isReplayed ? REPLAYED : outcomes.revisions[first + i]! > 0 ? APPLIED : NOT_APPLIED;
      this.#numbers[this.#verbs[verb]! + outcome]!++;
    }
    return first + count;
  }
}

/** What waits to be committed. */
interface Waiting {
  readonly queuedOps: number;
  readonly queuedBytes: number;
  /** For how long what came first has waited, in milliseconds; 0: nothing waits. */
  readonly oldestMs: number;
  readonly commitsInFlight: number;
}

const [APPLIED, NOT_APPLIED, REPLAYED] = [0, 1, 2];
