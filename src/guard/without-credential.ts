import { Grants } from "../core/grants.ts";
import { Permission } from "../core/permissions.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Log } from "../telemetry.ts";
import { ANONYMOUS, ANONYMOUS_ID } from "./names.ts";
import type { Verified } from "./tokens.ts";

/**
 * Counts calls that were let in without a credential while one is optional, and has the log say so once a minute while
 * there are any: whoever makes them is refused once a credential is required.
 */
export class CallsWithoutCredential {
  /** Since the start, by how they came. */
  readonly counts = { grpc: 0, http: 0 };
  readonly #log: Log;
  readonly #everyMs: number;
  readonly #measured:
    | { readonly numbers: Float64Array; readonly grpc: number; readonly http: number }
    | undefined;
  #told = { grpc: 0, http: 0 };
  #timer: NodeJS.Timeout | undefined;

  /** @param everyMs  from the first call that was not told of until it is, in milliseconds */
  constructor(log: Log, everyMs: number = TELL_EVERY_MS, metrics?: Metrics) {
    this.#log = log;
    this.#measured = metrics && {
      numbers: metrics.numbers,
      grpc: metrics.placeOf("callsWithoutCredential", { door: "grpc" }),
      http: metrics.placeOf("callsWithoutCredential", { door: "http" }),
    };
    this.#everyMs = everyMs;
  }

  add(how: "grpc" | "http"): void {
    this.counts[how]++;
    if (this.#measured !== undefined) this.#measured.numbers[this.#measured[how]]!++;
    this.#timer ??= setTimeout(() => this.#tell(), this.#everyMs).unref();
  }

  /** Tells of the last ones: a server that is stopped every minute is to say so too. */
  close(): void {
    if (this.#timer !== undefined) this.#tell();
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { grpc, http } = this.counts;
    this.#log("auth.without_credential", { grpc: grpc - this.#told.grpc, http: http - this.#told.http });
    this.#told = { grpc, http };
  }
}

/**
 * Whoever calls without a credential while one is optional. All but to administrate: a key that a stranger makes meanwhile
 * would be good once it is required.
 */
export const ANYBODY: Verified = {
  caller: ANONYMOUS_ID,
  callerName: ANONYMOUS,
  credential: "none",
  grants: new Grants([{ permissions: 255 & ~Permission.ADMIN, prefix: "" }]),
  depends: {},
};

const TELL_EVERY_MS = 60_000;
