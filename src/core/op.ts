import type { Policy } from "./policy.ts";
import { DEFAULTS, type SettingKey, type Settings } from "./settings.ts";

/** What can be done to one counter. Numbers, because a batch carries them in a column. */
export const Verb = {
  INCREMENT: 0,
  DECREMENT: 1,
  SET: 2,
  RESET: 3,
  CREATE: 4,
  UPDATE: 5,
  DELETE: 6,
  /** An increment of a counter that has a maximum, all of it or nothing, whatever the counter does at its bounds. */
  TAKE: 7,
  /** A decrement toward initial, never past it. */
  GIVE_BACK: 8,
} as const;
export type Verb = (typeof Verb)[keyof typeof Verb];

/** One operation on one counter, its shape already checked. */
export interface Op extends OpExtras {
  readonly verb: Verb;
  readonly name: string;
  /**
   * Increment, decrement and give back: how much, 1 to 2^63-1; take the same, and 0n asks whether there is room for 1.
   * Set: the value. Create: the value to start from. The others: 0n, not used.
   */
  readonly amount: bigint;
  /** A missing counter is refused instead of made. Take: likewise a counter that is no limit; else there is none then. */
  readonly mustExist: boolean;
  /**
   * False where the caller has no permission to make a counter: then a missing one is refused as if it had to be there.
   * It belongs to the caller and not to what is asked, so neither the digest of a batch nor the record of an answer has
   * it: a grant that changed between a call and its retry does not make another call of it.
   */
  readonly mayCreate?: false | undefined;
}

/** What few operations have. */
export interface OpExtras {
  /** Apply only to the counter at this etag; for an update, its settings_etag. */
  readonly etag?: string | undefined;
  /**
   * Reset and delete: apply only to the counter of this uid, whatever its value has become; to any other it is as if there
   * were none. The record under a request id has nothing of it, so such an operation has none.
   */
  readonly uid?: string | undefined;
  /** Why, for the change log. */
  readonly note?: string | undefined;
  /**
   * Create: what the counter is to be. Update: what those settings are to be that `mask` names; the others default.
   * Increment, set and take: what the counter is to be, if it is missing; without them a policy says it, or the defaults.
   */
  readonly settings?: Settings | undefined;
  /** Update, always: the settings to change, one at least, unless it follows. */
  readonly mask?: readonly SettingKey[] | undefined;
  /** Update: the counter is to follow the policy that holds for it; the mask then names none that it would have of it. */
  readonly follow?: true | undefined;
  /** Delete, always: whether what the change log has of the counter is still given out. */
  readonly keepHistory?: boolean | undefined;
  /** Give back: when the window began that it was taken in; of any other nothing is given back. */
  readonly windowStart?: number | undefined;
}

/** The settings of the counter that an operation makes: its own, or those of the policy that holds for it. */
export function settingsFor({ settings }: Pick<Op, "settings">, policy?: Pick<Policy, "settings">): Settings {
  return settings ?? policy?.settings ?? DEFAULTS;
}
