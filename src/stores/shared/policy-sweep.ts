import type { Save } from "../../core/load-save.ts";
import type { PolicySet } from "../../core/policies.ts";
import type { Policy } from "../../core/policy.ts";

/** Where a sweep goes on. */
export interface Place {
  readonly prefix: string;
  /** The name to begin at, itself included. */
  readonly from: string;
}

/** A walk over the counters under some prefixes. */
interface Round {
  /** Of the policies, when it began. */
  readonly revision: number;
  /** Those that are still to be walked; the first one from `from` on. */
  readonly left: string[];
  from: string;
  /** Those that are to be walked once more. */
  readonly again: Set<string>;
}

/**
 * Which counters are next to be settled by their policies: prefix by prefix, name by name, in slices. A state machine; the
 * store looks, and writes. What is settled already is passed over, so that a round may be begun again at any time.
 */
export class PolicySweep {
  readonly #late: boolean;
  #swept: number;
  /** The revision that the latest round went through; what it left is to be walked `again`. */
  #done: number;
  #round: Round | undefined;
  #again: readonly string[] = [];
  #againAt = 0;

  /**
   * @param swept  the revision of the policies that all counters are settled by, as it was saved
   * @param late   whether a commit that knew older policies may come after the sweep went by
   */
  constructor(swept: number, late = false) {
    this.#swept = swept;
    this.#done = swept;
    this.#late = late;
  }

  /** The revision of the policies that all counters are settled by: to be saved when it moves. */
  get swept(): number {
    return this.#swept;
  }

  /**
   * Where to go on; undefined when there is nothing to do now.
   *
   * @param now  by the monotonic clock, in milliseconds
   */
  next(policies: PolicySet, now: number): Place | undefined {
    if (policies.damaged) return undefined;
    this.#round ??= this.#begin(policies, now);
    return this.#round && { prefix: this.#round.left[0]!, from: this.#round.from };
  }

  /**
   * A slice was looked at, and what was found is settled, as far as it can be.
   *
   * @param next  the name that the next slice begins at; undefined when none is left under the prefix
   * @param held  whether a counter of the slice has not all that its policy says
   * @param now   by the monotonic clock
   */
  passed(next: string | undefined, held: boolean, now: number): void {
    const round = this.#round!;
    if (held) round.again.add(round.left[0]!);
    if (next === undefined) round.left.shift();
    round.from = next ?? round.left[0] ?? "";
    if (round.left.length > 0) return;
    this.#round = undefined;
    const fresh = round.revision !== this.#done;
    this.#done = round.revision;
    this.#again = [...round.again];
    this.#againAt = now + (this.#late && fresh ? LATE_MS : AGAIN_MS);
    if (this.#again.length === 0) this.#swept = round.revision;
  }

  /**
   * Counters have come to follow policies of which they cannot have all yet: they are looked at again, like those that a round
   * found so.
   *
   * @param now  by the monotonic clock
   */
  held(policies: readonly Policy[], now: number): void {
    for (const { prefix, revision } of policies) {
      this.#swept = Math.min(this.#swept, revision - 1);
      if (this.#round !== undefined) this.#round.again.add(prefix);
      else {
        if (this.#again.length === 0) this.#againAt = now + AGAIN_MS;
        if (!this.#again.includes(prefix)) this.#again = [...this.#again, prefix];
      }
    }
  }

  #begin(policies: PolicySet, now: number): Round | undefined {
    const { revision } = policies;
    if (this.#done > revision) this.#done = 0; // Of another catalogue.
    const changed = policies.changedSince(this.#done);
    if (changed.length === 0 && now < this.#againAt) return undefined;
    const left = withoutThoseUnder([...changed, ...this.#again]);
    if (left.length === 0) return undefined;
    return { revision, left, from: left[0]!, again: new Set(this.#late ? changed : []) };
  }
}

/** The policies of the counters that a save leaves held. @param policies  that the batch was judged by */
export function policiesHeld({ held, names }: Pick<Save, "held" | "names">, policies: PolicySet): Policy[] {
  return held.map((index) => policies.for(names[index]!) as Policy); // Or else none would follow it.
}

/** Prefixes in order, without those that begin with another one. */
function withoutThoseUnder(prefixes: readonly string[]): string[] {
  const kept: string[] = [];
  for (const prefix of [...prefixes].sort()) {
    const last = kept.at(-1);
    if (last === undefined || !prefix.startsWith(last)) kept.push(prefix);
  }
  return kept;
}

/** When counters are looked at again that are beyond a bound. */
const AGAIN_MS = 60_000;
/** No commit takes longer. */
const LATE_MS = 30_000;
