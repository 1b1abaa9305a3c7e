import { TallyError } from "../../../core/errors.ts";
import { isCorrupt } from "../rows/damage.ts";

/** Something of upkeep that is due now and then. Inside the caller's transaction. */
export interface Chore {
  /** What it is about, after "damaged in". */
  readonly of: string;
  /** Do a slice of it. @returns  whether anything was written */
  do(): boolean;
}

/**
 * Which chores are done together in one transaction: all, but for those that have met damage. Such a one is passed over for
 * a while, so that it keeps neither the others nor the commits from going on.
 */
export class Tending {
  readonly #told: (message: string) => void;
  /** When those that are passed over are tried again, by the monotonic clock. */
  readonly #again = new Map<string, number>();
  readonly #known = new Set<string>();

  /** @param told  what the operator is to know, once of each */
  constructor(told: (message: string) => void) {
    this.#told = told;
  }

  /**
   * Do them.
   *
   * @param together  has what it is given in a transaction, or rolls it back and throws
   * @throws  what `together` does, unless it is damage that a chore has met
   */
  do(chores: readonly Chore[], monotonic: number, together: (work: () => boolean) => void): void {
    const left = new Set(chores.filter(({ of }) => monotonic >= (this.#again.get(of) ?? -Infinity)));
    for (;;) {
      let doing: Chore | undefined;
      try {
        together(() => {
          let wrote = false;
          for (doing of left) wrote = doing.do() || wrote;
          doing = undefined;
          return wrote;
        });
        return;
      } catch (error) {
        if (doing === undefined || !isDamage(error)) throw error;
        left.delete(doing);
        this.#again.set(doing.of, monotonic + PASSED_OVER_MS);
        this.met(doing.of);
      }
    }
  }

  /** Tell of damage, once of each that it is about. */
  met(of: string): void {
    if (this.#known.has(of)) return;
    this.#known.add(of);
    this.#told(
      `The file is damaged in ${of}: the upkeep of that is passed over, and everything else goes on. \`tally verify\` says ` +
        "what is damaged; restore a backup.",
    );
  }
}

/** Found by SQLite, or by a checksum: what else fails in a transaction is no TallyError before it leaves it, or ends the process. */
function isDamage(error: unknown): boolean {
  return isCorrupt(error) || (error instanceof TallyError && error.code === "STORE_UNAVAILABLE");
}

const PASSED_OVER_MS = 600_000;
