/** How the time of a history is cut into points. */
import { BUCKET_MS, LEVELS, Level } from "./levels.ts";
import { type Calendar, type CalendarUnit, type Span, spanAt } from "./window.ts";

/** How time is cut into the points of a history. */
export type Step = LengthStep | UnitStep;

/** Steps of one length. One that divides a day is cut by the clocks of a zone, any other from the Unix epoch. */
export interface LengthStep {
  /** Milliseconds: whole minutes, 1 minute to 366 days. */
  readonly everyMs: number;
  readonly timeZone: string;
}

/** Steps of the calendar of a zone. */
export interface UnitStep {
  readonly unit: CalendarUnit;
  readonly timeZone: string;
}

/**
 * Cuts time into steps that follow each other without a gap and without an overlap.
 *
 * Of a length that divides a day, a step begins when the clocks of the zone come to a whole multiple of it, or pass one by
 * as they are put forward. So hours are local hours, also of Kathmandu, and six hours are from midnight to six; where the
 * clocks change a step is shorter or longer. Put back by a whole step or more, they have it come twice; by less, it is
 * longer, also where they show its beginning once more.
 */
export class StepCutter {
  readonly #step: Step;
  readonly #calendar: Calendar;
  #day: LocalDay | undefined;

  constructor(step: Step, calendar: Calendar) {
    this.#step = step;
    this.#calendar = calendar;
  }

  /** The step that an instant is in: start <= now < end, always. Undefined when the time zone is not known here. */
  at(now: number): Span | undefined {
    const { timeZone } = this.#step;
    if ("unit" in this.#step)
      return this.#calendar.windowAt({ unit: this.#step.unit, timeZone, day: 1 }, now);
    const { everyMs } = this.#step;
    if (everyMs === DAY_MS) return this.#calendar.windowAt({ unit: "day", timeZone, day: 1 }, now);
    const day = this.#dayAt(now);
    if (day === undefined) return undefined;
    if (DAY_MS % everyMs !== 0) return spanAt({ everyMs, anchorMs: 0 }, now, this.#calendar);
    const { start, end } = inDay(day, everyMs, now);
    return { start: Math.max(start, day.start), end: Math.min(end, day.end) };
  }

  #dayAt(now: number): LocalDay | undefined {
    if (this.#day === undefined || now < this.#day.start || now >= this.#day.end)
      this.#day = localDayAt(now, this.#step.timeZone, this.#calendar);
    return this.#day;
  }
}

/** A day of a zone, and when its clocks are changed within it: `changed` is its end where they are not. */
interface LocalDay extends Span {
  readonly changed: number;
  /** What the clocks are ahead of UTC before and after, in milliseconds. */
  readonly before: number;
  readonly after: number;
}

/** Clocks are changed at most once a day: no zone has done otherwise since 1995. */
function localDayAt(now: number, timeZone: string, calendar: Calendar): LocalDay | undefined {
  const span = calendar.windowAt({ unit: "day", timeZone, day: 1 }, now);
  if (span === undefined) return undefined;
  const { start, end } = span;
  const offsetAt = (instant: number) => calendar.offsetAt(timeZone, instant)!;
  const [before, after] = [offsetAt(start), offsetAt(end - 1)];
  if (before === after) return { start, end, changed: end, before, after };
  let [low, high] = [start, end - 1]; // With the offset of before, with that of after.
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle) === before) low = middle;
    else high = middle;
  }
  return { start, end, changed: high, before, after };
}

/** The step of a day that an instant is in, as far as its clocks say; it may reach out of the day. */
function inDay({ changed, before, after }: LocalDay, everyMs: number, now: number): Span {
  const multiple = (instant: number, offset: number) => Math.floor((instant + offset) / everyMs);
  const first = (nth: number, offset: number) => nth * everyMs - offset;
  const [last, next] = [multiple(changed - 1, before), multiple(changed, after)];
  const begins = last !== next || before - after >= everyMs; // Whether a step begins when they are changed.
  if (now < changed) {
    const nth = multiple(now, before);
    const end = first(nth + 1, before);
    return {
      start: first(nth, before),
      end: end < changed ? end : begins ? changed : first(next + 1, after),
    };
  }
  const nth = multiple(now, after);
  const start = first(nth, after);
  return {
    start: start > changed ? start : begins ? changed : first(last, before),
    end: first(nth + 1, after),
  };
}

/**
 * All steps from the one that `start` is in to the one that the last instant before `end` is in, one after another: a step
 * of the calendar takes up to 55 microseconds, so whoever wants thousands takes them in slices.
 *
 * @param step  of a time zone that is known here
 */
export function* stepsOf(
  step: Step,
  start: number,
  end: number,
  calendar: Calendar,
): Generator<Span, void, void> {
  const cutter = new StepCutter(step, calendar);
  for (let at = start; at < end; ) {
    const span = cutter.at(at)!;
    yield span;
    at = span.end;
  }
}

/** Of which stored buckets points between these edges are made: the longest that lie between two of them. */
export function levelOf(edges: Float64Array): Level {
  return LEVELS.findLast((level) => edges.every((edge) => edge % BUCKET_MS[level] === 0)) ?? Level.MINUTE;
}

const DAY_MS = BUCKET_MS[Level.DAY];
