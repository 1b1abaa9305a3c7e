import { HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import type { Readiness } from "../service/readiness.ts";

/**
 * Which services serve, as grpc.health.v1 tells it: each of them and "" for the server as a whole, all in one
 * state: they serve while the server takes calls and the store answers reads.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export class Health {
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Set<() => void>();
  #takesCalls = false;
  #store: Readiness = { reads: undefined, writes: undefined };

  /** Not serving yet. */
  constructor(services: readonly string[]) {
    this.#services = new Set(["", ...services]);
  }

  get serving(): boolean {
    return this.#takesCalls && this.#store.reads === undefined;
  }

  /** Why calls are not answered, or, if it is asked for, why changes are not taken; undefined while they are. */
  reason(what: "reads" | "writes"): string | undefined {
    return this.#takesCalls ? this.#store[what] : "not serving";
  }

  setServing(serving: boolean): void {
    this.#change(() => {
      this.#takesCalls = serving;
    });
  }

  setStore(store: Readiness): void {
    this.#change(() => {
      this.#store = store;
    });
  }

  #change(change: () => void): void {
    const before = this.serving;
    change();
    if (this.serving !== before) for (const tell of this.#watchers) tell();
  }

  /** SERVICE_UNKNOWN for a service that is not here. */
  check(service: string): ServingStatus {
    if (!this.#services.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  /** Every service's state, by name. */
  list(): Record<string, { status: ServingStatus }> {
    return Object.fromEntries([...this.#services].map((name) => [name, { status: this.check(name) }]));
  }

  /**
   * Tell the state of a service now and whenever it changes. An unknown service never changes.
   *
   * @returns  what ends it
   */
  watch(service: string, tell: (status: ServingStatus) => void): () => void {
    const told = () => tell(this.check(service));
    told();
    if (!this.#services.has(service)) return () => {};
    this.#watchers.add(told);
    return () => this.#watchers.delete(told);
  }
}
