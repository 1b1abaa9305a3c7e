import type { Refusal } from "../core/errors.ts";
import type { CallHead } from "../transports/calls/authorise.ts";
import type { Granted } from "./access.ts";
import { isVerified, type Verified } from "./tokens.ts";

/** Who a call is from, judged once more; what is thrown or rejected is a defect. */
export type JudgeAgain = (head: CallHead) => Verified | Refusal | Promise<Verified | Refusal>;

/**
 * The permits of calls that go on: each is judged again when something has changed, and revoked when it would not be given
 * any more, or not for all that was asked for with it.
 *
 * One is held no longer than somebody has its signal: nobody tells when a call has ended.
 */
export class StandingPermits {
  readonly #judgeAgain: JudgeAgain;
  readonly #standing = new Set<WeakRef<Standing>>();
  /** What is needed to revoke a permit lives as long as its signal. */
  readonly #bySignal = new WeakMap<AbortSignal, Standing>();
  #pruneAt = PRUNED_AT_LEAST;

  constructor(judgeAgain: JudgeAgain) {
    this.#judgeAgain = judgeAgain;
  }

  /** @returns  what tells that it is revoked, with the refusal as its reason */
  add(head: CallHead, granted: Granted): AbortSignal {
    const controller = new AbortController();
    const standing = { head, granted, controller };
    this.#bySignal.set(controller.signal, standing);
    this.#standing.add(new WeakRef(standing));
    if (this.#standing.size >= this.#pruneAt) this.#prune();
    return controller.signal;
  }

  /** Judge all of them again. */
  review(): void {
    for (const each of this.#standing) {
      const standing = each.deref();
      if (standing === undefined || standing.controller.signal.aborted) this.#standing.delete(each);
      else this.#review(standing);
    }
  }

  #review({ head, granted, controller }: Standing): void {
    const take = (said: Verified | Refusal) => {
      const refusal = isVerified(said) ? granted.become(said) : said;
      if (refusal !== undefined) controller.abort(refusal);
    };
    try {
      const said = this.#judgeAgain(head);
      if (said instanceof Promise) said.then(take, () => controller.abort(DEFECT));
      else take(said);
    } catch {
      controller.abort(DEFECT);
    }
  }

  #prune(): void {
    for (const each of this.#standing) if (each.deref() === undefined) this.#standing.delete(each);
    this.#pruneAt = Math.max(PRUNED_AT_LEAST, this.#standing.size * 2);
  }
}

interface Standing {
  readonly head: CallHead;
  readonly granted: Granted;
  readonly controller: AbortController;
}

/** Who cannot be judged is not let go on. */
const DEFECT: Refusal = { code: "INTERNAL_ERROR" };

/** How many there are before those that are gone are looked for. */
const PRUNED_AT_LEAST = 1_000;
