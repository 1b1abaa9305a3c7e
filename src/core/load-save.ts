/** What a store loads for a batch, and what it is to save once the batch has been judged. */
import type { ChangeColumns } from "./change.ts";
import type { CORRUPT, Counter, Fixed, Timing } from "./counter.ts";
import type { Epoch } from "./epoch.ts";
import type { Refusal } from "./errors.ts";
import type { PolicySet } from "./policies.ts";
import type { AsOf } from "./present.ts";
import type { Calendar } from "./window.ts";

/** What a batch touches: what a store has to look for. */
export interface Touched {
  /** The names of the counters, each once. */
  readonly names: readonly string[];
  /** By operation: the index of its name in `names`. */
  readonly counterOf: Uint32Array;
  /**
   * By index, those of the names that are updated or deleted: a store has to look for all that is kept about them; and
   * likewise about each counter that it finds to have an idle TTL, for it may have expired, and is then deleted; and about
   * each that follows a policy and is not settled (see isSettled).
   */
  readonly whole: ReadonlySet<number>;
  /** How many operations delete: so many counters more can come to be under these names. */
  readonly deletions: number;
}

/** Where the records of the calls of a batch are kept, or may be. */
export interface RequestKeys {
  /** By call: the key of its request id; undefined without one. */
  readonly keys: readonly (string | undefined)[];
  /**
   * By call: the key that it had when it was first sent, if that was before its caller had to say who it is (see
   * CallHead.formerCaller). Undefined where no call may have one.
   */
  readonly formerKeys?: readonly (string | undefined)[] | undefined;
}

/** What a store found for a batch. */
export interface Loaded extends Touched, RequestKeys {
  /** By index in `names`. */
  readonly counters: readonly (Counter | undefined | typeof CORRUPT)[];
  /** Of the counters in `whole`, where there are any, of those that have an idle TTL, and of those that are not settled. */
  readonly fixed: ReadonlyMap<number, Fixed>;
  /** The records found under those keys (`keysToFind`); CORRUPT where one fails its checksum, or may be there unfound. */
  readonly answered: ReadonlyMap<string, Uint8Array | typeof CORRUPT>;
  /** Whether there is no room for new request ids; undefined when there is, else when to try again, in ms. */
  readonly requestIdsFullForMs: number | undefined;
}

/** What a batch is decided with, beside what was loaded for it. */
export interface Context extends Pick<AsOf, "now"> {
  /** Undefined where the store keeps no counters that time does anything to: then none is made. */
  readonly calendar: Calendar | undefined;
  /** All there are as of this step; undefined where the store keeps none. */
  readonly policies?: PolicySet | undefined;
  /** Of the store; undefined until its first restore. */
  readonly epoch?: Epoch;
  /** A fresh UUIDv7; the uids of the counters that this batch makes are derived from it. */
  readonly uidSeed: string;
  /** By operation: refusals that the database itself has given to operations which the rule accepts. */
  readonly vetoed?: ReadonlyMap<number, Refusal>;
  /** By call: those that are judged now; the outcomes of the others stay as they were made. All, unless given. */
  readonly only?: ReadonlySet<number> | undefined;
}

/**
 * What to write, all of it in one atomic step. In columns by counter: those of `Loaded.names`, by their indexes there;
 * behind them those that were made under a name whose counter the batch had deleted, or found to have expired, in the
 * order in which they came to be. Written in the order of their indexes, each deletion with its counter, no two have a name at the same time.
 */
export interface Save {
  /** By index: the names. */
  readonly names: readonly string[];
  /** The counters that changed, in the order of their indexes. Those below are among them. */
  readonly changed: readonly number[];
  readonly values: BigInt64Array;
  readonly revisions: Float64Array;
  readonly updateTimes: Float64Array;
  /**
   * Of those that changed: their timing, where it is another than was loaded, or the counter is new; undefined in it where
   * an update has taken it away. Those that are not here keep what they had.
   */
  readonly timings: Pick<ReadonlyMap<number, Timing | undefined>, "size" | "has" | "get">;
  /** What counting leaves as it is, of those that are new, or whose settings, or how they follow a policy, have changed. */
  readonly fixed: ReadonlyMap<number, Fixed>;
  /** Those that are to go, expired ones too, after what else is here of them; true where their history is still given out. */
  readonly deleted: ReadonlyMap<number, boolean>;
  /**
   * Those that an update has made follow a policy of which they cannot have all yet, for their value is beyond a bound. All
   * others may have been settled by it long ago: whoever settles them is to look at these again.
   */
  readonly held: readonly number[];
  readonly changes: ChangeColumns;
  /** The records to keep, by the key of the request id. */
  readonly answers: ReadonlyMap<string, Uint8Array>;
}
