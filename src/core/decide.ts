import { type Counter, etagOf, highest, lowest, settingsEtagOf } from "./counter.ts";
import type { Epoch } from "./epoch.ts";
import type { Refusal } from "./errors.ts";
import { type Op, settingsFor, Verb } from "./op.ts";
import { isZoneUnknown } from "./present.ts";
import { REFILL_PRODUCT_MAX, reduced } from "./refill.ts";
import {
  type CountingSettings,
  DEFAULTS,
  SETTINGS,
  type SettingKey,
  type Settings,
  TIME_KEYS,
} from "./settings.ts";
import { isTimed, untilLevelMs } from "./timing.ts";
import { type Calendar, isCalendar } from "./window.ts";

/** When it is judged, and by which calendar. */
export interface Judging {
  readonly now: number;
  /** Undefined where the store keeps no counters that time does anything to. */
  readonly calendar: Calendar | undefined;
  /** Of the store; undefined until its first restore. */
  readonly epoch?: Epoch;
}

/**
 * The rule of counting: what one operation makes of one counter's value.
 *
 * Judges in the order that API callers rely on: existence, etag, state, bounds. Shape was checked before, and
 * so were replays. Pure: no clock, no I/O, no randomness.
 *
 * @param counter  as of now (see present), or undefined when there is none of that name
 * @returns        the value the operation leads to (it may equal the old one, and does for updates and deletions),
 *                 or the refusal; a missing counter whose operation is accepted is to be made, with
 *                 `made`; one whose update is accepted gets what `updated` gives
 * @param made     the settings of a counter that the operation would make
 */
export function decide(
  counter: Counter | undefined,
  op: Op,
  judging: Judging,
  made: Settings = settingsFor(op),
): bigint | Refusal {
  if (op.verb === Verb.CREATE)
    return counter === undefined ? create(op, judging) : { code: "COUNTER_EXISTS" };
  if (op.verb === Verb.TAKE || op.verb === Verb.GIVE_BACK) return ofLimit(counter, op, judging, made);
  if (counter === undefined) {
    const counts = op.verb === Verb.INCREMENT || op.verb === Verb.SET;
    const makes = counts && !op.mustExist && op.mayCreate !== false && op.etag === undefined;
    return makes ? make(made, op, judging) : { code: "COUNTER_NOT_FOUND" };
  }
  if (op.uid !== undefined && op.uid !== counter.uid) return { code: "COUNTER_NOT_FOUND" };
  if (op.verb === Verb.UPDATE) return update(counter, op, judging);
  if (op.etag !== undefined) {
    const etag = etagOf(counter.uid, counter.revision, judging.epoch);
    if (op.etag !== etag) return { code: "ETAG_MISMATCH", etag };
  }
  if (op.verb === Verb.DELETE) return counter.value;
  return counter.timing === undefined
    ? move(counter, op, judging)
    : (zoneUnknown(counter, judging) ?? move(counter, op, judging));
}

/** True for what `decide` gives when it refuses. */
export function isRefusal(decided: Refusal | bigint): decided is Refusal {
  return typeof decided === "object";
}

/**
 * A limit is a counter that has a maximum: what has none would be endless, a name that was misspelt above all. A take makes
 * one, if there is something that says which.
 */
function ofLimit(counter: Counter | undefined, op: Op, judging: Judging, made: Settings): bigint | Refusal {
  if (counter === undefined && op.verb === Verb.TAKE && made.max !== undefined) {
    if (op.mayCreate === false) return unmadeLimit(op);
    return (
      inTheWay(made, op, judging) ??
      take({ ...made, value: made.initial, updateTime: 0, timing: undefined }, op.amount, judging.now)
    );
  }
  if (counter === undefined && op.settings !== undefined)
    return { code: "LIMIT_NOT_FOUND", expected: `${IF_MISSING} must have a max to make one` };
  if (counter?.max === undefined) return { code: "LIMIT_NOT_FOUND" };
  const unknown = counter.timing === undefined ? undefined : zoneUnknown(counter, judging);
  if (unknown !== undefined) return unknown;
  return op.verb === Verb.TAKE ? take(counter, op.amount, judging.now) : giveBack(counter, op);
}

/**
 * Why a take is refused whose limit the caller may not make. One that need not find a limit is not let pass for having none:
 * a policy, or what it brings, says that there is to be one.
 */
function unmadeLimit({ mustExist }: Op): Refusal {
  return { code: mustExist ? "LIMIT_NOT_FOUND" : "COUNTER_NOT_FOUND" };
}

/** Settings after an update: those that it names are as it says, the others as they were. */
export function updated<S extends object>(settings: S, { settings: to, mask }: Op): S {
  if (to === undefined || mask === undefined) {
    throw new TypeError("expected an update to have settings and a mask, got one without");
  }
  return { ...settings, ...Object.fromEntries(mask.map((key) => [key, to[key]])) };
}

type Movable = Pick<Counter, "value" | "updateTime" | "timing"> & CountingSettings;

const MISSING: Movable = { ...DEFAULTS, value: DEFAULTS.initial, updateTime: 0, timing: undefined };

/** What an operation makes that finds no counter: its first step is from the initial value. */
function make(made: Settings, op: Op, judging: Judging): bigint | Refusal {
  if (made === DEFAULTS) return move(MISSING, op, judging);
  return (
    inTheWay(made, op, judging) ??
    move({ ...made, value: made.initial, updateTime: 0, timing: undefined }, op, judging)
  );
}

/** What is in the way of the counter that an operation makes beside its own business; of its own settings, by their path. */
function inTheWay(made: Settings, op: Op, judging: Judging): Refusal | undefined {
  const refusal = unmakeable(made, judging, op.settings === undefined);
  if (refusal?.field === undefined || op.settings === undefined) return refusal;
  return { ...refusal, field: `${IF_MISSING}.${refusal.field}` };
}

/** What the API calls the settings that such an operation brings. */
const IF_MISSING = "if_missing";

/** What is in the way of a counter with these settings. @param byPolicy  the caller did not give them */
function unmakeable(settings: Settings, judging: Judging, byPolicy: boolean): Refusal | undefined {
  const refusal = isTimed(settings) ? untimely(settings, TIME_KEYS, judging, byPolicy) : undefined;
  if (refusal?.field === ZONE_FIELD && byPolicy) {
    const { window } = settings;
    return { code: "ZONE_UNKNOWN", ...(window && isCalendar(window) && { zone: window.timeZone }) };
  }
  return refusal ?? within(settings, settings.initial, "initial");
}

function move(counter: Movable, op: Op, { now }: Judging): bigint | Refusal {
  switch (op.verb) {
    case Verb.INCREMENT:
      return up(counter, op.amount, now);
    case Verb.DECREMENT:
      return down(counter, op.amount, now);
    case Verb.SET:
      return to(counter, op.amount);
    case Verb.RESET:
      return to(counter, counter.initial);
    default:
      throw new TypeError(`expected a verb that moves a value, got ${op.verb}`);
  }
}

function up(counter: Movable, amount: bigint, now: number): bigint | Refusal {
  const value = counter.value + amount;
  const max = highest(counter);
  return value <= max ? value : counter.clamp ? max : aboveMax(counter, amount, now);
}

function aboveMax(counter: Movable, amount: bigint, now: number): Refusal {
  const max = highest(counter);
  const why = { code: "ABOVE_MAX", value: counter.value, max, requested: amount } as const;
  return roomLater(counter, why, max - amount, now);
}

/** All of it or nothing: clamping would give a part. 0n asks for 1. */
function take(counter: Movable, amount: bigint, now: number): bigint | Refusal {
  const whole = amount || 1n;
  if (counter.value + whole > highest(counter)) return aboveMax(counter, whole, now);
  return counter.value + amount;
}

/** Toward initial and never past it, for more was not taken; and nothing of a window that is over. */
function giveBack(counter: Counter, { amount, windowStart }: Op): bigint | Refusal {
  const { initial, monotonic, timing, value } = counter;
  if (monotonic) return { code: "MONOTONIC", value };
  if (value <= initial || (windowStart !== undefined && windowStart !== timing?.windowStart)) return value;
  return value - amount < initial ? initial : value - amount;
}

function down(counter: Movable, amount: bigint, now: number): bigint | Refusal {
  if (counter.monotonic) return { code: "MONOTONIC", value: counter.value };
  const value = counter.value - amount;
  const min = lowest(counter);
  if (value >= min) return value;
  if (counter.clamp) return min;
  const why = { code: "BELOW_MIN", value: counter.value, min, requested: amount } as const;
  return roomLater(counter, why, min + amount, now);
}

/** A refusal at a bound; and when there will be room, if time makes some. @param level  where the value would have to be */
function roomLater(counter: Movable, refusal: Refusal, level: bigint, now: number): Refusal {
  const retryAfterMs = counter.timing === undefined ? undefined : untilLevelMs(counter, level, now);
  return retryAfterMs === undefined ? refusal : { ...refusal, retryAfterMs };
}

/** Nobody can tell which window it is in, so nothing can be counted in one. */
function zoneUnknown(counter: Counter, { now }: Judging): Refusal | undefined {
  if (!isZoneUnknown(counter, now)) return undefined;
  const { window } = counter;
  return {
    code: "ZONE_UNKNOWN",
    ...(window !== undefined && isCalendar(window) && { zone: window.timeZone }),
  };
}

/** Clamping is for steps only: a target outside the bounds is refused, whatever the counter does at a bound. */
function to(counter: Movable, target: bigint): bigint | Refusal {
  if (counter.monotonic && target < counter.value) {
    return { code: "MONOTONIC", value: counter.value, requested: target };
  }
  return within(counter, target, "value") ?? target;
}

function create(op: Op, judging: Judging): bigint | Refusal {
  const settings = settingsFor(op);
  return unmakeable(settings, judging, false) ?? within(settings, op.amount, "value") ?? op.amount;
}

function update(counter: Counter, op: Op, judging: Judging): bigint | Refusal {
  if (op.etag !== undefined) {
    const settingsEtag = settingsEtagOf(counter.uid, counter.settingsRevision, judging.epoch);
    if (op.etag !== settingsEtag) return { code: "ETAG_MISMATCH", settingsEtag };
  }
  const mask = op.mask ?? [];
  const zone = mask.includes("window") ? undefined : zoneUnknown(counter, judging);
  if (zone !== undefined) return zone;
  const after = updated(counter, op);
  const refusal = isTimed(after) ? untimely(after, mask, judging) : undefined;
  return (
    refusal ?? within(after, after.value, "value") ?? within(after, after.initial, "initial") ?? after.value
  );
}

/**
 * What is in the way of settings by which time changes a counter.
 *
 * @param given   those that are set now
 * @param stored  whether they are a policy's, and nobody's who calls
 */
function untimely(
  settings: CountingSettings,
  given: readonly SettingKey[],
  judging: Judging,
  stored = false,
): Refusal | undefined {
  const { window, refill } = settings;
  const { now, calendar } = judging;
  if (calendar === undefined) {
    const { field } = SETTINGS[TIME_KEYS.find((key) => settings[key] !== undefined)!];
    return {
      code: "INVALID_FIELD",
      field,
      expected: "must be left out, for this store keeps no such setting",
    };
  }
  const conflict = refill === undefined ? undefined : refillConflict(settings);
  if (conflict !== undefined)
    return { code: "SETTINGS_CONFLICT", field: SETTINGS.refill.field, expected: conflict };
  if (window === undefined || !isCalendar(window) || !given.includes("window")) return undefined;
  if (calendar.windowAt(window, now, stored ? undefined : "asked") !== undefined) return undefined;
  const expected = "must be a time zone that this server knows";
  return { code: "INVALID_FIELD", field: ZONE_FIELD, expected, got: `"${window.timeZone}"` };
}

const ZONE_FIELD = "window.time_zone";

/** Why a refill does not go with the other settings. */
export function refillConflict({
  refill,
  window,
  monotonic,
  min,
  max,
}: CountingSettings): string | undefined {
  if (window !== undefined) return "does not go with window";
  if (monotonic) return "does not go with monotonic";
  if (min === undefined || max === undefined) return "needs min and max";
  if (refill!.amount > max - min) return "must have an amount of at most max - min";
  const { every } = reduced(refill!);
  if ((max - min) * every > REFILL_PRODUCT_MAX)
    return "must have an every that, in milliseconds and lowest terms, times max - min is at most 2^62";
  return undefined;
}

function within(bounds: Pick<Counter, "min" | "max">, value: bigint, field: string): Refusal | undefined {
  if (value >= lowest(bounds) && value <= highest(bounds)) return undefined;
  return {
    code: "VALUE_OUTSIDE_BOUNDS",
    field,
    requested: value,
    ...(bounds.min !== undefined && { min: bounds.min }),
    ...(bounds.max !== undefined && { max: bounds.max }),
  };
}
