/** Windows, refills and idle TTLs, as time passes. The script begins at 2026-01-01T00:00:00Z. */
import type { JsonObject } from "@bufbuild/protobuf";
import { type Call, type Case, ok, refused } from "../cases.ts";

/** A call after so many milliseconds. */
function after(afterMs: number, call: Call): Call {
  return { ...call, afterMs };
}

/** A refusal at a bound, with or without the time until there is room. */
function full(request: JsonObject, metadata: Record<string, string>, retryIn: string | null): Call {
  const { name } = request as { name: string };
  const call = refused("Increment", request, "OUT_OF_RANGE", "ABOVE_MAX", { name, ...metadata });
  return { ...call, retryIn };
}

const DAY = { calendar: "CALENDAR_UNIT_DAY", timeZone: "UTC" };
const REFILL = { amount: "1", every: "1s" };

/** Settings, and the field that is told to be at fault. */
const BADLY_TOLD: readonly (readonly [string, JsonObject])[] = [
  ["window.span", { window: {} }],
  ...["0s", "0.999s", "1.5s", "-1s", "31622400.001s", "31622401s", "315576000000s"].map(
    (every) => ["window.every", { window: { every } }] as const,
  ),
  ["window.calendar", { window: { ...DAY, calendar: "CALENDAR_UNIT_UNSPECIFIED" } }],
  ["window.time_zone", { window: { calendar: "CALENDAR_UNIT_DAY" } }],
  ["window.time_zone", { window: { every: "1s", timeZone: "UTC" } }],
  ...["+02:00", "Mars/Olympus", "Europe//Berlin", "Z".repeat(65), "Europe/Berlin "].map(
    (timeZone) => ["window.time_zone", { window: { ...DAY, timeZone } }] as const,
  ),
  ["window.anchor", { window: { ...DAY, anchor: "2026-01-01T00:00:00Z" } }],
  ["window.anchor", { window: { every: "1s", anchor: "2026-01-01T00:00:00.000001Z" } }],
  ["window.day", { window: { ...DAY, day: 1 } }],
  ["window.day", { window: { ...DAY, calendar: "CALENDAR_UNIT_MONTH", day: 0 } }],
  ["window.day", { window: { ...DAY, calendar: "CALENDAR_UNIT_MONTH", day: 32 } }],
  ["refill.every", { refill: { amount: "1" } }],
  ...["0s", "0.0009s", "0.0015s", "-1s", "31622401s"].map(
    (every) => ["refill.every", { refill: { ...REFILL, every } }] as const,
  ),
  ["refill.amount", { refill: { ...REFILL, amount: "0" } }],
  ["refill.amount", { refill: { ...REFILL, amount: "-1" } }],
  ...["0s", "0.999s", "1.0001s", "-60s", "315360001s"].map((idleTtl) => ["idle_ttl", { idleTtl }] as const),
];

/** Refills that do not go with the rest of the settings. */
const CONFLICTING: readonly JsonObject[] = [
  { refill: REFILL },
  { refill: REFILL, min: "0" },
  { refill: REFILL, min: "0", max: "9", monotonic: true },
  { refill: REFILL, min: "0", max: "9", window: { every: "1s" } },
  { refill: { amount: "10", every: "1s" }, min: "0", max: "9" },
  { refill: { amount: "1", every: "31622400s" }, min: "0", max: "9223372036854775807" },
];

export const TIME: readonly Case[] = [
  {
    name: "a window of ten seconds",
    calls: [
      ok(
        "CreateCounter",
        { name: "ten", value: "3", max: "3", window: { every: "10s" } },
        {
          counter: {
            value: "3",
            window: { every: "10s" },
            windowStart: "2026-01-01T00:00:00Z",
            windowEnd: "2026-01-01T00:00:10Z",
          },
        },
      ),
      full({ name: "ten" }, { value: "3", max: "3", requested: "1" }, "10s"),
      after(4_500, full({ name: "ten" }, { value: "3", max: "3", requested: "1" }, "5.500s")),
      full({ name: "ten", amount: "4" }, { value: "3", max: "3", requested: "4" }, null), // Never room for 4.
      ok(
        "BatchApply",
        { operations: [{ name: "ten", increment: "1" }] },
        { outcomes: [{ name: "ten", refusal: { reason: "ABOVE_MAX", retryDelay: "5.500s" } }] },
      ),
      {
        ...refused(
          "BatchApply",
          { operations: [{ name: "ten", increment: "1" }], allOrNothing: true },
          "OUT_OF_RANGE",
          "ABOVE_MAX",
          { name: "ten", index: "0", value: "3", max: "3", requested: "1" },
        ),
        retryIn: "5.500s",
      },
      after(
        5_500,
        ok(
          "GetCounter",
          { name: "ten" },
          {
            counter: {
              value: "0",
              revision: "2",
              updateTime: "2026-01-01T00:00:00Z",
              windowStart: "2026-01-01T00:00:10Z",
              windowEnd: "2026-01-01T00:00:20Z",
            },
          },
        ),
      ),
      ok(
        "Increment",
        { name: "ten", requestId: "ten-1" },
        { outcome: { previous: "0", value: "1", revision: "3" } },
      ),
      after(
        10_000,
        ok("ListCounters", { prefix: "ten" }, { counters: [{ name: "ten", value: "0", revision: "4" }] }),
      ),
      ok("TopCounters", { prefix: "ten" }, { counters: [{ name: "ten", value: "0" }] }),
      ok("SumCounters", { prefix: "ten" }, { count: "1", sum: "0", highest: "0" }),
      ok("BatchGetCounters", { names: ["ten"] }, { results: [{ name: "ten", counter: { value: "0" } }] }),
      // A retry counts in the window of its first try, and is answered as then.
      ok("Increment", { name: "ten", requestId: "ten-1" }, { outcome: { value: "1", replayed: true } }),
      ok("GetCounter", { name: "ten" }, { counter: { value: "0" } }),
      ok("Set", { name: "ten", value: "2" }, { outcome: { previous: "0", value: "2", revision: "5" } }),
      ok(
        "UpdateCounter",
        { name: "ten", window: { every: "60s", anchor: "2026-01-01T00:00:30Z" } },
        {
          counter: {
            value: "2",
            window: { every: "60s", anchor: "2026-01-01T00:00:30Z" },
            windowStart: "2025-12-31T23:59:30Z",
            windowEnd: "2026-01-01T00:00:30Z",
            settingsRevision: "2",
          },
        },
      ),
      ok(
        "UpdateCounter",
        { name: "ten", updateMask: "window" },
        { counter: { value: "2", settingsRevision: "3" } },
      ),
      after(3_600_000, ok("GetCounter", { name: "ten" }, { counter: { value: "2", revision: "5" } })),
    ],
  },
  {
    name: "windows of the calendar",
    calls: [
      ok(
        "CreateCounter",
        { name: "day", max: "5", window: { calendar: "CALENDAR_UNIT_DAY", timeZone: "Europe/Berlin" } },
        {
          counter: {
            window: { calendar: "CALENDAR_UNIT_DAY", timeZone: "Europe/Berlin" },
            windowStart: "2025-12-31T23:00:00Z",
            windowEnd: "2026-01-01T23:00:00Z",
          },
        },
      ),
      ok(
        "CreateCounter",
        { name: "month", window: { calendar: "CALENDAR_UNIT_MONTH", timeZone: "UTC", day: 31 } },
        {
          counter: {
            window: { calendar: "CALENDAR_UNIT_MONTH", timeZone: "UTC", day: 31 },
            windowStart: "2025-12-31T00:00:00Z",
            windowEnd: "2026-01-31T00:00:00Z",
          },
        },
      ),
      ok(
        "CreateCounter",
        { name: "week", window: { calendar: "CALENDAR_UNIT_WEEK", timeZone: "Asia/Kathmandu" } },
        { counter: { windowStart: "2025-12-28T18:15:00Z", windowEnd: "2026-01-04T18:15:00Z" } },
      ),
    ],
  },
  {
    name: "a token bucket",
    calls: [
      ok(
        "CreateCounter",
        { name: "bucket", value: "10", min: "0", max: "10", refill: { amount: "3", every: "1s" } },
        { counter: { refill: { amount: "3", every: "1s" }, fullTime: "2026-01-01T01:00:23.334Z" } },
      ),
      full({ name: "bucket" }, { value: "10", max: "10", requested: "1" }, "0.334s"),
      full({ name: "bucket", amount: "11" }, { value: "10", max: "10", requested: "11" }, null),
      after(334, ok("GetCounter", { name: "bucket" }, { counter: { value: "9", revision: "1" } })),
      ok("Increment", { name: "bucket" }, { outcome: { previous: "9", value: "10", revision: "2" } }),
      after(60_000, ok("GetCounter", { name: "bucket" }, { counter: { value: "0", revision: "2" } })),
      ok("UpdateCounter", { name: "bucket", updateMask: "refill" }, { counter: { value: "0" } }),
    ],
  },
  {
    name: "an idle counter goes",
    calls: [
      ok(
        "CreateCounter",
        { name: "idle", value: "4", idleTtl: "60s" },
        { counter: { idleTtl: "60s", expireTime: "2026-01-01T01:02:20.334Z" } },
      ),
      after(59_999, ok("GetCounter", { name: "idle" }, { counter: { value: "4" } })),
      after(1, refused("GetCounter", { name: "idle" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "idle" })),
      ok("SumCounters", { prefix: "idle" }, { count: "0", sum: "0" }),
      refused("Decrement", { name: "idle" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "idle" }),
      ok("Increment", { name: "idle" }, { outcome: { previous: "0", value: "1", revision: "1" } }),
    ],
  },
  {
    name: "what time cannot be told to do, by its field",
    calls: [
      ...BADLY_TOLD.flatMap(([field, settings]) =>
        [
          { method: "CreateCounter", name: "told" },
          { method: "UpdateCounter", name: "day" },
        ].map(({ method, name }) =>
          refused(method, { name, ...settings }, "INVALID_ARGUMENT", "INVALID_FIELD", { field }),
        ),
      ),
      ...CONFLICTING.map((settings) =>
        refused("CreateCounter", { name: "told", ...settings }, "FAILED_PRECONDITION", "SETTINGS_CONFLICT", {
          name: "told",
          field: "refill",
        }),
      ),
      refused(
        "UpdateCounter",
        { name: "day", min: "0", refill: { amount: "1", every: "1s" } },
        "FAILED_PRECONDITION",
        "SETTINGS_CONFLICT",
        { name: "day", field: "refill" },
      ),
    ],
  },
];
