import { CallError } from "../../client/call-error.ts";
import { RPC, type TallyClient } from "../../client/client.ts";
import { decodeIncrementsAnswer, encodeIncrements } from "../../wire/increments.ts";
import { Histogram } from "./histogram.ts";

/** What to send, and how much of it at a time. */
export interface LoadOptions {
  /** A connection each; calls are spread over them. */
  readonly clients: readonly TallyClient[];
  /** Calls in flight, over all connections. */
  readonly concurrency: number;
  /** Increments in a call: 1 is Increment, more is BatchApply. */
  readonly batch: number;
  /** One of these for each increment, chosen by chance. */
  readonly names: readonly string[];
  /** How long a call may take. */
  readonly timeoutMs: number;
  /** Milliseconds that only go up. */
  now(): number;
  /** 0 up to 1. */
  random(): number;
}

/** What was answered, from when on one measures. */
export class Measured {
  /** Latencies of calls that were answered. */
  readonly latencies = new Histogram();
  calls = 0;
  increments = 0;
  /** Calls, or increments of a batch, that came to nothing, by Tally's reason or else by gRPC's status. */
  readonly errors = new Map<string, number>();

  get failed(): number {
    return [...this.errors.values()].reduce((sum, n) => sum + n, 0);
  }

  error(reason: string): void {
    this.errors.set(reason, (this.errors.get(reason) ?? 0) + 1);
  }
}

/** Sends increments from as many callers as there may be calls in flight; each waits for its answer. */
export class Load {
  #measured = new Measured();
  #stopped = false;
  readonly #options: LoadOptions;
  readonly #callers: Promise<unknown>;

  /** Begins at once. */
  constructor(options: LoadOptions) {
    this.#options = options;
    const { clients, concurrency } = options;
    const callers = Array.from({ length: concurrency }, (_, i) => this.#call(clients[i % clients.length]!));
    this.#callers = Promise.all(callers);
  }

  /** Begin to measure anew; what was measured before is returned. */
  restart(): Measured {
    const before = this.#measured;
    this.#measured = new Measured();
    return before;
  }

  /** What was measured so far. */
  get measured(): Measured {
    return this.#measured;
  }

  /** Resolves when the calls in flight are answered. @throws a defect */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#callers;
  }

  async #call(client: TallyClient): Promise<void> {
    const { now, batch } = this.#options;
    while (!this.#stopped) {
      const startedAt = now();
      try {
        const refusals = batch === 1 ? await this.#single(client) : await this.#batch(client);
        const measured = this.#measured; // Not the one that was there when the call began.
        measured.calls++;
        measured.increments += batch - refusals.length;
        measured.latencies.record((now() - startedAt) * 1000);
        for (const reason of refusals) measured.error(reason);
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        this.#measured.error(error.reason ?? error.status);
        const waitMs = Math.max(AFTER_ERROR_MS, error.retryAfterMs ?? 0);
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  async #single(client: TallyClient): Promise<string[]> {
    const { timeoutMs } = this.#options;
    await client.call(RPC.increment, { name: this.#anyName() }, { attemptsMax: 1, timeoutMs });
    return [];
  }

  async #batch(client: TallyClient): Promise<string[]> {
    const { batch, timeoutMs } = this.#options;
    const names = Array.from({ length: batch }, () => this.#anyName());
    const amounts = names.map(() => 1);
    const request = encodeIncrements({ names, amounts }, client.newRequestId());
    const answer = await client.attempt(RPC.batchApply, request, timeoutMs);
    return [...decodeIncrementsAnswer(answer, batch).values()].map(({ reason }) => reason);
  }

  #anyName(): string {
    const { names, random } = this.#options;
    return names[Math.floor(random() * names.length)]!;
  }
}

/** A server that is away would otherwise be asked in a loop. */
const AFTER_ERROR_MS = 100;
