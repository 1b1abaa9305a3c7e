/** Takes from limits, and what is given back. Run after TIME: it is 2026-01-01T01:02:20.334Z by then. */
import type { JsonObject } from "@bufbuild/protobuf";
import { type Call, type Case, ok, refused } from "../cases.ts";

const MINUTE = { every: "60s" };
/** How the quota of a minute stands, of three. */
const quota = (remaining: number, rest: JsonObject = {}): JsonObject => ({
  name: "take.quota",
  allowed: true,
  max: "3",
  quota: "3",
  remaining: `${remaining}`,
  period: "60s",
  resetTime: "2026-01-01T01:03:00Z",
  windowStart: "2026-01-01T01:02:00Z",
  ...rest,
});
const INVALID = ["INVALID_ARGUMENT", "INVALID_FIELD"] as const;
const take = (request: JsonObject, answer: JsonObject): Call =>
  ok("TakeLimit", { name: "take.quota", ...request }, { replayed: false, ...answer });

export const LIMITS: readonly Case[] = [
  {
    name: "a quota a minute",
    calls: [
      ok("CreateCounter", { name: "take.quota", max: "3", window: MINUTE }, {}),
      take({ dryRun: true, amount: "3" }, { allowed: true, status: quota(3) }),
      take({ amount: "2", requestId: "t-1" }, { allowed: true, status: quota(1, { moreAfter: "39.666s" }) }),
      take(
        { amount: "2", requestId: "t-2" },
        { allowed: false, status: quota(1, { allowed: false, retryAfter: "39.666s" }) },
      ),
      take({ amount: "4", dryRun: true }, { allowed: false, status: quota(1, { allowed: false }) }),
      take({ amount: "0", dryRun: true }, { allowed: true, status: quota(1) }),
      take({ amount: "1", dryRun: true, requestId: "t-1" }, { allowed: true, status: quota(1) }), // An id is for takes.
      take({}, { allowed: true, status: quota(0) }),
      take({ amount: "0", dryRun: true }, { allowed: false, status: quota(0, { allowed: false }) }),
      ok(
        "TakeLimit",
        { name: "take.quota", amount: "2", requestId: "t-1" },
        {
          ...{ allowed: true, status: { name: "take.quota", allowed: true }, replayed: true },
        },
      ),
      ok(
        "GiveBackLimit",
        { name: "take.quota", amount: "2", windowStart: "2026-01-01T01:02:00Z", requestId: "g-1" },
        { givenBack: "2", status: quota(2), replayed: false },
      ),
      ok(
        "GiveBackLimit",
        { name: "take.quota", amount: "2", windowStart: "2026-01-01T01:01:00Z" },
        { givenBack: "0", status: quota(2) },
      ),
      {
        ...ok("GetCounter", { name: "take.quota" }, { counter: { value: "0", revision: "6" } }),
        afterMs: 60_000,
      },
      // In the next minute what was allowed is answered as it was, and what was not is judged anew.
      ok(
        "TakeLimit",
        { name: "take.quota", amount: "2", requestId: "t-1" },
        { allowed: true, replayed: true },
      ),
      ok(
        "TakeLimit",
        { name: "take.quota", amount: "2", requestId: "t-2" },
        {
          ...{
            allowed: true,
            status: { remaining: "1", windowStart: "2026-01-01T01:03:00Z" },
            replayed: false,
          },
        },
      ),
      ok(
        "GiveBackLimit",
        { name: "take.quota", amount: "2", windowStart: "2026-01-01T01:02:00Z", requestId: "g-1" },
        { givenBack: "2", status: { name: "take.quota", allowed: true }, replayed: true },
      ),
      ok(
        "GiveBackLimit",
        { name: "take.quota", amount: "9" },
        { givenBack: "2", status: { remaining: "3" } },
      ),
    ],
  },
  {
    name: "several limits, all or nothing",
    calls: [
      ok(
        "CreateCounter",
        { name: "take.bucket", min: "0", max: "9", refill: { amount: "1", every: "10s" } },
        {},
      ),
      ok("CreateCounter", { name: "take.full", value: "7", initial: "7", max: "7" }, {}),
      ok(
        "TakeLimits",
        {
          takes: [
            { name: "take.bucket", amount: "4" },
            { name: "take.full" },
            { name: "take.bucket", amount: "6" },
          ],
        },
        {
          allowed: false,
          statuses: [
            { name: "take.bucket", allowed: true, remaining: "9", period: "90s" },
            { name: "take.full", allowed: false, max: "7", quota: "0", remaining: "0" },
            { name: "take.bucket", allowed: false, remaining: "9" },
          ],
        },
      ),
      ok(
        "TakeLimits",
        {
          takes: [
            { name: "take.bucket", amount: "4" },
            { name: "take.bucket", amount: "5" },
          ],
          requestId: "ts",
        },
        {
          allowed: true,
          statuses: [
            { remaining: "0", moreAfter: "10s" },
            { remaining: "0", resetTime: "2026-01-01T01:04:50.334Z" },
          ],
          replayed: false,
        },
      ),
      ok(
        "TakeLimits",
        {
          takes: [
            { name: "take.bucket", amount: "4" },
            { name: "take.bucket", amount: "5" },
          ],
          requestId: "ts",
        },
        { allowed: true, statuses: [{ name: "take.bucket" }, { name: "take.bucket" }], replayed: true },
      ),
      ok(
        "TakeLimits",
        { takes: [{ name: "take.bucket", amount: "3" }], dryRun: true },
        {
          ...{ allowed: false, statuses: [{ allowed: false, retryAfter: "30s" }] },
        },
      ),
      refused(
        "TakeLimits",
        {
          takes: [
            { name: "take.bucket", amount: "5" },
            { name: "take.bucket", amount: "4" },
          ],
          requestId: "ts",
        },
        ...(["INVALID_ARGUMENT", "REQUEST_ID_REUSED"] as const),
        { field: "takes" },
      ),
    ],
  },
  {
    name: "a limit that the take makes",
    calls: [
      ok(
        "TakeLimit",
        { name: "take.made", amount: "2", ifMissing: { max: "3", window: MINUTE }, requestId: "m" },
        {
          ...{ allowed: true, status: { max: "3", remaining: "1", period: "60s", over: false } },
        },
      ),
      ok("GetCounter", { name: "take.made" }, { counter: { value: "2", revision: "1", max: "3" } }),
      ok(
        "TakeLimit",
        { name: "take.made", amount: "2", ifMissing: { max: "9" } },
        {
          ...{ allowed: false, status: { max: "3", over: true } },
        },
      ),
      refused(
        "TakeLimit",
        { name: "take.made", amount: "2", ifMissing: { max: "4", window: MINUTE }, requestId: "m" },
        ...(["INVALID_ARGUMENT", "REQUEST_ID_REUSED"] as const),
        { field: "if_missing" },
      ),
      ok(
        "TakeLimits",
        { takes: [{ name: "take.two", amount: "4", ifMissing: { max: "3" } }, { name: "take.made" }] },
        {
          ...{
            allowed: false,
            statuses: [
              { allowed: false, remaining: "3" },
              { allowed: true, remaining: "1" },
            ],
          },
        },
      ),
      refused("GetCounter", { name: "take.two" }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: "take.two" }),
      refused("TakeLimit", { name: "take.two", ifMissing: {} }, "NOT_FOUND", "LIMIT_NOT_FOUND", {
        name: "take.two",
      }),
      refused("TakeLimit", { name: "take.two", ifMissing: { max: "1", idleTtl: "1.0001s" } }, ...INVALID, {
        field: "if_missing.idle_ttl",
      }),
      refused(
        "TakeLimits",
        {
          takes: [
            { name: "take.made" },
            { name: "take.two", ifMissing: { max: "1", window: { every: "1.5s" } } },
          ],
        },
        ...INVALID,
        { field: "takes[1].if_missing.window.every" },
      ),
    ],
  },
  {
    name: "what is no limit, and what cannot be taken",
    calls: [
      ok("Increment", { name: "take.endless" }, {}),
      ok("CreateCounter", { name: "take.up", max: "9", value: "4", monotonic: true }, {}),
      ...["take.none", "take.endless"].flatMap((name) => [
        refused("TakeLimit", { name }, "NOT_FOUND", "LIMIT_NOT_FOUND", { name }),
        refused("GiveBackLimit", { name, amount: "1" }, "NOT_FOUND", "LIMIT_NOT_FOUND", { name }),
        refused("TakeLimits", { takes: [{ name: "take.up" }, { name }] }, "NOT_FOUND", "LIMIT_NOT_FOUND", {
          name,
          index: "1",
        }),
      ]),
      refused("GiveBackLimit", { name: "take.up", amount: "1" }, "FAILED_PRECONDITION", "MONOTONIC", {
        ...{ name: "take.up", value: "4" },
      }),
      ok("GetCounter", { name: "take.up" }, { counter: { value: "4", revision: "1" } }),
      ...badly("TakeLimit", [
        ["amount", { amount: "0" }],
        ["amount", { amount: "-1" }],
        ["amount", { amount: "-1", dryRun: true }],
        ["name", { name: "-" }],
        ["request_id", { requestId: "a b" }],
      ]),
      ...badly("TakeLimits", [
        ["takes", {}],
        ["takes", { takes: Array.from({ length: 17 }, () => ({ name: "take.up" })) }],
        ["takes[1].amount", { takes: [{ name: "take.up" }, { name: "take.up", amount: "0" }] }],
        ["takes[0].amount", { takes: [{ name: "take.up", amount: "-1" }], dryRun: true }],
        ["takes[1].name", { takes: [{ name: "take.up" }, { amount: "1" }] }],
      ]),
      ...badly("GiveBackLimit", [
        ["amount", {}],
        ["amount", { amount: "0" }],
        ["window_start", { amount: "1", windowStart: "2026-01-01T00:00:00.000001Z" }],
      ]),
    ],
  },
];

/** Requests, and the field that is told to be at fault. */
function badly(method: string, requests: readonly (readonly [string, JsonObject])[]): Call[] {
  const named = method === "TakeLimits" ? {} : { name: "take.up" };
  return requests.map(([field, request]) =>
    refused(method, { ...named, ...request }, "INVALID_ARGUMENT", "INVALID_FIELD", { field }),
  );
}
