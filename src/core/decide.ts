import { type Counter, etagOf, highest, lowest, settingsEtagOf } from "./counter.ts";
import type { Refusal } from "./errors.ts";
import { type Op, Verb } from "./op.ts";
import { type CountingSettings, DEFAULTS, type Settings } from "./settings.ts";

/**
 * The rule of counting: what one operation makes of one counter's value.
 *
 * Judges in the order that API callers rely on: existence, etag, state, bounds. Shape was checked before, and
 * so were replays. Pure: no clock, no I/O, no randomness.
 *
 * @param counter  the counter, or undefined when there is none of that name
 * @returns        the value the operation leads to (it may equal the old one, and does for updates and deletions),
 *                 or the refusal; a missing counter whose operation is accepted is to be made, with
 *                 `settingsFor(op)`; one whose update is accepted gets what `updated` gives
 */
export function decide(counter: Counter | undefined, op: Op): bigint | Refusal {
  if (op.verb === Verb.CREATE) return counter === undefined ? create(op) : { code: "COUNTER_EXISTS" };
  if (counter === undefined) {
    const makes =
      (op.verb === Verb.INCREMENT || op.verb === Verb.SET) && !op.mustExist && op.etag === undefined;
    return makes ? move(MISSING, op) : { code: "COUNTER_NOT_FOUND" };
  }
  if (op.verb === Verb.UPDATE) return update(counter, op);
  if (op.etag !== undefined) {
    const etag = etagOf(counter.uid, counter.revision);
    if (op.etag !== etag) return { code: "ETAG_MISMATCH", etag };
  }
  return op.verb === Verb.DELETE ? counter.value : move(counter, op);
}

/** Settings after an update: those that it names are as it says, the others as they were. */
export function updated<S extends object>(settings: S, { settings: to, mask }: Op): S {
  if (to === undefined || mask === undefined) {
    throw new TypeError("expected an update to have settings and a mask, got one without");
  }
  return { ...settings, ...Object.fromEntries(mask.map((key) => [key, to[key]])) };
}

/** The settings of the counter that an operation makes. */
export function settingsFor(op: Op): Settings {
  return op.settings ?? DEFAULTS;
}

type Movable = Pick<Counter, "value"> & CountingSettings;

const MISSING: Movable = { ...DEFAULTS, value: DEFAULTS.initial };

function move(counter: Movable, op: Op): bigint | Refusal {
  switch (op.verb) {
    case Verb.INCREMENT:
      return up(counter, op.amount);
    case Verb.DECREMENT:
      return down(counter, op.amount);
    case Verb.SET:
      return to(counter, op.amount);
    case Verb.RESET:
      return to(counter, counter.initial);
    default:
      throw new TypeError(`expected a verb that moves a value, got ${op.verb}`);
  }
}

function up(counter: Movable, amount: bigint): bigint | Refusal {
  const value = counter.value + amount;
  const max = highest(counter);
  if (value <= max) return value;
  return counter.clamp ? max : { code: "ABOVE_MAX", value: counter.value, max, requested: amount };
}

function down(counter: Movable, amount: bigint): bigint | Refusal {
  if (counter.monotonic) return { code: "MONOTONIC", value: counter.value };
  const value = counter.value - amount;
  const min = lowest(counter);
  if (value >= min) return value;
  return counter.clamp ? min : { code: "BELOW_MIN", value: counter.value, min, requested: amount };
}

/** Clamping is for steps only: a target outside the bounds is refused, whatever the counter does at a bound. */
function to(counter: Movable, target: bigint): bigint | Refusal {
  if (counter.monotonic && target < counter.value) {
    return { code: "MONOTONIC", value: counter.value, requested: target };
  }
  return within(counter, target, "value") ?? target;
}

function create(op: Op): bigint | Refusal {
  const settings = settingsFor(op);
  return within(settings, settings.initial, "initial") ?? within(settings, op.amount, "value") ?? op.amount;
}

function update(counter: Counter, op: Op): bigint | Refusal {
  if (op.etag !== undefined) {
    const settingsEtag = settingsEtagOf(counter.uid, counter.settingsRevision);
    if (op.etag !== settingsEtag) return { code: "ETAG_MISMATCH", settingsEtag };
  }
  const after = updated(counter, op);
  return within(after, after.value, "value") ?? within(after, after.initial, "initial") ?? after.value;
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
