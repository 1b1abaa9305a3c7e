import { createHash } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import {
  type Batch,
  type CallHead,
  nameReader,
  newOpColumns,
  type OpColumns,
  type Outcomes,
  putOp,
  toCallColumns,
} from "../core/columns.ts";
import type { Refusal } from "../core/errors.ts";
import type { Op } from "../core/op.ts";
import type { Store } from "./store.ts";

/** What a caller asks for in one request, and how it is to be answered. */
export interface Call {
  readonly caller: string;
  readonly requestId: string | undefined;
  /** One operation, or a batch in columns. */
  readonly ops: Op | OpColumns;
  readonly allOrNothing: boolean;
  /** When the caller stops waiting: milliseconds since the epoch, Infinity for never. */
  readonly deadline: number;
  /** Whether the caller has gone. Asked once, when the batch is cut. */
  cancelled(): boolean;
}

/** Where a call's outcomes stand: call `c` of the batch, operations `first` to `end`. */
export interface Settled {
  readonly outcomes: Outcomes;
  readonly c: number;
  readonly first: number;
  readonly end: number;
}

export interface WriterLimits {
  /** Operations in one commit. A batch call has at most this many and is never split. */
  readonly batchOpsMax: number;
  /** Bytes of names in one commit. */
  readonly batchBytesMax: number;
  /** Operations that may wait; beyond it a call is refused at once. */
  readonly queueOpsMax: number;
  readonly queueBytesMax: number;
}

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
  readonly #clock: Clock;
  readonly #limits: WriterLimits;
  readonly #onFailure: (error: unknown) => void;
  #queue: Waiting[] = [];
  #queuedOps = 0;
  #queuedBytes = 0;
  /** Whether a cut is due in setImmediate. */
  #cutting = false;
  #inFlight = 0;
  /** The counters that commits in flight have; kept only where there can be several. */
  readonly #committing = new Set<string>();
  /** So many calls at the head of the queue wait for one of those, and these are the counters that they name. */
  #held = 0;
  readonly #heldNames = new Set<string>();
  #draining = false;
  readonly #idle = Promise.withResolvers<void>();

  /** @param onFailure  told of each commit that failed, for the log; its callers are told by themselves */
  constructor(
    store: Pick<Store, "commit" | "traits">,
    clock: Clock,
    limits: WriterLimits = DEFAULT_WRITER_LIMITS,
    onFailure: (error: unknown) => void = () => {},
  ) {
    this.#onFailure = onFailure;
    this.#store = store;
    this.#commitsMax = store.traits.commitsInFlight;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** How many operations wait, not counting those being committed. */
  get queuedOps(): number {
    return this.#queuedOps;
  }

  /**
   * Have a call applied.
   *
   * @returns  once it is durable, where its outcomes stand; or a refusal: it was certainly not applied
   * @throws   TallyError STORE_UNAVAILABLE (certainly not applied) or OUTCOME_UNKNOWN
   */
  submit(call: Call): Promise<Settled | Refusal> {
    const waiting = new Waiting(call);
    const refusal = this.#refusalAtTheDoor(waiting);
    if (refusal !== undefined) return Promise.resolve(refusal);
    this.#queue.push(waiting);
    this.#queuedOps += waiting.ops;
    this.#queuedBytes += waiting.bytes;
    if (!this.#cutting && this.#inFlight < this.#commitsMax) {
      this.#cutting = true;
      setImmediate(() => this.#next());
    }
    return waiting.settled;
  }

  /** Take no more calls; resolves when those that were taken are answered. */
  drain(): Promise<void> {
    this.#draining = true;
    this.#resolveIfIdle();
    return this.#idle.promise;
  }

  #refusalAtTheDoor({ ops, bytes }: Waiting): Refusal | undefined {
    if (this.#draining) return { code: "DRAINING" };
    const { queueOpsMax, queueBytesMax } = this.#limits;
    const full = this.#queuedOps + ops > queueOpsMax || this.#queuedBytes + bytes > queueBytesMax;
    return full ? { code: "QUEUE_FULL", retryAfterMs: QUEUE_RETRY_MS } : undefined;
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

  #commit(cut: readonly Waiting[]): void {
    this.#inFlight++;
    const names = this.#commitsMax > 1 ? new Set(cut.flatMap((each) => each.names)) : [];
    for (const name of names) this.#committing.add(name);
    const ended = () => {
      this.#inFlight--;
      for (const name of names) this.#committing.delete(name);
      this.#held = 0; // They may go now.
      this.#heldNames.clear();
      this.#next();
    };
    this.#store.commit(toBatch(cut.map(({ call }) => call))).then(
      (outcomes) => {
        ended(); // Before the answers go out, so that the store works meanwhile.
        let first = 0;
        for (const [c, waiting] of cut.entries()) {
          const end = first + waiting.ops;
          waiting.resolve(outcomes.callRefusals.get(c) ?? { outcomes, c, first, end });
          first = end;
        }
      },
      (error: unknown) => {
        for (const waiting of cut) waiting.reject(error);
        this.#onFailure(error);
        ended();
      },
    );
  }

  #resolveIfIdle(): void {
    if (this.#draining && this.#inFlight === 0 && this.#queue.length === 0) this.#idle.resolve();
  }

  /** Take from the queue what makes the next batch; answer what is not to be applied any more. */
  #cut(): Waiting[] {
    const { batchOpsMax, batchBytesMax } = this.#limits;
    const now = this.#clock.now();
    const cut: Waiting[] = [];
    const several = this.#commitsMax > 1;
    const queue = this.#queue;
    let kept = this.#held;
    let ops = 0;
    let bytes = 0;
    let at = kept;
    for (; at < queue.length; at++) {
      const waiting = queue[at]!;
      if (ops > 0 && (ops + waiting.ops > batchOpsMax || bytes + waiting.bytes > batchBytesMax)) break;
      const refusal = this.#refusalAtTheCut(waiting.call, now);
      if (refusal !== undefined) {
        this.#leave(waiting);
        waiting.resolve(refusal);
        continue;
      }
      if (several && (waiting.isOnAny(this.#committing) || waiting.isOnAny(this.#heldNames))) {
        for (const name of waiting.names) this.#heldNames.add(name);
        queue[kept++] = waiting;
        continue;
      }
      this.#leave(waiting);
      cut.push(waiting);
      ops += waiting.ops;
      bytes += waiting.bytes;
    }
    this.#held = kept;
    queue.splice(kept, at - kept);
    return cut;
  }

  #leave({ ops, bytes }: Waiting): void {
    this.#queuedOps -= ops;
    this.#queuedBytes -= bytes;
  }

  #refusalAtTheCut(call: Call, now: number): Refusal | undefined {
    if (call.cancelled()) return { code: "CALL_CANCELLED" };
    return call.deadline <= now ? { code: "DEADLINE_PASSED" } : undefined;
  }
}

/** A full queue is a matter of a few commits. */
const QUEUE_RETRY_MS = 100;

/** What a queued call occupies beside its names; a guess on the safe side. */
const CALL_BYTES = 200;

/** A call in the queue. */
class Waiting {
  readonly call: Call;
  readonly ops: number;
  readonly bytes: number;
  readonly settled: Promise<Settled | Refusal>;
  readonly resolve: (result: Settled | Refusal) => void;
  readonly reject: (error: unknown) => void;

  constructor(call: Call) {
    this.call = call;
    this.ops = isColumns(call.ops) ? call.ops.count : 1;
    this.bytes = CALL_BYTES + (isColumns(call.ops) ? call.ops.names.length : call.ops.name.length);
    const { promise, resolve, reject } = Promise.withResolvers<Settled | Refusal>();
    this.settled = promise;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** The counters that its operations name. */
  get names(): readonly string[] {
    const { ops } = this.call;
    if (!isColumns(ops)) return [ops.name];
    const nameAt = nameReader(ops);
    return Array.from({ length: ops.count }, (_, i) => nameAt(i));
  }

  /** Whether one of its operations names one of some counters. */
  isOnAny(counters: ReadonlySet<string>): boolean {
    if (counters.size === 0) return false;
    const { ops } = this.call;
    if (!isColumns(ops)) return counters.has(ops.name);
    const nameAt = nameReader(ops);
    for (let i = 0; i < ops.count; i++) if (counters.has(nameAt(i))) return true;
    return false;
  }
}

function isColumns(ops: Op | OpColumns): ops is OpColumns {
  return "verbs" in ops;
}

/** The calls' operations one after another in columns. */
export function toBatch(
  calls: readonly Pick<Call, "caller" | "requestId" | "ops" | "allOrNothing">[],
): Batch {
  let count = 0;
  let nameBytes = 0;
  for (const { ops } of calls) {
    count += isColumns(ops) ? ops.count : 1;
    nameBytes += isColumns(ops) ? ops.names.length : ops.name.length;
  }
  const columns = newOpColumns(count, nameBytes);
  const heads: CallHead[] = [];
  let i = 0;
  let at = 0;
  for (const { caller, requestId, ops, allOrNothing } of calls) {
    const single = !isColumns(ops);
    if (single) {
      at = putOp(columns, i, at, ops);
      i += 1;
    } else {
      columns.verbs.set(ops.verbs, i);
      columns.amounts.set(ops.amounts, i);
      columns.mustExist.set(ops.mustExist, i);
      columns.names.set(ops.names, at);
      for (let k = 0; k < ops.count; k++) columns.nameEnds[i + k] = at + ops.nameEnds[k]!;
      for (const [k, extras] of ops.extras) columns.extras.set(i + k, extras);
      i += ops.count;
      at += ops.names.length;
    }
    const digest = single || requestId === undefined ? undefined : digestOf(ops);
    heads.push({ caller, requestId, single, allOrNothing, digest, end: i });
  }
  return { calls: toCallColumns(heads), ops: columns };
}

/** A digest of a batch's operations, so that reuse of its request id for another batch is noticed. */
function digestOf(ops: OpColumns): string {
  const hash = createHash("sha256");
  for (const column of [ops.verbs, ops.amounts, ops.mustExist, ops.names, ops.nameEnds]) hash.update(column);
  for (const [k, { etag, note }] of ops.extras) hash.update(JSON.stringify([k, etag, note]));
  return hash.digest("hex").slice(0, 32);
}
