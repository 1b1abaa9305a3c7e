import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import type { CalendarUnit, CalendarWindow } from "../../src/core/window.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";

const HOUR = 3_600_000;
const calendar = () =>
  new ZoneCalendar((message) => {
    throw new Error(message);
  });
const windowOf = (unit: CalendarUnit, timeZone: string, day = 1): CalendarWindow => ({ unit, timeZone, day });
const text = (ms: number) => new Date(ms).toISOString().replace(/:00\.000Z$/, "Z");

/** The window that an instant is in, in UTC. */
function at(instant: string, unit: CalendarUnit, timeZone: string, day = 1): string {
  const { start, end } = calendar().windowAt(windowOf(unit, timeZone, day), Date.parse(instant))!;
  return `${text(start)}/${text(end)}`;
}

/** Whether a window may begin on a local date, by reckoning with dates in UTC. */
function beginsOn(date: string, unit: CalendarUnit, day: number): boolean {
  const utc = new Date(`${date}T00:00Z`);
  const [month, of] = [utc.getUTCMonth(), utc.getUTCDate()];
  const last = new Date(Date.UTC(utc.getUTCFullYear(), month + 1, 0)).getUTCDate();
  if (unit === "week") return utc.getUTCDay() === 1;
  if (unit === "month") return of === Math.min(day, last);
  return of === 1 && (unit === "quarter" ? month % 3 === 0 : month === 0);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The local date as the runtime's own tables have it: the oracle, which knows nothing of Temporal. */
function localDate(ms: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const calendar = { calendar: "iso8601", year: "numeric", month: "2-digit", day: "2-digit" } as const;
    format = new Intl.DateTimeFormat("en-CA", { timeZone, ...calendar });
    formats.set(timeZone, format);
  }
  return format.format(ms);
}

/** Each with something of its own: half hours, quarters, a lost day, midnights that come twice, Ramadan, two hours. */
const ZONES = [
  ...["Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo", "Africa/Casablanca"],
  ...["Antarctica/Troll", "Europe/Berlin", "America/New_York", "America/St_Johns", "Antarctica/Casey"],
];

describe("a day", () => {
  it.each([
    ["Europe/Berlin", "2026-03-29T12:00Z", "2026-03-28T23:00Z/2026-03-29T22:00Z", 23],
    ["Europe/Berlin", "2026-10-25T12:00Z", "2026-10-24T22:00Z/2026-10-25T23:00Z", 25],
    ["America/New_York", "2026-03-08T12:00Z", "2026-03-08T05:00Z/2026-03-09T04:00Z", 23],
    ["America/New_York", "2026-11-01T12:00Z", "2026-11-01T04:00Z/2026-11-02T05:00Z", 25],
    ["Australia/Lord_Howe", "2026-04-05T00:00Z", "2026-04-04T13:00Z/2026-04-05T13:30Z", 24.5],
    ["Australia/Lord_Howe", "2026-10-04T00:00Z", "2026-10-03T13:30Z/2026-10-04T13:00Z", 23.5],
    ["Asia/Kathmandu", "2026-07-01T00:00Z", "2026-06-30T18:15Z/2026-07-01T18:15Z", 24],
    // The thirtieth of December 2011 never was.
    ["Pacific/Apia", "2011-12-30T09:59Z", "2011-12-29T10:00Z/2011-12-30T10:00Z", 24],
    ["Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00Z/2011-12-31T10:00Z", 24],
    // At midnight it is one o'clock at once, and in autumn eleven in the evening once more.
    ["Africa/Cairo", "2026-04-24T09:00Z", "2026-04-23T22:00Z/2026-04-24T21:00Z", 23],
    ["Africa/Cairo", "2026-10-29T21:30Z", "2026-10-28T21:00Z/2026-10-29T22:00Z", 25],
    // Summer time is interrupted for Ramadan.
    ["Africa/Casablanca", "2025-02-23T12:00Z", "2025-02-22T23:00Z/2025-02-24T00:00Z", 25],
    ["Africa/Casablanca", "2025-04-06T12:00Z", "2025-04-06T00:00Z/2025-04-06T23:00Z", 23],
    // By two hours.
    ["Antarctica/Troll", "2026-03-29T12:00Z", "2026-03-29T00:00Z/2026-03-29T22:00Z", 22],
    ["Antarctica/Troll", "2026-10-25T12:00Z", "2026-10-24T22:00Z/2026-10-26T00:00Z", 26],
    // At 00:01 it was 23:01 of the day before again: that minute is still of the day before.
    ["America/St_Johns", "2009-11-01T02:30Z", "2009-10-31T02:30Z/2009-11-01T03:30Z", 25],
    ["America/St_Johns", "2009-11-01T03:29Z", "2009-10-31T02:30Z/2009-11-01T03:30Z", 25],
    ["America/St_Johns", "2009-11-01T03:30Z", "2009-11-01T03:30Z/2009-11-02T03:30Z", 24],
    // At two in the morning it was eleven in the evening again.
    ["Antarctica/Casey", "2010-03-04T13:30Z", "2010-03-03T13:00Z/2010-03-04T16:00Z", 27],
    ["Antarctica/Casey", "2010-03-04T15:30Z", "2010-03-03T13:00Z/2010-03-04T16:00Z", 27],
    ["Antarctica/Casey", "2010-03-04T16:00Z", "2010-03-04T16:00Z/2010-03-05T16:00Z", 24],
  ])("in %s at %s is %s", (timeZone, instant, expected, hours) => {
    expect(at(instant, "day", timeZone)).toBe(expected);
    const { start, end } = calendar().windowAt(windowOf("day", timeZone), Date.parse(instant))!;
    expect((end - start) / HOUR).toBe(hours);
  });

  it.each(ZONES)(
    "in %s ends where the next one begins, and where the date changes for the last time, from 2009 to 2030",
    (timeZone) => {
      const [day, end] = [windowOf("day", timeZone), Date.UTC(2030, 11, 31)];
      const zone = calendar();
      const first = zone.windowAt(day, Date.UTC(2009, 0, 1))!.start;
      const wrong: number[] = []; // An expect() for each would take longer than all that they look at.
      let [now, yesterday, days] = [first, localDate(first - 1, timeZone), 0];
      for (; now < end; days++) {
        const window = zone.windowAt(day, now)!;
        const middle = Math.floor((window.start + window.end) / 2);
        const others = [middle, window.end - 1].map((instant) => calendar().windowAt(day, instant)!);
        const today = localDate(now, timeZone);
        const right =
          window.start === now &&
          others.every((other) => isDeepStrictEqual(other, window)) && // Whoever asks first.
          yesterday < today &&
          localDate(window.end - 1, timeZone) === today;
        if (!right) wrong.push(now);
        [now, yesterday] = [window.end, today];
      }
      expect(wrong.map(text)).toEqual([]);
      expect(localDate(now, timeZone) > yesterday).toBe(true);
      expect(days).toBeGreaterThan(22 * 365);
    },
  );
});

describe("a week, a month, a quarter, a year", () => {
  it.each<[CalendarUnit, number, string, string]>([
    ["week", 1, "2026-12-31T12:00Z", "2026-12-28T00:00Z/2027-01-04T00:00Z"],
    ["week", 1, "2027-01-03T23:59Z", "2026-12-28T00:00Z/2027-01-04T00:00Z"],
    ["week", 1, "2027-01-04T00:00Z", "2027-01-04T00:00Z/2027-01-11T00:00Z"],
    ["month", 1, "2026-02-28T23:59Z", "2026-02-01T00:00Z/2026-03-01T00:00Z"],
    ["month", 1, "2028-02-29T23:59Z", "2028-02-01T00:00Z/2028-03-01T00:00Z"],
    ["month", 31, "2026-01-30T12:00Z", "2025-12-31T00:00Z/2026-01-31T00:00Z"],
    ["month", 31, "2026-02-27T12:00Z", "2026-01-31T00:00Z/2026-02-28T00:00Z"],
    ["month", 31, "2026-03-01T12:00Z", "2026-02-28T00:00Z/2026-03-31T00:00Z"],
    ["month", 31, "2026-04-30T12:00Z", "2026-04-30T00:00Z/2026-05-31T00:00Z"],
    ["month", 30, "2028-02-29T00:00Z", "2028-02-29T00:00Z/2028-03-30T00:00Z"],
    ["month", 29, "2027-02-28T00:00Z", "2027-02-28T00:00Z/2027-03-29T00:00Z"],
    ["month", 29, "2028-02-28T23:59Z", "2028-01-29T00:00Z/2028-02-29T00:00Z"],
    ["month", 29, "2100-02-28T00:00Z", "2100-02-28T00:00Z/2100-03-29T00:00Z"], // No leap year.
    ["year", 1, "2100-06-01T00:00Z", "2100-01-01T00:00Z/2101-01-01T00:00Z"],
    ["week", 1, "2028-02-29T12:00Z", "2028-02-28T00:00Z/2028-03-06T00:00Z"],
    ["quarter", 1, "2026-03-31T23:59Z", "2026-01-01T00:00Z/2026-04-01T00:00Z"],
    ["quarter", 1, "2026-12-31T23:59Z", "2026-10-01T00:00Z/2027-01-01T00:00Z"],
    ["year", 1, "2028-12-31T23:59Z", "2028-01-01T00:00Z/2029-01-01T00:00Z"],
  ])("%s from %i at %s is %s", (unit, day, instant, expected) => {
    expect(at(instant, unit, "UTC", day)).toBe(expected);
  });

  it.each(ZONES)(
    "in %s begin on their day, each where the one before ends, from 2009 to 2030",
    (timeZone) => {
      const [from, until] = [Date.UTC(2009, 0, 1), Date.UTC(2030, 11, 31)];
      const lengths: [CalendarUnit, number, number][] = [
        ["week", 1, 22 * 52],
        ["month", 1, 22 * 12 - 1],
        ["month", 31, 22 * 12 - 1],
        ["quarter", 1, 22 * 4 - 1],
        ["year", 1, 21],
      ];
      for (const [unit, day, atLeast] of lengths) {
        const [window, zone] = [windowOf(unit, timeZone, day), calendar()];
        const wrong: number[] = [];
        let windows = 0;
        for (let now = from; now < until; windows++) {
          const span = zone.windowAt(window, now)!;
          const others = [span.start, span.end - 1].map((instant) => calendar().windowAt(window, instant)!);
          const first = localDate(span.start, timeZone);
          const right =
            (now === from || span.start === now) &&
            others.every((other) => isDeepStrictEqual(other, span)) &&
            beginsOn(first, unit, day) &&
            localDate(span.start - 1, timeZone) < first;
          if (!right) wrong.push(now);
          now = span.end;
        }
        expect(wrong.map(text)).toEqual([]);
        expect(windows).toBeGreaterThanOrEqual(atLeast);
      }
    },
  );

  it("begin in local time", () => {
    expect(at("2026-06-30T22:00Z", "quarter", "Europe/Berlin")).toBe("2026-06-30T22:00Z/2026-09-30T22:00Z");
    expect(at("2026-03-28T12:00Z", "week", "Asia/Kathmandu")).toBe("2026-03-22T18:15Z/2026-03-29T18:15Z");
    expect(at("2026-12-31T12:00Z", "year", "Pacific/Apia")).toBe("2026-12-31T11:00Z/2027-12-31T11:00Z");
  });
});

describe("a time zone that is not known", () => {
  it("has no windows, and is told once", () => {
    const told: string[] = [];
    const zones = new ZoneCalendar((message) => void told.push(message));
    for (const timeZone of ["Mars/Olympus", "Mars/Olympus", "+02:00"]) {
      expect(zones.windowAt(windowOf("day", timeZone), 0)).toBeUndefined();
    }
    expect(told).toEqual([expect.stringContaining("Mars/Olympus"), expect.stringContaining("+02:00")]);
  });

  it("is not told of where somebody asks for it, and still is where it is stored", () => {
    const told: string[] = [];
    const zones = new ZoneCalendar((message) => void told.push(message));
    const at = (asked?: "asked") => zones.windowAt(windowOf("day", "Mars/Olympus"), 0, asked);
    expect([at("asked"), at("asked"), told.length]).toEqual([undefined, undefined, 0]);
    expect([at(), at("asked"), at(), told.length]).toEqual([undefined, undefined, undefined, 1]);
  });
});
