import { v7 as uuidv7 } from "uuid";
import { attempt, type CallAnswer, toRefused } from "./call.ts";
import { Connection, Unanswered } from "./connection.ts";
import type { Entry, History, Told, Violation } from "./history.ts";
import type { Random } from "./random.ts";
import { pause } from "./server-process.ts";
import { nextPlan, type Plan, rulesOf } from "./workload.ts";

/** What all clients of a run share. */
export interface Run {
  readonly port: number;
  readonly history: Pick<History, "add">;
  readonly tally: RunTally;
  report(violation: Violation): void;
}

/** What clients have seen, in numbers. */
export class RunTally {
  /** Logical calls that got their final answer, and the operations in them. */
  calls = 0;
  operations = 0;
  /** Attempts that got no answer: when they were sent, in microseconds. Emptied at each restart. */
  unansweredSentUs: number[] = [];
  unanswered = 0;
  /** Calls whose final answer came only after an attempt that got none. */
  retried = 0;
  /**
   * Answers that repeat an earlier one: after an attempt that got no answer, of requests sent twice at once, and of
   * requests sent again long after they were answered.
   */
  readonly replays = { afterNoAnswer: 0, twiceAtOnce: 0, longAfter: 0 };
  /** Operations refused, by reason; also the passing reasons that a retry got over. */
  readonly refusals = new Map<string, number>();
  /** Called once, as soon as the next answer has come. */
  onAnswer: (() => void) | undefined;

  /** An attempt has its answer. */
  answered(): void {
    const told = this.onAnswer;
    this.onAnswer = undefined;
    told?.();
  }
}

/**
 * A caller that does one thing after another, and retries each under the same request id until it is answered.
 *
 * Two habits beside that test the request ids without a kill: at times it sends a request twice at once, and at
 * times it sends one again that was answered long before. Both must be answered as the first time.
 */
export class Client {
  readonly #run: Run;
  readonly #random: Random;
  #connection: Connection | undefined;
  #closed = false;
  readonly #answered: { plan: Plan; requestId: string; told: readonly Told[] }[] = [];

  constructor(run: Run, random: Random) {
    this.#run = run;
    this.#random = random;
  }

  /** Work until told to stop; resolves when the last call has its answer. */
  async work(stopped: () => boolean): Promise<void> {
    while (!stopped()) {
      if (this.#random.fraction() < 0.02) await this.#sendAgain();
      else await this.do(nextPlan(this.#random));
    }
  }

  /** Have something done once, whatever happens to the server meanwhile. */
  async do(plan: Plan): Promise<void> {
    const requestId = uuidv7();
    const startUs = nowUs();
    const twice = this.#random.fraction() < 0.02;
    const [{ answer, retried, inDoubt }, echo] = await Promise.all([
      this.#untilAnswered(plan, requestId),
      twice ? this.#untilAnswered(plan, requestId) : undefined,
    ]);
    const endUs = nowUs();
    const { history, tally } = this.#run;
    tally.calls++;
    tally.operations += operationsOf(plan);

    if (retried) tally.retried++;
    if (retried && answer.ok && answer.replayed) tally.replays.afterNoAnswer++;
    if (answer.ok && answer.replayed && !inDoubt && !twice) {
      this.#report(
        `${requestId} was answered "not applied" or is new, and yet is replayed: ${inWords(answer)}`,
      );
    }
    if (echo !== undefined) this.#compareEcho(plan, requestId, answer, echo.answer);
    // Of two answers sent at once the applied one counts: the other may have been judged before or after it.
    const final = applied(answer) || echo === undefined ? answer : echo.answer;
    for (const entry of entriesOf(plan, requestId, final, startUs, endUs)) {
      if ("refused" in entry.told) count(tally.refusals, entry.told.refused);
      history.add(entry);
    }
    if (final.ok) this.#remember(plan, requestId, final.told);
  }

  /** Give up; what is under way rejects. */
  close(): void {
    this.#closed = true;
    this.#connection?.close();
  }

  async #untilAnswered(plan: Plan, requestId: string): Promise<Settled> {
    const { tally } = this.#run;
    const giveUpMs = performance.now() + GIVE_UP_MS;
    let retried = false;
    let inDoubt = false;
    for (;;) {
      const answer = await this.#attempt(plan, requestId);
      if (answer !== undefined && isFinal(answer)) {
        if (!answer.ok && !EXPECTED.has(answer.reason!)) {
          this.#report(`${requestId} was answered ${answer.reason}: ${answer.text}`);
        }
        return { answer, retried, inDoubt };
      }
      if (answer?.ok === false)
        count(tally.refusals, answer.reason ?? `status ${answer.status} not of Tally's`);
      retried = true;
      inDoubt ||= answer === undefined || answer.ok || !NOT_APPLIED.has(answer.reason ?? "");
      if (this.#closed) throw new Error(`${requestId} has no answer yet`);
      if (performance.now() > giveUpMs) throw new Error(`${requestId} has no answer after ${GIVE_UP_MS} ms`);
      await pause(RETRY_MS);
    }
  }

  /** One attempt; undefined when it got no answer. */
  async #attempt(plan: Plan, requestId: string): Promise<CallAnswer | undefined> {
    let sentUs: number | undefined;
    try {
      if (!this.#connection?.usable) {
        this.#connection?.close();
        this.#connection = await Connection.open(this.#run.port);
      }
      sentUs = nowUs();
      const answer = await attempt(this.#connection, plan, requestId, rulesOf);
      this.#run.tally.answered();
      return answer;
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      if (sentUs === undefined) return undefined; // Nothing was sent.
      this.#run.tally.unanswered++;
      this.#run.tally.unansweredSentUs.push(sentUs);
      return undefined;
    }
  }

  /** Keep some of the answers, to ask for them again. */
  #remember(plan: Plan, requestId: string, told: readonly Told[]): void {
    if (plan.kind === "single" && plan.asked.verb === "read") return;
    if (allRefused(told)) return; // Refusals alone are not remembered.
    const at =
      this.#answered.length < REMEMBERED ? this.#answered.length : this.#random.between(0, REMEMBERED - 1);
    this.#answered[at] = { plan, requestId, told };
  }

  async #sendAgain(): Promise<void> {
    if (this.#answered.length === 0) return;
    const { plan, requestId, told } = this.#random.pick(this.#answered);
    const { answer } = await this.#untilAnswered(plan, requestId);
    if (!answer.ok || !answer.replayed || !sameTold(answer.told, told)) {
      const text = `${requestId} was told ${inWords(told)} once, and when sent again ${inWords(answer)}`;
      this.#run.report({ kind: "doubled", text });
    } else this.#run.tally.replays.longAfter++;
  }

  #compareEcho(plan: Plan, requestId: string, one: CallAnswer, other: CallAnswer): void {
    if (plan.kind === "single" && plan.asked.verb === "read") return;
    if (!applied(one) || !applied(other)) return; // A refusal is judged afresh each time, so one may differ.
    if ((!one.replayed && !other.replayed) || !sameTold(one.told, other.told)) {
      const text = `${requestId}, sent twice at once, was told ${inWords(one)} and ${inWords(other)}`;
      this.#run.report({ kind: "doubled", text });
    } else this.#run.tally.replays.twiceAtOnce++;
  }

  #report(text: string): void {
    this.#run.report({ kind: "answer", text });
  }
}

/** How a call ended. */
interface Settled {
  readonly answer: CallAnswer;
  readonly retried: boolean;
  /** Whether an attempt before the last may have been applied. */
  readonly inDoubt: boolean;
}

/** Passing refusals: certainly not applied. */
const NOT_APPLIED = new Set(["QUEUE_FULL", "REQUEST_IDS_FULL", "DRAINING", "STORE_UNAVAILABLE"]);
/** What is to be sent again under the same id. */
const PASSING = new Set([...NOT_APPLIED, "OUTCOME_UNKNOWN"]);

/** What this workload may be refused for. */
const EXPECTED = new Set([
  ...["COUNTER_NOT_FOUND", "COUNTER_EXISTS", "LIMIT_NOT_FOUND", "ABOVE_MAX", "BELOW_MIN"],
]);

const RETRY_MS = 10;
/** A server that starts in a second and is killed soon after is up often enough within this time. */
const GIVE_UP_MS = 240_000;
const REMEMBERED = 100;

/** Whether an answer settles the call. One that is not of Tally's own says nothing, like none. */
function isFinal(answer: CallAnswer): boolean {
  return answer.ok || (answer.reason !== undefined && !PASSING.has(answer.reason));
}

function applied(answer: CallAnswer): answer is Extract<CallAnswer, { ok: true }> {
  return answer.ok && !allRefused(answer.told);
}

function allRefused(told: readonly Told[]): boolean {
  return told.every((one) => "refused" in one);
}

function operationsOf(plan: Plan): number {
  if (plan.kind === "batch") return plan.steps.length;
  return plan.kind === "takes" ? plan.takes.length : 1;
}

function entriesOf(plan: Plan, id: string, answer: CallAnswer, startUs: number, endUs: number): Entry[] {
  if (plan.kind === "single") {
    const { name, asked } = plan;
    const told = answer.ok ? answer.told[0]! : toRefused(answer.reason!, answer.metadata);
    return [{ name, asked, told, startUs, endUs, id }];
  }
  if (!answer.ok || plan.kind === "policy") return []; // A refused group changed nothing, and was judged on values nobody else has seen.
  const steps =
    plan.kind === "batch"
      ? plan.steps
      : plan.takes.map(({ name, amount }) => ({ name, asked: { verb: "take", amount } as const }));
  return steps.map(({ name, asked }, i) => {
    return { name, asked, told: answer.told[i]!, startUs, endUs, id: `${id}#${i}` };
  });
}

function sameTold(some: readonly Told[], others: readonly Told[]): boolean {
  return inWords(some) === inWords(others);
}

function inWords(told: readonly Told[] | CallAnswer): string {
  return JSON.stringify(told, (_, value) => (typeof value === "bigint" ? `${value}` : value));
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** CLOCK_MONOTONIC in microseconds. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
