import type { Clock } from "../core/clock.ts";
import { TallyError } from "../core/errors.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { fronted } from "./fronted.ts";
import type { Store } from "./store.ts";

/** Why reads are not answered, and why changes are not taken; undefined while they are. */
export interface Readiness {
  readonly reads: string | undefined;
  readonly writes: string | undefined;
}

/** Who says so, and is asked to note what callers meet. */
export interface ReadinessWatch {
  readonly current: Readiness;
  /** The same store, of which is noted what became of what was read of it. */
  readonly store: Store;
  /** To be told what became of commits. */
  readonly commits: { good(): void; failed(error: unknown): void };
  close(): void;
}

/**
 * Watch whether a store does what it is there for, by asking it once a second and by what callers meet.
 *
 * It is not ready when a probe failed, or has not been answered in time, and for two seconds nothing else succeeded
 * either; and ready again after two probes in a row that did. So neither a moment without it nor a single lucky answer
 * makes it change sides. A call that fails only makes the next probe come at once, and be thorough: what is wrong with
 * one call need not be wrong with the store.
 *
 * @param options.onChange  told each time that a reason comes or goes, with the error behind it, for the log
 */
export function watchReadiness(
  store: Store,
  clock: Clock,
  options: { everyMs: number; onChange: (now: Readiness, cause: unknown) => void },
): ReadinessWatch {
  let doubted = false;
  let last: Readiness = { reads: undefined, writes: undefined };
  const changed = (cause: unknown) => {
    const now = { reads: reads.reason, writes: reads.reason ?? writes.reason };
    if (now.reads === last.reads && now.writes === last.writes) return;
    last = now;
    options.onChange(now, cause);
  };
  const reads = new Verdict(clock, () => store.probeReads(), changed);
  const writes = new Verdict(
    clock,
    async () => {
      const thorough = doubted;
      await store.probeWrites(thorough);
      if (thorough) doubted = false;
    },
    changed,
  );
  const look = () => {
    reads.look();
    writes.look();
  };
  const timer = setInterval(look, options.everyMs);
  timer.unref();

  const met = (verdict: Verdict, error: unknown) => {
    if (!(error instanceof TallyError && DOUBTFUL.has(error.code))) return;
    if (verdict === writes) doubted = true;
    if (!closed) verdict.lookSoon();
  };
  async function noting<T>(asked: Promise<T>): Promise<T> {
    try {
      const result = await asked;
      reads.good();
      return result;
    } catch (error) {
      met(reads, error);
      throw error;
    }
  }

  let closed = false;
  return {
    get current() {
      return last;
    },
    store: fronted(store, {
      get: (names) => noting(store.get(names)),
      list: (...args) => noting(store.list(...args)),
    }),
    commits: { good: () => writes.good(), failed: (error) => met(writes, error) },
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

/** Have it told in numbers. @returns  what ends that */
export function measureReadiness(metrics: Metrics, readiness: ReadinessWatch): () => void {
  const [reads, writes] = [
    metrics.placeOf("ready", { what: "reads" }),
    metrics.placeOf("ready", { what: "writes" }),
  ];
  return metrics.beforeRead(() => {
    metrics.numbers[reads] = readiness.current.reads === undefined ? 1 : 0;
    metrics.numbers[writes] = readiness.current.writes === undefined ? 1 : 0;
  });
}

/** What a store fails with that has nothing to do with what it was asked. */
const DOUBTFUL: ReadonlySet<string> = new Set(["STORE_UNAVAILABLE", "OUTCOME_UNKNOWN"]);

/** Without a single success for as long, and with a probe that failed, it is not ready. */
const NOT_READY_MS = 2_000;
/** How long a probe may take; there is no second one beside it. */
const ANSWER_MS = 2_000;
const AT_ONCE_MS = 250;
/** So many in a row succeed before it is ready again. */
const READY_PROBES = 2;

/** Whether one thing works, as far as is known. */
class Verdict {
  /** Why it does not. */
  reason: string | undefined;
  readonly #clock: Clock;
  readonly #probe: () => Promise<void>;
  readonly #changed: (cause: unknown) => void;
  #goodAt: number;
  #goodProbes = 0;
  #beganAt = Number.NEGATIVE_INFINITY;
  /** When the probe began that has not ended. */
  #since: number | undefined;

  constructor(clock: Clock, probe: () => Promise<void>, changed: (cause: unknown) => void) {
    this.#clock = clock;
    this.#probe = probe;
    this.#changed = changed;
    this.#goodAt = clock.monotonic();
  }

  /** Somebody was answered. */
  good(): void {
    this.#goodAt = this.#clock.monotonic();
  }

  /** Probe now, unless one was just begun: whoever fails at once may do so a thousand times a second. */
  lookSoon(): void {
    if (this.#since === undefined && this.#clock.monotonic() - this.#beganAt >= AT_ONCE_MS) this.look();
  }

  /** Probe, unless a probe is under way. */
  look(): void {
    const now = this.#clock.monotonic();
    if (this.#since !== undefined) {
      if (now - this.#since >= ANSWER_MS) this.#bad("the store does not answer in time", undefined);
      return;
    }
    this.#since = now;
    this.#beganAt = now;
    this.#probe().then(
      () => {
        this.#since = undefined;
        this.good();
        if (this.reason === undefined || ++this.#goodProbes < READY_PROBES) return;
        this.reason = undefined;
        this.#changed(undefined);
      },
      (error: unknown) => {
        this.#since = undefined;
        this.#bad(error instanceof TallyError ? error.message : "the store fails", error);
      },
    );
  }

  #bad(reason: string, cause: unknown): void {
    this.#goodProbes = 0;
    if (this.reason === undefined && this.#clock.monotonic() - this.#goodAt < NOT_READY_MS) return;
    this.reason = reason;
    this.#changed(cause);
  }
}
