import type { Clock } from "../core/clock.ts";
import type { CommitTimings, Outcomes } from "../core/columns.ts";
import type { Refusal } from "../core/errors.ts";
import { assertNamed, bytesOf, type Call, isOnAny, namesIn, opsIn, type Settled, toBatch } from "./call.ts";
import { FollowedCalls } from "./followed-calls.ts";
import { type Entry, Queue } from "./queue.ts";
import type { Store } from "./store.ts";

/** How much goes into one commit, and how much may wait for one. */
export interface WriterLimits {
  /** Operations in one commit. A batch call has at most this many and is never split. */
  readonly batchOpsMax: number;
  /** Bytes of names in one commit. */
  readonly batchBytesMax: number;
  /** Operations that may wait; beyond it a call is refused at once. */
  readonly queueOpsMax: number;
  readonly queueBytesMax: number;
}

/** Who is told what became of commits, once their callers are. */
export interface CommitsTold {
  /** @param waitedMs  how long the call had waited that had waited longest, in milliseconds */
  committed?(calls: readonly Call[], outcomes: Outcomes, waitedMs: number): void;
  failed?(error: unknown): void;
}

/** The limits of a server that is told none. */
export const DEFAULT_WRITER_LIMITS: WriterLimits = {
  batchOpsMax: 8_000,
  batchBytesMax: 4 * 2 ** 20,
  queueOpsMax: 64_000,
  queueBytesMax: 64 * 2 ** 20,
};

/**
 * The single writer: puts calls into batches and has the store commit them, as many at once as the store takes.
 *
 * Group commit without a timer: a batch leaves when a commit in flight ends, with all that came meanwhile. A writer
 * with room for another commit cuts it in setImmediate, so that calls read from the sockets in one go share it.
 *
 * Commits in flight have no counter in common. What names a counter that one of them has waits until that has ended,
 * and keeps its place: what came later and has a counter in common with it waits too. So the calls on a counter that
 * many want gather in one batch instead of queueing for its row, and a call waits for at most the commits in flight
 * and its own.
 *
 * A cancelled or late call is dropped when its batch is cut; from then on it applies.
 */
export class Writer {
  readonly #store: Pick<Store, "commit">;
  readonly #commitsMax: number;
  readonly #limits: WriterLimits;
  readonly #clock: Clock;
  readonly #told: CommitsTold;
  readonly #queue: Queue<Call, Settled>;
  /** Whether a cut is due in setImmediate. */
  #cutting = false;
  #inFlight = 0;
  /** The counters that commits in flight have; kept only where there can be several. */
  readonly #committing = new Set<string>();
  /** So many calls at the head of the queue wait for one of those, and these are the counters that they name. */
  #held = 0;
  readonly #heldNames = new Set<string>();
  #quickestMs = Number.POSITIVE_INFINITY;
  #draining = false;
  readonly #idle = Promise.withResolvers<void>();

  /** @param told  for those who watch; callers are told by themselves */
  constructor(
    store: Pick<Store, "commit" | "traits">,
    clock: Clock,
    limits: WriterLimits = DEFAULT_WRITER_LIMITS,
    told: CommitsTold = {},
  ) {
    this.#clock = clock;
    this.#told = told;
    this.#store = store;
    this.#commitsMax = store.traits.commitsInFlight;
    this.#limits = limits;
    const { queueOpsMax: sizeMax, queueBytesMax: bytesMax } = limits;
    this.#queue = new Queue(clock, { sizeMax, bytesMax, retryMs: QUEUE_RETRY_MS });
  }

  /** How many operations wait, not counting those being committed. */
  get queuedOps(): number {
    return this.#queue.size;
  }

  /** The memory that they take. */
  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** For how long what came first has waited, in milliseconds; 0: nothing waits. */
  get oldestMs(): number {
    return this.#queue.oldestMs;
  }

  get commitsInFlight(): number {
    return this.#inFlight;
  }

  /** How long the store took for the quickest of the last commits, in milliseconds: what a call waits when it is alone. */
  get quickestCommitMs(): number {
    return this.#quickestMs === Number.POSITIVE_INFINITY ? 0 : this.#quickestMs;
  }

  /**
   * Have a call applied.
   *
   * @returns  once it is durable, where its outcomes stand; or a refusal: it was certainly not applied
   * @throws   TallyError STORE_UNAVAILABLE (certainly not applied) or OUTCOME_UNKNOWN
   * @throws   TypeError of a caller's name that is too long
   */
  submit(call: Call): Promise<Settled | Refusal> {
    assertNamed(call);
    // Several calls for this may be of one of a caller's, which has waited since the first.
    if (call.parts !== undefined) call.parts.queuedMs ??= this.#clock.monotonic();
    const settled = this.#queue.enter(call, call, opsIn(call), bytesOf(call));
    if (!this.#queue.isEmpty && !this.#cutting && this.#inFlight < this.#commitsMax) {
      this.#cutting = true;
      setImmediate(() => this.#next());
    }
    return settled;
  }

  /** Take no more calls; resolves when those that were taken are answered. */
  drain(): Promise<void> {
    this.#draining = true;
    this.#queue.close();
    this.#resolveIfIdle();
    return this.#idle.promise;
  }

  /** Cut batches and commit them, while there is room for more commits and calls that may have one. */
  #next(): void {
    this.#cutting = false;
    while (this.#inFlight < this.#commitsMax) {
      const cut = this.#cut();
      if (cut.length === 0) break;
      this.#commit(cut);
    }
    this.#resolveIfIdle();
  }

  #commit(cut: readonly Entry<Call, Settled>[]): void {
    this.#inFlight++;
    const names = this.#commitsMax > 1 ? new Set(cut.flatMap(({ item }) => namesIn(item))) : [];
    for (const name of names) this.#committing.add(name);
    const calls = cut.map(({ item }) => item);
    const nowMs = this.#clock.monotonic();
    const waitedMs = nowMs - cut[0]!.since;
    const followed = calls.some(isFollowed) ? new FollowedCalls(calls, cut, nowMs) : undefined;
    const ended = () => {
      this.#inFlight--;
      for (const name of names) this.#committing.delete(name);
      this.#held = 0; // They may go now.
      this.#heldNames.clear();
      this.#next();
    };
    this.#store.commit(toBatch(calls)).then(
      (outcomes) => {
        ended(); // Before the answers go out, so that the store works meanwhile.
        let first = 0;
        for (const [c, { size, resolve }] of cut.entries()) {
          const end = first + size;
          resolve(outcomes.callRefusals.get(c) ?? { outcomes, c, first, end });
          first = end;
        }
        followed?.committed(outcomes, this.#clock.monotonic());
        this.#told.committed?.(calls, outcomes, waitedMs);
        this.#time(outcomes.timings);
      },
      (error: unknown) => {
        for (const { reject } of cut) reject(error);
        followed?.failed(error, this.#clock.monotonic());
        this.#told.failed?.(error);
        ended();
      },
    );
  }

  #time({ loadMs = 0, decideMs = 0, saveMs = 0, syncMs }: CommitTimings): void {
    if (syncMs === undefined) return; // Nothing was written.
    const ms = loadMs + decideMs + saveMs + syncMs;
    this.#quickestMs = Math.min(ms, FORGOTTEN * this.#quickestMs + FORGOTTEN_MS);
  }

  #resolveIfIdle(): void {
    if (this.#draining && this.#inFlight === 0 && this.#queue.isEmpty) this.#idle.resolve();
  }

  /** Take from the queue what makes the next batch; answer what is not to be applied any more. */
  #cut(): readonly Entry<Call, Settled>[] {
    const { batchOpsMax, batchBytesMax } = this.#limits;
    const several = this.#commitsMax > 1;
    const { taken, kept } = this.#queue.cut(
      {
        ends: ({ size, bytes }, taken) =>
          taken.count > 0 && (taken.size + size > batchOpsMax || taken.bytes + bytes > batchBytesMax),
        stays: ({ item }) => {
          if (!several || !(isOnAny(item, this.#committing) || isOnAny(item, this.#heldNames))) return false;
          for (const name of namesIn(item)) this.#heldNames.add(name);
          return true;
        },
      },
      this.#held,
    );
    this.#held = kept;
    return taken;
  }
}

/** A full queue is a matter of a few commits. */
const QUEUE_RETRY_MS = 100;

/** With each commit the quickest is forgotten a little, so that a disk that has become slower is noticed. */
const FORGOTTEN = 1.02;
const FORGOTTEN_MS = 0.01;

function isFollowed({ parts }: Call): boolean {
  return parts !== undefined;
}
