/** What changes and takes make that find no counter, by the settings that they bring. */
import type { JsonObject } from "@bufbuild/protobuf";
import { type Call, type Case, ok, refused } from "../cases.ts";

const INVALID = ["INVALID_ARGUMENT", "INVALID_FIELD"] as const;
const REUSED = ["INVALID_ARGUMENT", "REQUEST_ID_REUSED"] as const;
const SEATS: JsonObject = { initial: "2", min: "0", max: "5", labels: { row: "a" }, description: "Row A" };
const seats = (name: string, rest: JsonObject) => ({ counter: { name, ...SEATS, ...rest } });
const WEEK = { calendar: "CALENDAR_UNIT_WEEK", timeZone: "Europe/Berlin" };
const NOWHERE = { window: { calendar: "CALENDAR_UNIT_DAY", timeZone: "Mars/Olympus" } };
const REFILL = { refill: { amount: "1", every: "1s" } };

/** Settings of a shape that none have, and the field in them that is told. */
const FAULTY: readonly (readonly [string, JsonObject])[] = [
  ["window.every", { window: { every: "0.5s" } }],
  ["window.every", { window: { every: "1.5s" } }],
  ["refill.amount", { refill: { amount: "0", every: "1s" } }],
  ["refill.every", { refill: { amount: "1", every: "0.0015s" } }],
  ["idle_ttl", { idleTtl: "0.5s" }],
  ["idle_ttl", { idleTtl: "1.0001s" }],
  ["min", { min: "2", max: "1" }],
  ["description", { description: "d".repeat(1_001) }],
  ['labels["A"]', { labels: { A: "" } }],
  ['labels["a"]', { labels: { a: "v".repeat(201) } }],
];

/** Settings that no counter can have, and what is said of them. */
const IMPOSSIBLE: readonly (readonly [JsonObject, string, string, Record<string, string>])[] = [
  [NOWHERE, ...INVALID, { field: "window.time_zone" }],
  [
    { initial: "6", max: "5" },
    "OUT_OF_RANGE",
    "VALUE_OUTSIDE_BOUNDS",
    { field: "initial", requested: "6", max: "5" },
  ],
  [{ ...REFILL, max: "5" }, "FAILED_PRECONDITION", "SETTINGS_CONFLICT", { field: "refill" }],
  [
    { ...REFILL, min: "0", max: "5", window: { every: "60s" } },
    "FAILED_PRECONDITION",
    "SETTINGS_CONFLICT",
    { field: "refill" },
  ],
];

/** Every way to bring settings: the call, and the path of the part that has them. */
const WAYS: readonly (readonly [
  method: string,
  part: string,
  request: (ifMissing: JsonObject) => JsonObject,
])[] = [
  ["Increment", "", (ifMissing) => ({ name: "missing.bad", ifMissing })],
  ["Set", "", (ifMissing) => ({ name: "missing.bad", value: "1", ifMissing })],
  [
    "BatchApply",
    "operations[1].",
    (ifMissing) => ({
      allOrNothing: true,
      operations: [
        { name: "missing.good", increment: "1" },
        { name: "missing.bad", increment: "1", ifMissing },
      ],
    }),
  ],
  ["TakeLimit", "", (ifMissing) => ({ name: "missing.bad", ifMissing: { max: "9", ...ifMissing } })],
  [
    "TakeLimits",
    "takes[1].",
    (ifMissing) => ({
      takes: [
        { name: "missing.good", ifMissing: { max: "9" } },
        { name: "missing.bad", ifMissing: { max: "9", ...ifMissing } },
      ],
    }),
  ],
];

export const IF_MISSING: readonly Case[] = [
  {
    name: "an increment that makes its counter",
    calls: [
      ok(
        "Increment",
        { name: "missing.inc", amount: "3", ifMissing: SEATS, requestId: "i" },
        {
          outcome: {
            previous: "2",
            value: "5",
            revision: "1",
            headroomUp: "0",
            headroomDown: "5",
            replayed: false,
          },
        },
      ),
      ok("GetCounter", { name: "missing.inc" }, seats("missing.inc", { value: "5", settingsRevision: "1" })),
      ok(
        "Increment",
        { name: "missing.inc", amount: "3", ifMissing: SEATS, requestId: "i" },
        { outcome: { previous: "2", value: "5", replayed: true } },
      ),
      ...[{ ...SEATS, max: "6" }, { ...SEATS, labels: {} }, {}].map((ifMissing) =>
        refused("Increment", { name: "missing.inc", amount: "3", ifMissing, requestId: "i" }, ...REUSED, {
          field: "if_missing",
        }),
      ),
      refused("Increment", { name: "missing.inc", amount: "3", requestId: "i" }, ...REUSED, {
        field: "if_missing",
      }),
      // What is there keeps its settings, whatever is said.
      refused("Increment", { name: "missing.inc", ifMissing: { max: "9" } }, "OUT_OF_RANGE", "ABOVE_MAX", {
        ...{ name: "missing.inc", value: "5", max: "5", requested: "1" },
      }),
      ok("Increment", { name: "missing.plain", ifMissing: {} }, { outcome: { previous: "0", value: "1" } }),
      ok(
        "Increment",
        {
          name: "missing.week",
          ifMissing: { max: "9", window: WEEK, onBound: "ON_BOUND_CLAMP", history: false },
        },
        { outcome: { value: "1" } },
      ),
      ok(
        "GetCounter",
        { name: "missing.week" },
        {
          counter: {
            ...{ onBound: "ON_BOUND_CLAMP", history: false, window: WEEK },
            ...{ windowStart: "2025-12-28T23:00:00Z", windowEnd: "2026-01-04T23:00:00Z" },
          },
        },
      ),
      // One that is refused makes none.
      refused(
        "Increment",
        { name: "missing.none", amount: "4", ifMissing: SEATS },
        "OUT_OF_RANGE",
        "ABOVE_MAX",
        {
          ...{ name: "missing.none", value: "2", max: "5", requested: "4" },
        },
      ),
      refused("GetCounter", { name: "missing.none" }, "NOT_FOUND", "COUNTER_NOT_FOUND", {
        name: "missing.none",
      }),
      refused("Increment", { name: "missing.none", mustExist: true, ifMissing: SEATS }, ...INVALID, {
        field: "if_missing",
      }),
    ],
  },
  {
    name: "a set that makes its counter",
    calls: [
      ok(
        "Set",
        { name: "missing.set", value: "4", ifMissing: SEATS, note: "new", requestId: "s" },
        { outcome: { previous: "2", value: "4", revision: "1", replayed: false } },
      ),
      ok("GetCounter", { name: "missing.set" }, seats("missing.set", { value: "4" })),
      ok(
        "Set",
        { name: "missing.set", value: "4", ifMissing: SEATS, note: "new", requestId: "s" },
        { outcome: { value: "4", replayed: true } },
      ),
      refused("Set", { name: "missing.set", value: "4", note: "new", requestId: "s" }, ...REUSED, {
        field: "if_missing",
      }),
      refused(
        "Set",
        { name: "missing.none", value: "6", ifMissing: SEATS },
        ...(["OUT_OF_RANGE", "VALUE_OUTSIDE_BOUNDS"] as const),
        { name: "missing.none", field: "value", requested: "6", min: "0", max: "5" },
      ),
      ...[{ mustExist: true }, { etag: "e" }].map((more) =>
        refused("Set", { name: "missing.none", value: "1", ifMissing: SEATS, ...more }, ...INVALID, {
          field: "if_missing",
        }),
      ),
      refused("GetCounter", { name: "missing.none" }, "NOT_FOUND", "COUNTER_NOT_FOUND", {
        name: "missing.none",
      }),
    ],
  },
  {
    name: "a batch whose operations make their counters, each by its own settings",
    calls: [
      batch({}, false),
      ok("GetCounter", { name: "missing.a" }, seats("missing.a", { value: "5", revision: "2" })),
      ok("GetCounter", { name: "missing.b" }, { counter: { value: "-1", min: "-1" } }),
      refused("GetCounter", { name: "missing.c" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "missing.c" }),
      batch({}, true),
      refused("BatchApply", { ...batchRequest({ max: "6" }), requestId: "b" }, ...REUSED, {
        field: "operations",
      }),
      ...[{ reset: true }, { decrement: "1" }].map((action) =>
        refused("BatchApply", { operations: [{ name: "missing.c", ...action, ifMissing: {} }] }, ...INVALID, {
          field: "operations[0].if_missing",
        }),
      ),
      ...[
        { mustExist: true, increment: "1" },
        { etag: "e", set: "1" },
      ].map((action) =>
        refused("BatchApply", { operations: [{ name: "missing.c", ...action, ifMissing: {} }] }, ...INVALID, {
          field: "operations[0].if_missing",
        }),
      ),
    ],
  },
  {
    name: "settings that no counter can have, told by their path from the request on",
    calls: [
      ...WAYS.flatMap(([method, part, request]) => [
        ...FAULTY.map(
          ([field, settings]): Call =>
            refused(method, request(settings), ...INVALID, { field: `${part}if_missing.${field}` }),
        ),
        ...IMPOSSIBLE.map(
          ([settings, status, reason, metadata]): Call =>
            refused(method, request(settings), status, reason, {
              ...metadata,
              ...(reason !== "INVALID_FIELD" && { name: "missing.bad" }),
              field: `${part}if_missing.${metadata.field}`,
              ...(part !== "" && { index: "1" }),
            }),
        ),
      ]),
      ...["missing.bad", "missing.good"].map((name) =>
        refused("GetCounter", { name }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name }),
      ),
    ],
  },
  {
    name: "takes of one limit, of which a later one is refused",
    calls: [
      ok(
        "TakeLimits",
        {
          takes: [
            { name: "missing.quota", amount: "2", ifMissing: { max: "3" } },
            { name: "missing.quota", amount: "2" },
          ],
        },
        {
          allowed: false,
          statuses: [
            { allowed: true, max: "3", quota: "3", remaining: "3" },
            { allowed: false, over: true, max: "3", quota: "3", remaining: "3" },
          ],
        },
      ),
      refused("GetCounter", { name: "missing.quota" }, "NOT_FOUND", "COUNTER_NOT_FOUND", {
        name: "missing.quota",
      }),
    ],
  },
];

function batchRequest(last: JsonObject): JsonObject {
  return {
    operations: [
      { name: "missing.a", increment: "1", ifMissing: SEATS },
      { name: "missing.b", set: "-1", ifMissing: { min: "-1" } },
      { name: "missing.c", increment: "1", ifMissing: { initial: "6", max: "5" } },
      { name: "missing.a", increment: "2", ifMissing: { max: "9" } },
      { name: "missing.c", set: "1", ifMissing: { ...REFILL, ...last } },
      { name: "missing.a", increment: "1" },
    ],
  };
}

function batch(last: JsonObject, replayed: boolean): Call {
  const conflict = { code: "FAILED_PRECONDITION", reason: "SETTINGS_CONFLICT" };
  const outside = { code: "OUT_OF_RANGE", reason: "VALUE_OUTSIDE_BOUNDS" };
  return ok(
    "BatchApply",
    { ...batchRequest(last), requestId: "b" },
    {
      replayed,
      outcomes: [
        { name: "missing.a", previous: "2", value: "3", revision: "1" },
        { name: "missing.b", previous: "0", value: "-1", revision: "1" },
        {
          name: "missing.c",
          refusal: {
            ...outside,
            metadata: { field: "operations[2].if_missing.initial", requested: "6", max: "5" },
          },
        },
        { name: "missing.a", previous: "3", value: "5", revision: "2" },
        {
          name: "missing.c",
          refusal: { ...conflict, metadata: { field: "operations[4].if_missing.refill" } },
        },
        { name: "missing.a", refusal: { reason: "ABOVE_MAX", metadata: { value: "5", max: "5" } } },
      ],
    },
  );
}
