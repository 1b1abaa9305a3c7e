/** Stretches of time that follow each other, at whose ends a counter is back at its initial value. */
export type Window = EveryWindow | CalendarWindow;

/** Windows that are all as long. */
export interface EveryWindow {
  /** Milliseconds: whole seconds, 1 s to 366 days. */
  readonly everyMs: number;
  /** An instant at which one begins, in milliseconds since the Unix epoch: of the years 1 to 9999. */
  readonly anchorMs: number;
}

/** Windows of the calendar of a time zone. */
export interface CalendarWindow {
  readonly unit: CalendarUnit;
  /** The IANA name of the zone, as it was given. */
  readonly timeZone: string;
  /** Of a month: the day on which it begins, 1 to 31, or its last where it is shorter. 1 of the others. */
  readonly day: number;
}

export const CALENDAR_UNITS = ["day", "week", "month", "quarter", "year"] as const;
/** A week begins on Monday. */
export type CalendarUnit = (typeof CALENDAR_UNITS)[number];

/** From `start` up to, and without, `end`: milliseconds since the Unix epoch. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where windows of the calendar come from. Handed in: the core knows no zones. */
export interface Calendar {
  /**
   * The window that an instant is in: start <= now < end, always.
   *
   * @param asked  a caller asks for it, and is told himself of a time zone that is not known; else it is a stored one
   * @returns      undefined when the time zone is not known here
   */
  windowAt(window: CalendarWindow, now: number, asked?: "asked"): Span | undefined;

  /**
   * How far the clocks of a time zone are ahead of UTC at an instant, in milliseconds.
   *
   * @returns  undefined when the time zone is not known here
   */
  offsetAt(timeZone: string, now: number): number | undefined;
}

/** The window that an instant is in; undefined when its time zone is not known here. */
export function spanAt(window: Window, now: number, calendar: Calendar): Span | undefined {
  if (isCalendar(window)) return calendar.windowAt(window, now);
  const { everyMs, anchorMs } = window;
  const past = (now - anchorMs) % everyMs; // Exact: both lie within 2^53.
  const start = now - (past < 0 ? past + everyMs : past);
  return { start, end: start + everyMs };
}

/** Whether its windows are those of a calendar. */
export function isCalendar(window: Window): window is CalendarWindow {
  return "unit" in window;
}

/** A window as a text that no other has: "every 86400000 0", "month Europe/Berlin 31". */
export function windowToText(window: Window): string {
  return isCalendar(window)
    ? `${window.unit} ${window.timeZone} ${window.day}`
    : `every ${window.everyMs} ${window.anchorMs}`;
}

/** The window of such a text; undefined when it is none. */
export function windowFromText(text: string): Window | undefined {
  const [, everyMs, anchorMs] = EVERY.exec(text) ?? [];
  if (everyMs !== undefined) return { everyMs: Number(everyMs), anchorMs: Number(anchorMs) };
  const [, unit, timeZone, day] = CALENDAR.exec(text) ?? [];
  return unit === undefined
    ? undefined
    : { unit: unit as CalendarUnit, timeZone: timeZone!, day: Number(day) };
}

const EVERY = /^every ([1-9]\d{3,10}) (-?\d{1,15})$/;
const CALENDAR = new RegExp(`^(${CALENDAR_UNITS.join("|")}) ([A-Za-z][A-Za-z0-9_+/-]{0,63}) ([1-9]\\d?)$`);
