/** Policies: settings for all that begin so. */
import type { JsonObject } from "@bufbuild/protobuf";
import { type Call, type Case, ok, refused } from "../cases.ts";

const DAY = { calendar: "CALENDAR_UNIT_DAY", timeZone: "Europe/Berlin" };
const settings = (given: JsonObject): JsonObject => ({
  ...{
    initial: "0",
    onBound: "ON_BOUND_REJECT",
    monotonic: false,
    labels: {},
    description: "",
    history: true,
  },
  ...given,
});

function faults(method: string, requests: readonly (readonly [string, JsonObject])[]): Call[] {
  return requests.map(([field, request]) =>
    refused(method, request, "INVALID_ARGUMENT", "INVALID_FIELD", { field }),
  );
}

const NOT_FOUND = ["NOT_FOUND", "POLICY_NOT_FOUND", {}] as const;

export const POLICIES: readonly Case[] = [
  {
    name: "a policy gives what it says to what is made, and holds at once when it is set anew",
    calls: [
      refused("GetPolicy", { prefix: "pol." }, ...NOT_FOUND),
      ok("ListPolicies", { prefix: "pol" }, { policies: [], nextPageToken: "" }),
      ok(
        "SetPolicy",
        { prefix: "pol.", settings: { max: "3", window: DAY } },
        {
          policy: {
            prefix: "pol.",
            settings: settings({ max: "3", window: DAY, idleTtl: "172800s" }),
            enforcement: "ENFORCEMENT_ENFORCE",
          },
        },
      ),
      ok("Increment", { name: "pol.a", amount: "3" }, { outcome: { value: "3", headroomUp: "0" } }),
      refused("Increment", { name: "pol.a" }, "OUT_OF_RANGE", "ABOVE_MAX", {
        ...{ name: "pol.a", value: "3", max: "3", requested: "1" },
      }),
      ok("GetCounter", { name: "pol.a" }, { counter: { policy: "pol.", max: "3", idleTtl: "172800s" } }),
      ok("GetPolicy", { prefix: "pol." }, { policy: { prefix: "pol." }, applied: "1", remaining: "0" }),
      ok(
        "SetPolicy",
        { prefix: "pol.", settings: { max: "4", window: DAY } },
        { policy: { prefix: "pol." } },
      ),
      ok("GetPolicy", { prefix: "pol." }, { applied: "0", remaining: "1" }),
      ok("TakeLimit", { name: "pol.a" }, { allowed: true, status: { max: "4", remaining: "0" } }),
      ok("GetPolicy", { prefix: "pol." }, { applied: "1", remaining: "0" }),
      ok("GetCounter", { name: "pol.a" }, { counter: { max: "4", value: "4", settingsRevision: "2" } }),
    ],
  },
  {
    name: "an update makes a counter follow none, and follow again",
    calls: [
      ok("UpdateCounter", { name: "pol.a", max: "9" }, { counter: { max: "9", settingsRevision: "3" } }),
      ok("GetPolicy", { prefix: "pol." }, { applied: "0", remaining: "0" }),
      ok(
        "UpdateCounter",
        { name: "pol.a", followPolicy: true, description: "d" },
        { counter: { max: "4", policy: "pol.", description: "d", settingsRevision: "4" } },
      ),
      refused(
        "UpdateCounter",
        { name: "pol.a", followPolicy: true, max: "9" },
        "INVALID_ARGUMENT",
        "INVALID_FIELD",
        {
          field: "follow_policy",
        },
      ),
      ok("Increment", { name: "free.of.it" }, { outcome: { value: "1" } }),
      refused("UpdateCounter", { name: "free.of.it", followPolicy: true }, "NOT_FOUND", "POLICY_NOT_FOUND", {
        name: "free.of.it",
      }),
    ],
  },
  {
    name: "pages, in the order of the prefixes; deletion hands counters on",
    calls: [
      ok(
        "SetPolicy",
        { prefix: "pol.b.", settings: { idleTtl: "0s" }, enforcement: "ENFORCEMENT_SHADOW" },
        {
          policy: { settings: settings({}), enforcement: "ENFORCEMENT_SHADOW" },
        },
      ),
      ok("SetPolicy", { prefix: "pol.c." }, { policy: { settings: settings({}) } }),
      ok(
        "ListPolicies",
        { prefix: "pol.", pageSize: 2 },
        { policies: [{ prefix: "pol." }, { prefix: "pol.b." }] },
      ),
      ok("Increment", { name: "pol.b.x", amount: "7" }, { outcome: { value: "7" } }),
      ok("DeletePolicy", { prefix: "pol.c." }, {}),
      refused("DeletePolicy", { prefix: "pol.c." }, ...NOT_FOUND),
      ok(
        "ListPolicies",
        { prefix: "pol." },
        { policies: [{ prefix: "pol." }, { prefix: "pol.b." }], nextPageToken: "" },
      ),
      ok("DeletePolicy", { prefix: "pol." }, {}),
      ok("DeletePolicy", { prefix: "pol.b." }, {}),
      ok("Increment", { name: "pol.b.y", amount: "9" }, { outcome: { value: "9" } }),
      ok("SetPolicy", { prefix: "", settings: { max: "5" } }, { policy: { prefix: "" } }), // For all.
      ok("Increment", { name: "all.new", amount: "5" }, { outcome: { headroomUp: "0" } }),
      ok("GetCounter", { name: "all.new" }, { counter: { policy: "", max: "5" } }),
      ...faults("DeletePolicy", [["prefix", {}]]),
      ok("DeletePolicy", { prefix: "" }, {}),
    ],
  },
  {
    name: "what no policy may say",
    calls: [
      refused(
        "SetPolicy",
        { prefix: "p", settings: { max: "5", refill: { amount: "1", every: "1s" } } },
        "FAILED_PRECONDITION",
        "SETTINGS_CONFLICT",
        { field: "settings.refill" },
      ),
      refused(
        "SetPolicy",
        { prefix: "p", settings: { max: "5", initial: "6" } },
        "OUT_OF_RANGE",
        "VALUE_OUTSIDE_BOUNDS",
        { field: "settings.initial", requested: "6", max: "5" },
      ),
      ...faults("SetPolicy", [
        ["prefix", { prefix: "-" }],
        ["prefix", { settings: { max: "5" } }],
        ["etag", { prefix: "p", etag: "" }],
        ["settings.labels", { prefix: "p", settings: { labels: { a: "b" } } }],
        ["settings.description", { prefix: "p", settings: { description: "d" } }],
        ["settings.min", { prefix: "p", settings: { min: "2", max: "1" } }],
        ["settings.idle_ttl", { prefix: "p", settings: { idleTtl: "0.5s" } }],
        ["settings.idle_ttl", { prefix: "p", settings: { idleTtl: "1.0000001s" } }],
        [
          "settings.window.time_zone",
          { prefix: "p", settings: { window: { ...DAY, timeZone: "Europe/Nowhere" } } },
        ],
        ["settings.window.every", { prefix: "p", settings: { window: { every: "1.5s" } } }],
      ]),
      ...faults("GetPolicy", [["prefix", { prefix: "-" }]]),
      ...faults("DeletePolicy", [["prefix", { prefix: "a b" }]]),
      ...faults("ListPolicies", [
        ["page_size", { pageSize: 0 }],
        ["page_token", { pageToken: "x" }],
      ]),
    ],
  },
];
