/**
 * A service in miniature, on a clock of its own: one thread that reads what has come, answers what was committed, and
 * refuses, each at its price; one commit at a time beside it. Callers have one call at a time and begin the next as soon
 * as they have their answer; who is refused comes back at once, or when it was told to.
 */
import { Admission } from "../../src/service/admission.ts";
import { HandClock } from "../support/clock.ts";

export interface Simulated {
  /** Calls that the thread can answer in a millisecond. */
  readonly perMs: number;
  readonly commitMs: number;
  /** What it costs the thread to refuse one. */
  readonly refusalMs: number;
  readonly callers: number;
  readonly patient: boolean;
  readonly ms: number;
  /** The store stands still. */
  readonly stall?: { readonly atMs: number; readonly ms: number };
  /** From then on there are so many callers. */
  readonly later?: { readonly atMs: number; readonly callers: number };
}

export interface Seen {
  readonly answered: number;
  readonly refused: number;
  readonly p99Ms: number;
  readonly inFlightMax: number;
  /** The most in the second half. */
  readonly inFlightLate: number;
  answeredBefore(ms: number): number;
  /** In as long a time as there is before it, for a fair comparison. */
  answeredAfter(ms: number): number;
  refusedAfter(ms: number): number;
}

interface Call {
  readonly sentMs: number;
  end(): void;
}

export async function simulate(given: Simulated): Promise<Seen> {
  const { perMs, refusalMs, patient, ms, stall, later } = given;
  const clock = new HandClock();
  const aloneMs = () => given.commitMs;
  const limits = { waitMaxMs: 250, loadMin: 256, loadPerSecond: 8_000, refusalLoad: 1 / 3, aloneMs };
  const admission = new Admission(clock, limits);
  /** When each caller comes next, earliest first in each millisecond. */
  const due = new Map<number, number>([[0, given.callers]]);
  let gone = 0;
  let inFlight = 0;
  let inFlightMax = 0;
  let inFlightLate = 0;
  const waiting: Call[] = [];
  let committing: { calls: Call[]; endMs: number } | undefined;
  const answers: { atMs: number; tookMs: number }[] = [];
  const refusals: number[] = [];
  const comes = (atMs: number, count: number) =>
    due.set(Math.ceil(atMs), (due.get(Math.ceil(atMs)) ?? 0) + count);
  let shrunk = false;

  while (clock.monotonic() < ms) {
    const beganMs = clock.monotonic();
    if (later !== undefined && !shrunk && beganMs >= later.atMs) {
      shrunk = true;
      gone = given.callers - later.callers; // So many do not come back.
    }
    const next = () => {
      if (gone > 0) gone--;
      else comes(clock.monotonic(), 1);
    };
    const commit = () => {
      const now = clock.monotonic();
      const stalled = stall !== undefined && now >= stall.atMs && now < stall.atMs + stall.ms;
      const endMs = (stalled ? stall.atMs + stall.ms : now) + given.commitMs;
      committing = { calls: waiting.splice(0), endMs };
    };
    // What was committed is answered, while the next commit is under way.
    if (committing !== undefined && committing.endMs <= beganMs) {
      const { calls } = committing;
      committing = undefined;
      if (waiting.length > 0) commit();
      for (const call of calls) {
        clock.advance(1 / perMs / 2);
        call.end();
        inFlight--;
        answers.push({ atMs: clock.monotonic(), tookMs: clock.monotonic() - call.sentMs });
        next();
      }
      await settled();
    }
    // What has come is read, in the order in which it was sent.
    const arrived = [...due].filter(([atMs]) => atMs <= beganMs).sort(([a], [b]) => a - b);
    for (const [atMs, count] of arrived) {
      due.delete(atMs);
      for (let n = 0; n < count; n++) {
        const refusal = admission.refusal();
        if (refusal !== undefined) {
          clock.advance(refusalMs);
          refusals.push(clock.monotonic());
          if (gone > 0) gone--;
          else comes(patient ? clock.monotonic() + refusal.retryAfterMs! : clock.monotonic(), 1);
          continue;
        }
        clock.advance(1 / perMs / 2);
        const { promise, resolve } = Promise.withResolvers<void>();
        void admission.run(1, () => promise);
        waiting.push({ sentMs: atMs, end: resolve });
        inFlight++;
        inFlightMax = Math.max(inFlightMax, inFlight);
        if (beganMs > ms / 2) inFlightLate = Math.max(inFlightLate, inFlight);
      }
    }
    if (committing === undefined && waiting.length > 0) commit();
    if (clock.monotonic() === beganMs) clock.advance(1);
  }
  const took = answers
    .filter(({ atMs }) => atMs >= WARM_UP_MS)
    .map(({ tookMs }) => tookMs)
    .sort((a, b) => a - b);
  const count = (from: number, to: number) => answers.filter(({ atMs }) => atMs >= from && atMs < to).length;
  return {
    answered: answers.length,
    refused: refusals.length,
    p99Ms: took[Math.floor(took.length * 0.99)] ?? Number.NaN,
    inFlightMax,
    inFlightLate,
    answeredBefore: (atMs) => count(0, atMs) / atMs,
    answeredAfter: (atMs) => count(atMs, ms) / (ms - atMs),
    refusedAfter: (atMs) => refusals.filter((at) => at >= atMs).length,
  };
}

/** What came all at once when nothing was known yet is another matter. */
const WARM_UP_MS = 2_000;

/** Promises that were settled have told so. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
