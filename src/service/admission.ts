import type { Clock } from "../core/clock.ts";
import type { Refusal } from "../core/errors.ts";
import { RecentLoad } from "./recent-load.ts";
import { Throughput } from "./throughput.ts";

/** How much is taken, and for how long it may have to wait. */
export interface AdmissionLimits {
  /** How long a call may have to wait for its answer; what would wait for longer is refused. In milliseconds. */
  readonly waitMaxMs: number;
  /** So much load is taken at a time, however long it waits. A call's is 1, or whatever calls are weighed by. */
  readonly loadMin: number;
  /** How much load a second to reckon with until it is known. */
  readonly loadPerSecond: number;
  /** What it costs to refuse a call, as load. */
  readonly refusalLoad: number;
  /** How long a call takes when it waits for no other, in milliseconds, where that is known: of a change, the disk's time. */
  readonly aloneMs?: (() => number) | undefined;
}

/**
 * Takes calls as long as they can be answered in time, and refuses the others: the sooner, the less it costs.
 *
 * How long a call will wait is reckoned by Little's law: the load that is there, divided by how much ends in a second.
 * That sees whatever makes calls wait: a slow disk, a database that is far, a processor that is busy.
 *
 * Below `loadMin` nothing is refused, so that an idle service, a slow one, and one that knows nothing yet, take a burst.
 * Above it a burst may fill what is answered within `waitMaxMs`. A load that stays must not live at that edge, where
 * everybody waits for as long as anybody may: so once it is overloaded, the wait is kept at a tenth of it, or at three
 * times what a call takes alone where that is more, for a slow disk makes everybody wait for the commit in flight and for
 * their own, however few they are. It is overloaded when it refuses, or when for two times `waitMaxMs` most calls took longer
 * than that (a burst is over by then), until nothing was refused for four times. That a queue which stands is what to
 * look for, by how long calls take and not by how many there are, is CoDel's idea (RFC 8289).
 *
 * Who is refused is told when to come again, each a little later than the one before, at a quarter of the pace at which
 * calls are answered: the rest is for those who come for the first time, or with their next call. Where callers come back
 * sooner than they were told, refusing takes more and more of the time; from a quarter of it on, more is taken, up to
 * `waitMaxMs`, since to answer them is then the quickest way to be rid of them.
 */
export class Admission {
  readonly #clock: Clock;
  readonly #limits: AdmissionLimits;
  readonly #onOverload: () => void;
  readonly #recent: RecentLoad;
  readonly #throughput: Throughput;
  /** What a call weighs, of late. */
  #loadPerCall = 1;
  /**
   * Which share of calls took longer than what the wait is kept at under overload: of the last few, and of those of half
   * of `waitMaxMs`. The first notices at once; the second is not deceived by a commit of many quick ones among slow ones.
   */
  #slow = 0;
  #slowInAll = 0;
  /** Since when that has been most of them; undefined: it is not. */
  #longSinceMs: number | undefined;
  #longAtMs = Number.NEGATIVE_INFINITY;
  /** What the wait is kept at under overload. */
  #overloadedWaitMs: number;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  /** Up to when callers have been told to come again. */
  #bookedToMs = Number.NEGATIVE_INFINITY;

  /**
   * @param onOverload  told when calls come to be refused, for the log; at most every ten seconds
   */
  constructor(clock: Clock, limits: AdmissionLimits, onOverload: () => void = () => {}) {
    this.#clock = clock;
    this.#limits = limits;
    this.#overloadedWaitMs = this.#leastWaitMs;
    this.#onOverload = onOverload;
    this.#recent = new RecentLoad(Math.max(SLICE_MS_MIN, limits.waitMaxMs));
    this.#throughput = new Throughput(limits.loadMin, limits.loadPerSecond / 1000);
  }

  /**
   * Why a call that comes now is not taken; undefined: it is. Nothing is counted, so that a door may ask before it has
   * read a message, and never come back.
   */
  refusal(): Refusal | undefined {
    const now = this.#clock.monotonic();
    const load = this.#recent.at(now);
    if (this.#throughput.look(now)) this.#adapt();
    const waitMs = load / this.#throughput.perMs;
    if (load < this.#limits.loadMin || waitMs <= this.#waitAllowedMs(now)) return undefined;
    this.#refusedAtMs = now;
    this.#throughput.refused(this.#limits.refusalLoad);
    if (now - this.#toldAtMs >= TOLD_EVERY_MS) {
      this.#toldAtMs = now;
      this.#onOverload();
    }
    return { code: "QUEUE_FULL", retryAfterMs: this.#book(now) };
  }

  /** Answer a call, which is counted until then, however it ends; or say why it is not taken. */
  run<Answer>(load: number, answer: () => Promise<Answer>): Promise<Answer | Refusal> {
    const refusal = this.refusal();
    if (refusal !== undefined) return Promise.resolve(refusal);
    const now = this.#clock.monotonic();
    const slice = this.#recent.add(load, now);
    const crowd = this.#recent.at(now);
    this.#throughput.began(crowd, now);
    const ended = () => this.#end(load, slice, now, crowd);
    let answered: Promise<Answer>;
    try {
      answered = answer();
    } catch (error) {
      ended();
      throw error;
    }
    return answered.then(
      (result) => {
        ended();
        return result;
      },
      (error: unknown) => {
        ended();
        throw error;
      },
    );
  }

  /** @param crowd  how much load there was when it began */
  #end(load: number, slice: number, beganMs: number, crowd: number): void {
    const now = this.#clock.monotonic();
    this.#recent.remove(load, slice, now);
    this.#throughput.ended(load, this.#recent.at(now), now);
    this.#loadPerCall += (load - this.#loadPerCall) / SOME_CALLS;
    const { waitMaxMs, loadMin } = this.#limits;
    const slow = now - beganMs > this.#leastWaitMs ? 1 : 0;
    const inAll = ((waitMaxMs / 2) * this.#throughput.perMs) / this.#loadPerCall;
    this.#slow += (slow - this.#slow) / MANY_CALLS;
    this.#slowInAll += (slow - this.#slowInAll) / Math.max(MANY_CALLS, inAll);
    if (this.#slow < 1 / 2 && this.#slowInAll < 1 / 2) {
      this.#longSinceMs = undefined;
    } else if (crowd >= loadMin) {
      if (now - this.#longAtMs > STANDING_AFTER * waitMaxMs) this.#longSinceMs = undefined; // It was quiet meanwhile.
      this.#longSinceMs ??= now;
      this.#longAtMs = now;
    }
  }

  #waitAllowedMs(now: number): number {
    const { waitMaxMs } = this.#limits;
    const standing =
      this.#longSinceMs !== undefined && this.#longAtMs - this.#longSinceMs >= STANDING_AFTER * waitMaxMs;
    if (!standing && now - this.#refusedAtMs >= OVER_AFTER * waitMaxMs) return waitMaxMs;
    return Math.max(this.#overloadedWaitMs, this.#leastWaitMs);
  }

  /** What the wait is kept at under overload, if refusing does not take too much. */
  get #leastWaitMs(): number {
    const { waitMaxMs, aloneMs } = this.#limits;
    return Math.min(Math.max(waitMaxMs / STANDING_PART, COMMITS_WAITED * (aloneMs?.() ?? 0)), waitMaxMs);
  }

  #adapt(): void {
    const next = this.#overloadedWaitMs * (this.#throughput.lost > LOST_MAX ? GROWS : SHRINKS);
    this.#overloadedWaitMs = Math.min(Math.max(next, this.#leastWaitMs), this.#limits.waitMaxMs);
  }

  /** When to come again, in milliseconds from now. */
  #book(now: number): number {
    const turnMs = (PACE * this.#loadPerCall) / this.#throughput.perMs;
    this.#bookedToMs = Math.min(Math.max(this.#bookedToMs, now) + turnMs, now + RETRY_MS_MAX);
    const delayMs = RETRY_MS_MIN + this.#bookedToMs - now;
    return Math.ceil(delayMs / RETRY_STEP_MS) * RETRY_STEP_MS;
  }
}

/** Of the longest wait, the part at which it is kept under overload. */
const STANDING_PART = 10;
/** Whoever comes again with an answer finds the next commit begun: two, and what the answers take. */
const COMMITS_WAITED = 3;
const LOST_MAX = 1 / 4;
const GROWS = 1.15;
const SHRINKS = 0.8;
/** Of the longest wait: after so many the queue is a standing one, and after so many without a refusal it is over. */
const STANDING_AFTER = 2;
const OVER_AFTER = 4;

/** Of so many calls one is to be of those who come again. */
const PACE = 4;
/** Sooner, refusals would be more than answers; later, callers give up while there is room. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 8_000;
/** In steps, so that the same refusals need not be written anew. */
const RETRY_STEP_MS = 10;

const SLICE_MS_MIN = 250;
const SOME_CALLS = 16;
const MANY_CALLS = 64;
const TOLD_EVERY_MS = 10_000;
