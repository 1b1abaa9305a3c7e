import { type Counter, type Mutable, putCountingSettings, type Timing } from "./counter.ts";
import { comeIn } from "./refill.ts";
import { dueOf, expireTimeOf, fullRefillMs, refillAt } from "./timing.ts";
import { type Calendar, spanAt } from "./window.ts";

/** What a counter is seen as of. */
export interface AsOf {
  /** Milliseconds since the Unix epoch, by the store's clock; one for all that is seen in one batch, or on one page. */
  readonly now: number;
  /** True: counters as they are stored, whatever time it is. For copies, whose change log has not gone on either. */
  readonly asStored?: boolean | undefined;
}

/**
 * A counter as of now: the only place that knows what time does to one. Every read presents, and every operation presents
 * first and is then judged; nothing has to run at a boundary for an answer to be right.
 *
 * Presenting what was presented earlier gives the same as presenting what is stored, so that it does not matter who
 * looked, or wrote down, and when; but for a clock that was ahead by more than a window or a full refill, which is mended.
 * It never refuses, and never leaves the bounds. SQL that reckons with values reckons the same (see Timing).
 *
 * @param counter   as it is stored
 * @param calendar  undefined where no counter has a window, which is where a store keeps none
 * @param into      another counter that may be filled in and returned, for who looks at many and keeps none; then the one
 *                  that is given is nothing more than a Counter
 * @returns         the same object where time has done nothing; undefined when by now there is no counter any more
 */
export function present<Of extends Counter>(
  counter: Of,
  asOf: AsOf,
  calendar: Calendar | undefined,
  into?: Mutable<Counter>,
): Of | undefined {
  if (counter.timing === undefined || asOf.asStored === true) return counter;
  const { now } = asOf;
  const expires = expireTimeOf(counter);
  if (expires !== undefined && now >= expires) return undefined;
  if (counter.timing.windowEnd !== undefined) return inWindow(counter, counter.timing, now, calendar!);
  return counter.refill === undefined ? counter : refilled(counter, counter.timing, now, into);
}

/**
 * Where a counter is in time that a clock has left which was ahead by more than a window or a full refill: as of now, for to
 * wait until that time comes would freeze a quota for as long. The value stays. Whoever may write writes this down, also
 * where the operation is refused: else it would be as of each look anew, and a quota that is used up would stay so.
 *
 * @returns  undefined where no clock was
 */
export function broughtBack(
  counter: Counter,
  now: number,
  calendar: Calendar | undefined,
): Timing | undefined {
  const { timing, window, refill } = counter;
  if (timing === undefined) return undefined;
  const { windowStart, windowEnd, refillTime } = timing;
  if (windowEnd !== undefined) {
    const span = windowStart! - now <= windowEnd - windowStart! ? undefined : spanAt(window!, now, calendar!);
    return span && { ...timing, windowStart: span.start, windowEnd: span.end, due: dueOf(counter, span.end) };
  }
  if (refill === undefined || refillTime === undefined || now >= refillTime) return undefined;
  return refillTime - now <= fullRefillMs(counter) ? undefined : { ...timing, refillTime: now };
}

function withTiming<Of extends Counter>(counter: Of, timing: Timing | undefined): Of {
  return timing === undefined ? counter : { ...counter, timing };
}

/** Those of some counters that there are as of now, and as they are. */
export function presentAll<Of extends Counter>(
  counters: Iterable<Of>,
  asOf: AsOf,
  calendar: Calendar | undefined,
): Of[] {
  const presented: Of[] = [];
  for (const each of counters) {
    const counter = present(each, asOf, calendar);
    if (counter !== undefined) presented.push(counter);
  }
  return presented;
}

/** Whether the window of a counter, as of now, has ended and its time zone is not known here. */
export function isZoneUnknown({ timing }: Pick<Counter, "timing">, now: number): boolean {
  return timing?.windowEnd !== undefined && now >= timing.windowEnd;
}

/** A window only rolls forward; what zone data newer than the stored end say holds from there on. */
function inWindow<Of extends Counter>(counter: Of, timing: Timing, now: number, calendar: Calendar): Of {
  const end = timing.windowEnd!;
  if (now < end) return withTiming(counter, broughtBack(counter, now, calendar));
  const span = spanAt(counter.window!, now, calendar);
  if (span === undefined) return counter;
  const { initial } = counter;
  const rolled = {
    ...counter,
    value: initial,
    revision: counter.revision + (counter.value === initial ? 0 : 1),
  };
  const windowStart = Math.max(span.start, end);
  return { ...rolled, timing: { ...timing, windowStart, windowEnd: span.end, due: dueOf(rolled, span.end) } };
}

/** In whole numbers: what is less than a unit stays in the carry. */
function refilled<Of extends Counter>(
  counter: Of,
  timing: Timing,
  now: number,
  into: Mutable<Counter> | undefined,
): Of {
  const { value, initial } = counter;
  const { refillTime, refillCarry } = timing;
  if (refillTime === undefined || now === refillTime) return counter;
  if (now < refillTime) return withTiming(counter, broughtBack(counter, now, undefined));
  const above = value > initial;
  const far = above ? value - initial : initial - value;
  const come = comeIn(counter.refill!, now - refillTime, refillCarry, far);
  const full = come === undefined;
  const seen: Mutable<Counter> = into === undefined ? { ...counter } : copied(counter, into);
  seen.value = full ? initial : above ? value - come.units : value + come.units;
  seen.timing = refillAt(timing, full ? undefined : now, full ? 0n : come.carry, timing.due);
  return seen as Of;
}

function copied(counter: Counter, into: Mutable<Counter>): Mutable<Counter> {
  putCountingSettings(into, counter);
  into.uid = counter.uid;
  into.revision = counter.revision;
  into.updateTime = counter.updateTime;
  into.settingsRevision = counter.settingsRevision;
  into.policy = counter.policy;
  return into;
}
