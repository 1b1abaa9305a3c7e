import { createRequire } from "node:module";
import type { Temporal } from "temporal-polyfill";
import type { Calendar, CalendarWindow, Span } from "../../core/window.ts";

type TemporalApi = typeof Temporal;
type PlainDate = Temporal.PlainDate;

/** The calendars of the time zones that this process knows. */
export class ZoneCalendar implements Calendar {
  readonly #warn: (message: string) => void;
  /** The last window of each kind that was asked for: reckoning one takes up to 55 microseconds, looking a tenth of one. */
  readonly #last = new Map<string, Span>();
  /** Time zones that are not known here, and whether the operator was told. */
  readonly #unknown = new Map<string, boolean>();

  /** @param warn  told once of each time zone that is not known here, and stored */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  windowAt(window: CalendarWindow, now: number, asked?: "asked"): Span | undefined {
    const { unit, timeZone, day } = window;
    const kind = `${unit}${day}${timeZone}`;
    const last = this.#last.get(kind);
    if (last !== undefined && now >= last.start && now < last.end) return last;
    const today = this.#unknown.has(timeZone) ? undefined : dateAt(now, timeZone);
    if (today === undefined) {
      this.#noteUnknown(timeZone, asked === undefined);
      return undefined;
    }
    const span = spanOf(window, now, today);
    if (!(span.start <= now && now < span.end))
      throw new TypeError(`expected ${now} within its ${kind}, got ${span.start} to ${span.end}`);
    if (this.#last.size >= KINDS_MAX) this.#last.clear();
    this.#last.set(kind, span);
    return span;
  }

  offsetAt(timeZone: string, now: number): number | undefined {
    const zoned = zonedAt(now, timeZone);
    return zoned && zoned.offsetNanoseconds / 1_000_000;
  }

  #noteUnknown(timeZone: string, stored: boolean): void {
    const told = this.#unknown.get(timeZone) === true;
    if (this.#unknown.size >= KINDS_MAX) this.#unknown.clear();
    this.#unknown.set(timeZone, told || stored);
    if (stored && !told)
      this.#warn(
        `The time zone ${timeZone} is not known here: counters that have it keep their windows, and changes after the end of those are refused.`,
      );
  }
}

/** There are some 600 time zones, and 35 kinds of window in each: so many as anybody uses at a time. */
const KINDS_MAX = 1_000;

const require = createRequire(import.meta.url);
let loaded: TemporalApi | undefined;

/** The runtime's own where it has one (Node 26). Loaded when the first window of a calendar comes: it takes some 30 ms. */
function temporal(): TemporalApi {
  loaded ??=
    (globalThis as { Temporal?: TemporalApi }).Temporal ??
    (require("temporal-polyfill") as { Temporal: TemporalApi }).Temporal;
  return loaded;
}

/** The local date; undefined when the time zone is not known. */
function dateAt(now: number, timeZone: string): PlainDate | undefined {
  return zonedAt(now, timeZone)?.toPlainDate();
}

/** Undefined when the time zone is not known. An offset is none: it has no changes to summer time. */
function zonedAt(now: number, timeZone: string): Temporal.ZonedDateTime | undefined {
  if (!/^[A-Za-z]/.test(timeZone)) return undefined;
  const instant = temporal().Instant.fromEpochMilliseconds(now);
  try {
    return instant.toZonedDateTimeISO(timeZone);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function spanOf({ unit, timeZone, day }: CalendarWindow, now: number, today: PlainDate): Span {
  let first = firstDay(unit, day, today);
  let start = lastStartOf(first, timeZone);
  if (start > now) {
    // The date is about to go back once more: it is still the window before.
    first = firstDay(unit, day, first.subtract({ days: 1 }));
    start = lastStartOf(first, timeZone);
  }
  return { start, end: lastStartOf(nextFirst(unit, day, first), timeZone) };
}

/** The first day of the window that a date is in. */
function firstDay(unit: CalendarWindow["unit"], day: number, date: PlainDate): PlainDate {
  switch (unit) {
    case "day":
      return date;
    case "week":
      return date.subtract({ days: date.dayOfWeek - 1 });
    case "month": {
      const first = dayIn(date, day);
      return first.day <= date.day ? first : dayIn(date.with({ day: 1 }).subtract({ months: 1 }), day);
    }
    case "quarter":
      return date.with({ day: 1, month: date.month - ((date.month - 1) % 3) });
    case "year":
      return date.with({ day: 1, month: 1 });
  }
}

/** The first day of the window after the one that begins on a day. */
function nextFirst(unit: CalendarWindow["unit"], day: number, first: PlainDate): PlainDate {
  switch (unit) {
    case "day":
      return first.add({ days: 1 });
    case "week":
      return first.add({ days: 7 });
    case "month":
      return dayIn(first.with({ day: 1 }).add({ months: 1 }), day); // From the day asked for, never from a shorter one.
    case "quarter":
      return first.add({ months: 3 });
    case "year":
      return first.add({ years: 1 });
  }
}

/** The day of a date's month, or its last. */
function dayIn(date: PlainDate, day: number): PlainDate {
  return date.with({ day: Math.min(day, date.daysInMonth) });
}

/**
 * When a local date begins: at midnight, or at what comes first of it. Where clocks were put back over midnight (St.
 * John's until 2010, Casey in 2010) it begins twice, and the last time counts: so windows neither overlap nor leave gaps.
 */
function lastStartOf(date: PlainDate, timeZone: string): number {
  const start = date.toZonedDateTime(timeZone).epochMilliseconds;
  const later = date
    .toPlainDateTime()
    .toZonedDateTime(timeZone, { disambiguation: "later" }).epochMilliseconds;
  if (later === start) return start;
  const before = dateAt(later - 1, timeZone)!;
  return temporal().PlainDate.compare(before, date) < 0 ? later : start;
}
