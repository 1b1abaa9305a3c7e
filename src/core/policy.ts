import type { Settings } from "./settings.ts";
import { fullRefillMs } from "./timing.ts";
import { isCalendar } from "./window.ts";

/** What a limit does when it is reached: refuses, or says so and lets it pass. */
export const ENFORCEMENTS = ["enforce", "shadow"] as const;
export type Enforcement = (typeof ENFORCEMENTS)[number];

/** The settings of the counters whose names begin with a prefix, and that follow it. */
export interface Policy {
  /** What the names begin with; "" for all. The longest prefix wins, whole. */
  readonly prefix: string;
  readonly settings: Settings;
  /** Of takes from limits only. */
  readonly enforcement: Enforcement;
  /** Of the catalogue, when it was set: larger than that of every policy that was set before. */
  readonly revision: number;
  /** When it was set, by the store's clock; undefined of one that an older version set, which did not say. */
  readonly setTime?: number | undefined;
}

/** What was said of a prefix at a time: a policy, or (a tombstone) that it has none any more. */
export type PolicyVersion = Policy | Tombstone;

/** That a policy was taken away. */
interface Tombstone extends Pick<Policy, "prefix" | "revision" | "setTime"> {
  readonly settings: undefined;
}

/**
 * How long a counter is kept whose policy says nothing of it, in milliseconds: a quota that is back at initial equals one
 * that was never made, and names that strangers choose must not fill the disk. Undefined: for ever.
 */
export function defaultIdleTtlMs(settings: Settings): bigint | undefined {
  const { window, refill, min, max } = settings;
  if (window === undefined && (refill === undefined || min === undefined || max === undefined))
    return undefined;
  const span =
    window === undefined
      ? fullRefillMs(settings)
      : isCalendar(window)
        ? DAYS_AT_MOST[window.unit] * DAY_MS
        : window.everyMs;
  return BigInt(Math.min(IDLE_TTL_MAX_MS, Math.max(DAY_MS, 2 * span)));
}

const DAY_MS = 86_400_000;
/** As the .proto files have it. */
const IDLE_TTL_MAX_MS = 3_650 * DAY_MS;
/** The longest of each unit, but for the hour that some days have more. */
const DAYS_AT_MOST = { day: 1, week: 7, month: 31, quarter: 92, year: 366 } as const;
