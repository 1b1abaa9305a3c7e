import type { FullCounter } from "../../core/counter.ts";
import type { Save } from "../../core/load-save.ts";
import { PolicySet } from "../../core/policies.ts";
import { isSettled } from "../../core/settling.ts";
import type { PolicyProgress } from "../../service/store-policies.ts";
import { PolicySweep, policiesHeld } from "../shared/policy-sweep.ts";
import type { CatalogueInMemory } from "./catalogue.ts";
import type { CountersInMemory } from "./counters.ts";

/** The policies of the catalogue, and how they come to the counters that follow them. */
export class SettlingInMemory {
  readonly #catalogue: CatalogueInMemory;
  readonly #counters: CountersInMemory;
  readonly #sweep = new PolicySweep(0);
  #version = 0;
  #policies = PolicySet.NONE;

  constructor(catalogue: CatalogueInMemory, counters: CountersInMemory) {
    this.#catalogue = catalogue;
    this.#counters = counters;
  }

  /** As of now. */
  get policies(): PolicySet {
    const { version } = this.#catalogue;
    if (version !== this.#version) {
      if (version < this.#version) [this.#policies, this.#version] = [PolicySet.NONE, 0]; // A copy has begun.
      this.#policies = this.#policies.with(this.#catalogue.since(this.#version));
      this.#version = version;
    }
    return this.#policies;
  }

  /** See PolicyReads. */
  progress(prefix: string): PolicyProgress {
    const { policies } = this;
    const progress = { applied: 0, remaining: 0 };
    for (const counter of this.#counters.select({ prefix, labels: {} })) {
      const policy = counter.policy && policies.for(counter.name);
      if (typeof policy !== "object" || policy.prefix !== prefix) continue;
      progress[isSettled(counter, counter.name, policies) ? "applied" : "remaining"]++;
    }
    return progress;
  }

  /** What is to be saved leaves some that are to be looked at again. */
  held(save: Pick<Save, "held" | "names">, now: number): void {
    this.#sweep.held(policiesHeld(save, this.policies), now);
  }

  /**
   * Look at some of the counters whose policies have changed.
   *
   * @param settle  writes down what the policies make of those that are not settled
   * @returns       whether there are more to look at
   */
  slice(now: number, settle: (counters: readonly FullCounter[]) => void): boolean {
    const { policies } = this;
    const place = this.#sweep.next(policies, now);
    if (place === undefined) return false;
    const unsettled: FullCounter[] = [];
    let [looked, next]: [number, string | undefined] = [0, undefined];
    for (const counter of this.#counters.select({ prefix: place.prefix, labels: {} }, place.from)) {
      if (looked++ === LOOKED_AT_AT_ONCE) {
        next = counter.name;
        break;
      }
      if (!isSettled(counter, counter.name, policies)) unsettled.push(counter);
    }
    if (unsettled.length > 0) settle(unsettled);
    const held = unsettled.some(({ name }) => {
      const counter = this.#counters.get(name);
      return counter !== undefined && !isSettled(counter, name, policies);
    });
    this.#sweep.passed(next, held, now);
    return true;
  }
}

/** Some milliseconds. */
const LOOKED_AT_AT_ONCE = 1_000;
