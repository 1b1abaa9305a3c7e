import type { Database, Statement } from "better-sqlite3";
import { CORRUPT } from "../../../core/counter.ts";
import type { Save } from "../../../core/load-save.ts";
import type { PolicySet } from "../../../core/policies.ts";
import { endOf } from "../../../core/selection.ts";
import { isSettled } from "../../../core/settling.ts";
import { PolicySweep, policiesHeld } from "../../shared/policy-sweep.ts";
import { corrupt, unlessCorrupt } from "../rows/damage.ts";
import { type FollowedColumns, toFollowed } from "../rows/rows.ts";

/**
 * Which counters are settled next by their policies: name by name, a slice at a time, so that a commit waits for one slice at
 * most; and while calls come, not more than so many a second. How far it has come is saved with the revision of the
 * policies that all are settled by; a start after a crash goes through what changed since, and passes over what is done.
 */
export class Sweeping {
  readonly #rows: Statement<[string, string, bigint], Looked>;
  readonly #save: Statement<[bigint]>;
  readonly #sweep: PolicySweep;
  readonly #told: (message: string) => void;
  #saved: number;
  /** Where how far it has come can be read and written. */
  #keeps = true;
  /** What was given out: where the slice began, its names, and where the next one does. */
  #given: Slice = { from: "", names: [], next: undefined };
  /** How many are looked at one at a time, because one of them is refused. */
  #alone = 0;
  #pacedFromMs = Number.NEGATIVE_INFINITY;
  #paced = 0;
  /** How many commits there were when it was last looked. */
  #commits = 0;

  /** @param told  what the operator is to know */
  constructor(db: Database, told: (message: string) => void) {
    this.#told = told;
    this.#rows = db.prepare(`
      SELECT entry.name, policy, policy_revision FROM counter_names AS entry
      LEFT JOIN counters ON counters.id = entry.counter_id
      WHERE entry.name >= ? AND entry.name < ? ORDER BY entry.name LIMIT ?`);
    this.#save = db.prepare("UPDATE policy_sweep SET swept = ?");
    const saved = unlessCorrupt(() => db.prepare("SELECT max(swept) FROM policy_sweep").pluck().get());
    if (saved === CORRUPT) this.#keepNoMore();
    this.#saved = saved === CORRUPT ? 0 : Number(saved ?? 0n);
    this.#sweep = new PolicySweep(this.#saved);
  }

  /**
   * Those that are to be settled now, which may be none; then `done` or `refused` is called. Undefined: nothing is to be done.
   *
   * @param commits  how many there were so far
   */
  next(policies: PolicySet, monotonic: number, commits: number): readonly string[] | undefined {
    if (monotonic - this.#pacedFromMs >= 1_000) [this.#paced, this.#pacedFromMs] = [0, monotonic];
    if (commits !== this.#commits && this.#paced >= A_SECOND) return undefined; // Calls come: there is no hurry.
    this.#commits = commits;
    const place = this.#sweep.next(policies, monotonic);
    if (place === undefined) return undefined;
    const { prefix, from } = place;
    const most = this.#alone > 0 ? 1 : A_SLICE;
    const names: string[] = [];
    const found = this.#rows.all(from, endOf(prefix), BigInt(LOOKED_AT + 1));
    let next = found.length > LOOKED_AT ? found.pop()!.name : undefined;
    for (const row of found) {
      const { name } = row;
      if (isSettled({ policy: toFollowed(row) }, name, policies)) continue;
      if (names.length === most) {
        next = name;
        break;
      }
      names.push(name);
    }
    this.#given = { from, names, next };
    return names;
  }

  /** What was given is settled. @param held  whether one of them has not all that its policy says */
  done(held: boolean, monotonic: number): void {
    const { names, next } = this.#given;
    this.#paced += names.length;
    if (this.#alone > 0) this.#alone--;
    this.#sweep.passed(next, held, monotonic);
  }

  /** What was given cannot be written: then one by one; and the one that cannot is passed over until the next round. */
  refused(monotonic: number): void {
    const { length } = this.#given.names;
    if (length === 1) this.done(true, monotonic);
    else this.#alone = length;
  }

  /** A commit leaves some that are to be looked at again: also by who starts anew. In the caller's transaction. */
  held(save: Pick<Save, "held" | "names">, policies: PolicySet, monotonic: number): void {
    this.#sweep.held(policiesHeld(save, policies), monotonic);
    if (!this.unsaved) return;
    this.save();
    this.saved(); // If all of it is rolled back, it goes through them in vain.
  }

  /** What is to be saved, if anything is, in the caller's transaction. */
  get unsaved(): boolean {
    return this.#keeps && this.#sweep.swept !== this.#saved;
  }

  /**
   * @throws SQLITE_CORRUPT  where that meets damage: then nothing is saved any more. All of them are gone through after a
   *                         start that cannot read it; and what one that can may pass over, is settled by what meets it
   */
  save(): void {
    if (unlessCorrupt(() => this.#save.run(BigInt(this.#sweep.swept))) !== CORRUPT) return;
    this.#keepNoMore();
    throw corrupt("how far the policies are carried through cannot be written");
  }

  #keepNoMore(): void {
    this.#keeps = false;
    this.#told(NOT_KEPT);
  }

  saved(): void {
    this.#saved = this.#sweep.swept;
  }
}

const NOT_KEPT =
  "The file is damaged in policy_sweep, which says no more than how far counters are settled by their policies: that is not " +
  "kept any more, so that all of them may be gone through after each start. Everything else goes on. `tally verify` says what " +
  "is damaged; restore a backup.";

interface Slice {
  readonly from: string;
  readonly names: readonly string[];
  readonly next: string | undefined;
}

type Looked = FollowedColumns & { readonly name: string };

/** Some milliseconds each: to look at, and to write. */
const LOOKED_AT = 1_000;
const A_SLICE = 64;
/** While calls come. */
const A_SECOND = 2_000;
