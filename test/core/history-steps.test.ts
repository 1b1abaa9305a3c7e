import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { type Step, StepCutter, stepsOf } from "../../src/core/history-steps.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const calendar = new ZoneCalendar((message) => {
  throw new Error(message);
});
/** Where the steps of a stretch of time begin, and where the last one ends. */
function edgesOf(step: Step, start: number, end: number): number[] {
  const spans = [...stepsOf(step, start, end, calendar)];
  return [...spans.map((span) => span.start), spans.at(-1)!.end];
}

const hours = (n: number, timeZone: string): Step => ({ everyMs: n * HOUR, timeZone });

/** The clocks of a zone as the runtime's own tables have them: the oracle, which knows nothing of Temporal. */
function clock(ms: number, timeZone: string): string {
  const parts = {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  } as const;
  return new Intl.DateTimeFormat("sv-SE", { timeZone, ...parts }).format(ms);
}

/** The steps of a stretch of time: what the clocks show as each begins, and how many minutes it lasts. */
function shown(step: Step, start: string, end: string): string[] {
  const edges = edgesOf(step, Date.parse(start), Date.parse(end));
  return [...edges.slice(0, -1)].map(
    (edge, i) => `${clock(edge, step.timeZone).slice(11)} ${(edges[i + 1]! - edge) / MINUTE}`,
  );
}

it("a step is not begun again by clocks that are put back by less than it, though they show its beginning once more", () => {
  const [start, end] = ["2026-10-24T22:00Z", "2026-10-25T05:00Z"];
  expect(shown(hours(2, "Europe/Berlin"), start, end)).toEqual(["00:00 120", "02:00 180", "04:00 120"]);
  expect(shown(hours(6, "Europe/Berlin"), start, end)).toEqual(["00:00 420"]);
  expect(shown(hours(1, "Europe/Berlin"), start, end).slice(1, 5)).toEqual([
    ...["01:00 60", "02:00 60", "02:00 60", "03:00 60"],
  ]);
});

it.each([
  ["Europe/Berlin", 2, "2026-10-25T00:00Z", "2026-10-25T03:00Z"],
  ["America/Havana", 2, "2026-11-01T04:00Z", "2026-11-01T07:00Z"],
  ["America/Havana", 24 / 5, "2026-11-01T04:00Z", "2026-11-01T09:48Z"],
])("such a step is one, whoever asks for which of its instants: %s, %d hours", (timeZone, n, start, end) => {
  const span = { start: Date.parse(start), end: Date.parse(end) };
  for (let at = span.start; at < span.end; at += 6 * MINUTE)
    expect(new StepCutter(hours(n, timeZone), calendar).at(at)).toEqual(span);
});

describe("local hours where clocks change", () => {
  it.each([
    [
      "Europe/Berlin",
      "2026-03-28T23:00Z",
      "2026-03-29T03:00Z",
      ["00:00 60", "01:00 60", "03:00 60", "04:00 60"],
    ],
    ["Europe/Berlin", "2026-10-24T23:30Z", "2026-10-25T02:00Z", ["01:00 60", "02:00 60", "02:00 60"]],
    [
      "America/New_York",
      "2026-11-01T04:00Z",
      "2026-11-01T08:00Z",
      ["00:00 60", "01:00 60", "01:00 60", "02:00 60"],
    ],
    // By half an hour.
    ["Australia/Lord_Howe", "2026-10-03T14:30Z", "2026-10-03T17:00Z", ["01:00 60", "02:30 30", "03:00 60"]],
    ["Australia/Lord_Howe", "2026-04-04T13:00Z", "2026-04-04T16:30Z", ["00:00 60", "01:00 90", "02:00 60"]],
    // A quarter to.
    ["Asia/Kathmandu", "2026-07-01T00:00Z", "2026-07-01T02:00Z", ["05:00 60", "06:00 60", "07:00 60"]],
    // Midnight is skipped, and in autumn eleven in the evening comes twice.
    [
      "Africa/Cairo",
      "2026-04-23T20:00Z",
      "2026-04-24T00:00Z",
      ["22:00 60", "23:00 60", "01:00 60", "02:00 60"],
    ],
    [
      "Africa/Cairo",
      "2026-10-29T19:00Z",
      "2026-10-29T23:00Z",
      ["22:00 60", "23:00 60", "23:00 60", "00:00 60"],
    ],
    // Summer time is interrupted for Ramadan.
    [
      "Africa/Casablanca",
      "2025-02-23T00:00Z",
      "2025-02-23T04:00Z",
      ["01:00 60", "02:00 60", "02:00 60", "03:00 60"],
    ],
    [
      "Africa/Casablanca",
      "2025-04-06T00:00Z",
      "2025-04-06T04:00Z",
      ["00:00 60", "01:00 60", "03:00 60", "04:00 60"],
    ],
    // By two hours.
    ["Antarctica/Troll", "2026-03-29T00:00Z", "2026-03-29T03:00Z", ["00:00 60", "03:00 60", "04:00 60"]],
    [
      "Antarctica/Troll",
      "2026-10-24T23:00Z",
      "2026-10-25T03:00Z",
      ["01:00 60", "02:00 60", "01:00 60", "02:00 60"],
    ],
    // Midnight comes twice.
    [
      "America/Havana",
      "2026-11-01T03:00Z",
      "2026-11-01T07:00Z",
      ["23:00 60", "00:00 60", "00:00 60", "01:00 60"],
    ],
    // The thirtieth of December 2011 never was.
    [
      "Pacific/Apia",
      "2011-12-30T08:00Z",
      "2011-12-30T12:00Z",
      ["22:00 60", "23:00 60", "00:00 60", "01:00 60"],
    ],
  ])("%s, %s", (timeZone, start, end, steps) => {
    expect(shown(hours(1, timeZone), start, end)).toEqual(steps);
  });
});

describe("a quarter of a day where clocks change", () => {
  it.each([
    [
      "Europe/Berlin",
      "2026-03-28T23:00Z",
      "2026-03-29T22:00Z",
      ["00:00 300", "06:00 360", "12:00 360", "18:00 360"],
    ],
    [
      "Europe/Berlin",
      "2026-10-24T22:00Z",
      "2026-10-25T23:00Z",
      ["00:00 420", "06:00 360", "12:00 360", "18:00 360"],
    ],
    ["Australia/Lord_Howe", "2026-04-04T13:00Z", "2026-04-04T20:00Z", ["00:00 390", "06:00 360"]],
    ["Africa/Cairo", "2026-04-23T22:00Z", "2026-04-24T04:00Z", ["01:00 300", "06:00 360"]],
    ["Africa/Cairo", "2026-10-29T15:00Z", "2026-10-29T22:01Z", ["18:00 420", "00:00 360"]],
    ["America/Havana", "2026-11-01T04:00Z", "2026-11-01T12:00Z", ["00:00 420", "06:00 360"]],
  ])("%s, %s", (timeZone, start, end, steps) => {
    expect(shown(hours(6, timeZone), start, end)).toEqual(steps);
  });
});

describe("days, weeks and the rest are those of the calendar", () => {
  it.each([
    [
      { everyMs: 24 * HOUR, timeZone: "Europe/Berlin" },
      "2026-03-29T10:00Z",
      "2026-03-29T10:01Z",
      ["00:00 1380"],
    ],
    [
      { unit: "day", timeZone: "Pacific/Apia" },
      "2011-12-30T09:00Z",
      "2011-12-30T11:00Z",
      ["00:00 1440", "00:00 1440"],
    ],
    [
      { unit: "week", timeZone: "Europe/Berlin" },
      "2026-03-29T10:00Z",
      "2026-03-29T10:01Z",
      [`00:00 ${7 * 1440 - 60}`],
    ],
    [
      { unit: "month", timeZone: "UTC" },
      "2028-02-29T23:59Z",
      "2028-03-01T00:01Z",
      [`00:00 ${29 * 1440}`, `00:00 ${31 * 1440}`],
    ],
    [{ unit: "quarter", timeZone: "UTC" }, "2026-02-01T00:00Z", "2026-02-02T00:00Z", [`00:00 ${90 * 1440}`]],
    [{ unit: "year", timeZone: "UTC" }, "2028-02-01T00:00Z", "2028-02-02T00:00Z", [`00:00 ${366 * 1440}`]],
  ] satisfies [Step, string, string, string[]][])("%o, %s", (step, start, end, steps) => {
    expect(shown(step, start, end)).toEqual(steps);
  });
});

it("a step that does not divide a day is cut from the Unix epoch", () => {
  const edges = edgesOf(hours(7, "Europe/Berlin"), 0, 15 * HOUR);
  expect(edges).toEqual([0, 7 * HOUR, 14 * HOUR, 21 * HOUR]);
});

it("a time zone that is not known here has no steps", () => {
  const silent = new ZoneCalendar(() => {});
  for (const step of [
    hours(1, "Mars/Olympus"),
    hours(7, "Mars/Olympus"),
    { unit: "day", timeZone: "+02:00" },
  ] as const)
    expect(new StepCutter(step, silent).at(0)).toBeUndefined();
});

/** Ten that change their clocks in all ways there are. */
const ZONES = [
  ...["Europe/Berlin", "America/New_York", "America/St_Johns", "America/Havana", "Australia/Lord_Howe"],
  ...["Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo", "Africa/Casablanca", "Antarctica/Troll"],
];
const DIVISORS = [1, 5, 15, 20, 30, 60, 90, 120, 180, 240, 360, 480, 720, 1440].map(
  (minutes) => minutes * MINUTE,
);

test.prop(
  [
    fc.constantFrom(...ZONES),
    fc.constantFrom(...DIVISORS),
    fc.integer({ min: Date.parse("2012-01-01"), max: Date.parse("2030-01-01") }),
  ],
  { numRuns: 50 },
)(
  "steps follow each other, whoever asks first, on quarters where they are as long",
  (timeZone, everyMs, start) => {
    const step = { timeZone, everyMs };
    const edges = edgesOf(step, start, start + 40 * everyMs);
    expect(edges[0]).toBeLessThanOrEqual(start);
    expect(edges.at(-1)).toBeGreaterThanOrEqual(start + 40 * everyMs);
    for (const [i, edge] of edges.slice(0, -1).entries()) {
      const span = { start: edge, end: edges[i + 1]! };
      expect(span.end).toBeGreaterThan(span.start);
      for (const instant of [span.start, Math.floor((span.start + span.end) / 2), span.end - 1])
        expect(new StepCutter(step, calendar).at(instant)).toEqual(span);
      if (everyMs % (15 * MINUTE) === 0) expect(edge % (15 * MINUTE)).toBe(0);
      const minute =
        Number(clock(edge, timeZone).slice(11, 13)) * 60 + Number(clock(edge, timeZone).slice(14));
      const before = calendar.offsetAt(timeZone, edge - 1);
      if (before === calendar.offsetAt(timeZone, edge)) expect((minute * MINUTE) % everyMs).toBe(0);
    }
  },
);
