import { expect } from "vitest";

/** What every client does at every door: calls in JSON, and what they must bring. */
export interface Case {
  readonly name: string;
  readonly calls: readonly Call[];
}

export interface Call {
  readonly method: string;
  readonly request: object;
  /** What the answer must contain. */
  readonly ok?: object;
  /** What the error must be, to the letter; `metadata` holds every number that its message mentions. */
  readonly error?: { status: string; reason: string; metadata: Record<string, string> };
  /** Of an error, what its RetryInfo must say, as ProtoJSON has a duration; null: there must be none. */
  readonly retryIn?: string | null;
  /** How much time passes before it, in milliseconds. */
  readonly afterMs?: number;
}

const MAX = "9223372036854775807";
const MIN = "-9223372036854775808";
/** A fresh uid and the first revision. */
const ANY_ETAG: string = expect.stringMatching(/^[0-9a-f-]{36}\.1$/);
const ANY_SETTINGS_ETAG: string = expect.stringMatching(/^[0-9a-f-]{36}\.s3$/);

export const CASES: readonly Case[] = [
  {
    name: "create, read, increment, decrement, set, reset",
    calls: [
      ok("CreateCounter", seats({ labels: { row: "a" }, description: "Row A" }), {
        counter: { name: "seats", value: "5", initial: "2", min: "0", max: "10", labels: { row: "a" } },
      }),
      ok("GetCounter", { name: "seats" }, { counter: { value: "5", revision: "1", description: "Row A" } }),
      ok("Increment", { name: "seats" }, outcome({ previous: "5", value: "6", headroomUp: "4" })),
      ok("Increment", { name: "seats", amount: "3" }, outcome({ previous: "6", value: "9", revision: "3" })),
      ok("Decrement", { name: "seats", amount: "8" }, outcome({ previous: "9", value: "1" })),
      ok(
        "Set",
        { name: "seats", value: "10", note: "full house" },
        outcome({ value: "10", headroomUp: "0" }),
      ),
      ok("Reset", { name: "seats" }, outcome({ previous: "10", value: "2", headroomDown: "2" })),
      ok("GetCounter", { name: "seats" }, { counter: { value: "2", revision: "6" } }),
    ],
  },
  {
    name: "a batch, its refusal in its place",
    calls: [
      ok("CreateCounter", { name: "batch.full", value: "10", max: "10" }, {}),
      ok(
        "BatchApply",
        {
          operations: [
            { name: "batch.a", increment: MAX },
            { name: "batch.full", increment: "2" },
            { name: "batch.a", set: MIN },
          ],
        },
        {
          outcomes: [
            { name: "batch.a", value: MAX, revision: "1" },
            {
              name: "batch.full",
              refusal: {
                code: "OUT_OF_RANGE",
                reason: "ABOVE_MAX",
                metadata: { value: "10", max: "10", requested: "2" },
              },
            },
            { name: "batch.a", previous: MAX, value: MIN, revision: "2" },
          ],
        },
      ),
    ],
  },
  {
    name: "lists, rankings and sums",
    calls: [
      ok("CreateCounter", { name: "many.a", value: MAX, labels: { team: "core" } }, {}),
      ok("CreateCounter", { name: "many.b", value: MAX, labels: { team: "core", env: "test" } }, {}),
      ok("CreateCounter", { name: "many.c", value: "-7" }, {}),
      ok(
        "BatchGetCounters",
        { names: ["many.c", "nobody", "many.a"] },
        {
          results: [
            { name: "many.c", counter: { value: "-7" } },
            { name: "nobody", refusal: { code: "NOT_FOUND", reason: "COUNTER_NOT_FOUND" } },
            { name: "many.a", counter: { value: MAX, labels: { team: "core" } } },
          ],
        },
      ),
      ok(
        "ListCounters",
        { prefix: "many.", pageSize: 2 },
        {
          counters: [{ name: "many.a" }, { name: "many.b" }],
          nextPageToken: expect.stringMatching(/^[\w-]+$/),
        },
      ),
      ok("ListCounters", { labels: { env: "test", team: "core" } }, { counters: [{ name: "many.b" }] }),
      refused("ListCounters", { pageToken: "other" }, "INVALID_ARGUMENT", "INVALID_FIELD", {
        field: "page_token",
      }),
      ok(
        "TopCounters",
        { prefix: "many.", n: 1, order: "TOP_ORDER_LOWEST" },
        { counters: [{ name: "many.c", value: "-7" }] },
      ),
      ok(
        "SumCounters",
        { prefix: "many." },
        { count: "3", sum: "18446744073709551607", lowest: "-7", highest: MAX },
      ),
    ],
  },
  {
    name: "64-bit numbers to the edges",
    calls: [
      ok(
        "CreateCounter",
        { name: "int64.high", value: MAX, max: MAX },
        { counter: { value: MAX, max: MAX } },
      ),
      ok("CreateCounter", { name: "int64.low", value: MIN, min: MIN }, { counter: { value: MIN, min: MIN } }),
      ok("GetCounter", { name: "int64.high" }, { counter: { value: MAX } }),
      ok("GetCounter", { name: "int64.low" }, { counter: { value: MIN } }),
      ok(
        "Increment",
        { name: "int64.low", amount: MAX },
        outcome({ previous: MIN, value: "-1", headroomUp: "9223372036854775808" }),
      ),
      ok(
        "Set",
        { name: "int64.low", value: MAX },
        outcome({ previous: "-1", value: MAX, headroomUp: "0", headroomDown: "18446744073709551615" }),
      ),
      ok(
        "Set",
        { name: "int64.odd", value: "9007199254740993" }, // 2^53+1, the first whole number that a double lacks.
        outcome({ value: "9007199254740993" }),
      ),
    ],
  },
  {
    name: "the same request twice counts once",
    calls: [
      ok("Increment", { name: "once", amount: "7", requestId: "r-1" }, outcome({ value: "7" })),
      ok(
        "Increment",
        { name: "once", amount: "7", requestId: "r-1" },
        outcome({ value: "7", replayed: true }),
      ),
      ok("GetCounter", { name: "once" }, { counter: { value: "7" } }),
      refused(
        "Increment",
        { name: "once", amount: "8", requestId: "r-1" },
        "INVALID_ARGUMENT",
        "REQUEST_ID_REUSED",
        { field: "amount" },
      ),
    ],
  },
  {
    name: "INVALID_FIELD",
    calls: [
      refused("Increment", { name: "" }, "INVALID_ARGUMENT", "INVALID_FIELD", { field: "name" }),
      refused("Increment", { name: "x", amount: "0" }, "INVALID_ARGUMENT", "INVALID_FIELD", {
        field: "amount",
      }),
      refused("Set", { name: "x" }, "INVALID_ARGUMENT", "INVALID_FIELD", { field: "value" }),
    ],
  },
  {
    name: "MESSAGE_TOO_LARGE",
    calls: [
      refused(
        "Set",
        { name: "x", value: "1", note: "n".repeat(65_536) },
        "RESOURCE_EXHAUSTED",
        "MESSAGE_TOO_LARGE",
        {
          size: "65545",
          max_size: "65536",
        },
      ),
    ],
  },
  {
    name: "COUNTER_NOT_FOUND",
    calls: [
      refused("GetCounter", { name: "nobody" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "nobody" }),
      refused("Decrement", { name: "nobody" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "nobody" }),
      refused("Reset", { name: "nobody" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "nobody" }),
      refused("Increment", { name: "nobody", mustExist: true }, "NOT_FOUND", "COUNTER_NOT_FOUND", {
        name: "nobody",
      }),
    ],
  },
  {
    name: "COUNTER_EXISTS",
    calls: [
      ok("CreateCounter", { name: "twin" }, {}),
      refused("CreateCounter", { name: "twin" }, "ALREADY_EXISTS", "COUNTER_EXISTS", { name: "twin" }),
    ],
  },
  {
    name: "ETAG_MISMATCH",
    calls: [
      ok("CreateCounter", { name: "cas" }, {}),
      {
        method: "Set",
        request: { name: "cas", value: "1", etag: "another" },
        error: {
          status: "ABORTED",
          reason: "ETAG_MISMATCH",
          metadata: { name: "cas", etag: ANY_ETAG },
        },
      },
    ],
  },
  {
    name: "MONOTONIC",
    calls: [
      ok("CreateCounter", { name: "sold", value: "100", monotonic: true }, {}),
      refused("Decrement", { name: "sold" }, "FAILED_PRECONDITION", "MONOTONIC", {
        name: "sold",
        value: "100",
      }),
      refused("Set", { name: "sold", value: "99" }, "FAILED_PRECONDITION", "MONOTONIC", {
        name: "sold",
        value: "100",
        requested: "99",
      }),
    ],
  },
  {
    name: "settings are updated, and the counter is deleted",
    calls: [
      ok("CreateCounter", { name: "tickets", value: "5", max: "10", labels: { row: "a" } }, {}),
      ok(
        "UpdateCounter",
        { name: "tickets", max: "5", labels: { row: "b" }, requestId: "u-1" },
        { counter: { value: "5", max: "5", labels: { row: "b" }, revision: "1", settingsRevision: "2" } },
      ),
      refused("Increment", { name: "tickets" }, "OUT_OF_RANGE", "ABOVE_MAX", {
        name: "tickets",
        value: "5",
        max: "5",
        requested: "1",
      }),
      ok(
        "UpdateCounter",
        { name: "tickets", updateMask: "max,onBound", onBound: "ON_BOUND_CLAMP", min: "5" },
        { counter: { onBound: "ON_BOUND_CLAMP", labels: { row: "b" }, settingsRevision: "3" } },
      ),
      ok("Increment", { name: "tickets" }, outcome({ value: "6", headroomDown: "9223372036854775814" })),
      refused("UpdateCounter", { name: "tickets", max: "5" }, "OUT_OF_RANGE", "VALUE_OUTSIDE_BOUNDS", {
        name: "tickets",
        field: "value",
        requested: "6",
        max: "5",
      }),
      {
        method: "UpdateCounter",
        request: { name: "tickets", max: "9", settingsEtag: "another" },
        error: {
          status: "ABORTED",
          reason: "ETAG_MISMATCH",
          metadata: { name: "tickets", settings_etag: ANY_SETTINGS_ETAG },
        },
      },
      ok(
        "DeleteCounter",
        { name: "tickets", requestId: "d-1" },
        { name: "tickets", value: "6", revision: "2" },
      ),
      ok("DeleteCounter", { name: "tickets", requestId: "d-1" }, { value: "6", replayed: true }),
      refused("GetCounter", { name: "tickets" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "tickets" }),
      refused("DeleteCounter", { name: "tickets" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "tickets" }),
    ],
  },
  {
    name: "what time does to a counter",
    calls: [
      ok(
        "CreateCounter",
        {
          name: "timed",
          window: { calendar: "CALENDAR_UNIT_MONTH", timeZone: "Europe/Berlin", day: 31 },
          idleTtl: "2592000s",
        },
        {
          counter: {
            window: { calendar: "CALENDAR_UNIT_MONTH", timeZone: "Europe/Berlin", day: 31 },
            idleTtl: "2592000s",
          },
        },
      ),
      ok(
        "UpdateCounter",
        { name: "timed", window: { every: "3600s", anchor: "2026-01-01T00:30:00Z" } },
        { counter: { window: { every: "3600s", anchor: "2026-01-01T00:30:00Z" }, idleTtl: "2592000s" } },
      ),
      ok(
        "UpdateCounter",
        {
          name: "timed",
          updateMask: "min,max,refill,window,idleTtl",
          min: "0",
          max: "10",
          refill: { amount: "3", every: "0.250s" },
        },
        { counter: { refill: { amount: "3", every: "0.250s" }, settingsRevision: "3" } },
      ),
      refused(
        "CreateCounter",
        { name: "timeless", window: { calendar: "CALENDAR_UNIT_DAY", timeZone: "Mars/Olympus" } },
        "INVALID_ARGUMENT",
        "INVALID_FIELD",
        { field: "window.time_zone" },
      ),
      refused(
        "CreateCounter",
        { name: "timeless", refill: { amount: "1", every: "1s" } },
        "FAILED_PRECONDITION",
        "SETTINGS_CONFLICT",
        { name: "timeless", field: "refill" },
      ),
    ],
  },
  {
    name: "ABOVE_MAX and BELOW_MIN",
    calls: [
      ok("CreateCounter", { name: "narrow", value: "5", min: "3", max: "7", initial: "5" }, {}),
      refused("Increment", { name: "narrow", amount: "3" }, "OUT_OF_RANGE", "ABOVE_MAX", {
        name: "narrow",
        value: "5",
        max: "7",
        requested: "3",
      }),
      refused("Decrement", { name: "narrow", amount: MAX }, "OUT_OF_RANGE", "BELOW_MIN", {
        name: "narrow",
        value: "5",
        min: "3",
        requested: MAX,
      }),
      refused("Increment", { name: "int64.high" }, "OUT_OF_RANGE", "ABOVE_MAX", {
        name: "int64.high",
        value: MAX,
        max: MAX,
        requested: "1",
      }),
      ok("GetCounter", { name: "narrow" }, { counter: { value: "5", revision: "1" } }),
    ],
  },
  {
    name: "VALUE_OUTSIDE_BOUNDS",
    calls: [
      refused("Set", { name: "narrow", value: "8" }, "OUT_OF_RANGE", "VALUE_OUTSIDE_BOUNDS", {
        name: "narrow",
        field: "value",
        requested: "8",
        min: "3",
        max: "7",
      }),
      refused(
        "CreateCounter",
        { name: "odd", initial: "1", max: "0" },
        "OUT_OF_RANGE",
        "VALUE_OUTSIDE_BOUNDS",
        {
          name: "odd",
          field: "initial",
          requested: "1",
          max: "0",
        },
      ),
    ],
  },
  {
    name: "all or nothing: the first refusal, and nothing applied",
    calls: [
      refused(
        "BatchApply",
        {
          operations: [
            { name: "group", increment: "1" },
            { name: "nobody", decrement: "1" },
          ],
          allOrNothing: true,
        },
        "NOT_FOUND",
        "COUNTER_NOT_FOUND",
        { name: "nobody", index: "1" },
      ),
      refused("GetCounter", { name: "group" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "group" }),
    ],
  },
];

function seats(more: object) {
  return { name: "seats", value: "5", initial: "2", min: "0", max: "10", ...more };
}

export function ok(method: string, request: object, ok: object): Call {
  return { method, request, ok };
}

function outcome(outcome: object): object {
  return { outcome };
}

export function refused(
  method: string,
  request: object,
  status: string,
  reason: string,
  metadata: Record<string, string>,
): Call {
  return { method, request, error: { status, reason, metadata } };
}
