import type { JsonObject } from "@bufbuild/protobuf";
import { CASES, type Call, type Case, ok, refused } from "../cases.ts";
import { HISTORIES } from "./histories.ts";
import { IF_MISSING } from "./if-missing.ts";
import { LIMITS } from "./limits.ts";
import { POLICIES } from "./policies.ts";
import { TIME } from "./time.ts";

/** The calls that every door answers alike, in this order: those of all clients, and more of what only doors do. */
export function script(): readonly Case[] {
  return [
    ...CASES,
    ...RETRIES,
    ...READS,
    ...TEXTS,
    ...FAILURES,
    ...TIME,
    ...LIMITS,
    ...IF_MISSING,
    ...POLICIES,
    ...HISTORIES,
  ];
}

/** Every change, sent twice under one id: the second is answered as the first, and an id belongs to its request. */
const RETRIES: readonly Case[] = [
  retried(
    "CreateCounter",
    { name: "again", value: "3", max: "9" },
    { counter: { value: "3", revision: "1" } },
    { description: "other" },
  ),
  retried("Increment", { name: "again", amount: "2" }, { outcome: { value: "5" } }, { amount: "3" }),
  retried("Decrement", { name: "again" }, { outcome: { previous: "5", value: "4" } }, { amount: "2" }),
  retried("Set", { name: "again", value: "8", note: "why" }, { outcome: { value: "8" } }, { note: "other" }),
  retried("Reset", { name: "again" }, { outcome: { value: "0", revision: "5" } }, { note: "other" }),
  retried(
    "UpdateCounter",
    { name: "again", max: "7" },
    { counter: { max: "7", settingsRevision: "2" } },
    { max: "8" },
  ),
  retried(
    "BatchApply",
    {
      operations: [
        { name: "again", increment: "7" },
        { name: "again", increment: "1" },
      ],
    },
    { outcomes: [{ value: "7" }, { refusal: { reason: "ABOVE_MAX" } }] },
    { allOrNothing: true },
  ),
  retried("DeleteCounter", { name: "again" }, { value: "7", revision: "6" }, { keepHistory: true }),
];

/** @param other  what is asked under the same id at last, which is refused */
function retried(method: string, request: JsonObject, answer: JsonObject, other: JsonObject): Case {
  const sent = { ...request, requestId: `retry-${method}` };
  const { outcome } = answer;
  const replayed = { replayed: true };
  const replay = outcome
    ? { outcome: { ...(outcome as JsonObject), ...replayed } }
    : { ...answer, ...replayed };
  const [field] = Object.keys(other);
  return {
    name: `${method}, retried`,
    calls: [
      ok(method, sent, answer),
      ok(method, sent, replay),
      refused(method, { ...sent, ...other }, "INVALID_ARGUMENT", "REQUEST_ID_REUSED", {
        field: snake(field!),
      }),
    ],
  };
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const READS: readonly Case[] = [
  {
    name: "reads of many counters, refused by the field at fault",
    calls: [
      refused("BatchGetCounters", { names: [] }, "INVALID_ARGUMENT", "INVALID_FIELD", { field: "names" }),
      refused("BatchGetCounters", { names: ["a", ""] }, "INVALID_ARGUMENT", "INVALID_FIELD", {
        field: "names[1]",
      }),
      refused("TopCounters", { n: 1_001 }, "INVALID_ARGUMENT", "INVALID_FIELD", { field: "n" }),
      refused("SumCounters", { prefix: "-" }, "INVALID_ARGUMENT", "INVALID_FIELD", { field: "prefix" }),
      refused("ListCounters", { pageSize: 0 }, "INVALID_ARGUMENT", "INVALID_FIELD", { field: "page_size" }),
      refused("ListCounters", { labels: { A: "" } }, "INVALID_ARGUMENT", "INVALID_FIELD", {
        field: 'labels["A"]',
      }),
    ],
  },
];

const TEXTS: readonly Case[] = [
  {
    name: "any legal name, label and text comes back as it was sent",
    calls: [
      "a/b",
      "user:42",
      "x:increment",
      "/cart?x=1&y=%20#z",
      "%",
      "%2F",
      "..",
      "~",
      "{a}+b=c;d,e",
      "n".repeat(200),
    ].flatMap((name) => [
      ok("Increment", { name }, { outcome: { name, value: "1" } }),
      ok("GetCounter", { name }, { counter: { name, value: "1" } }),
    ]),
  },
  {
    name: "labels that JavaScript has other plans for",
    calls: [
      ok("CreateCounter", { name: "proto", labels: labelled() }, { counter: { labels: labelled() } }),
      ok("GetCounter", { name: "proto" }, { counter: { labels: labelled() } }),
      ok("ListCounters", { labels: JSON.parse('{"__proto__": "own"}') }, { counters: [{ name: "proto" }] }),
      ok("ListCounters", { labels: JSON.parse('{"__proto__": "other"}') }, { counters: [] }),
      ok("SumCounters", { labels: { constructor: "made" } }, { count: "1" }),
      ok(
        "UpdateCounter",
        { name: "proto", labels: { tostring: "é\u0000\u{1F9EE}" } },
        {
          counter: { labels: { tostring: "é\u0000\u{1F9EE}" } },
        },
      ),
      ok("ListCounters", { labels: JSON.parse('{"__proto__": "own"}') }, { counters: [] }),
      ok("ListCounters", { labels: { tostring: "é\u0000\u{1F9EE}" } }, { counters: [{ name: "proto" }] }),
    ],
  },
];

/** As JSON has it: "__proto__" is a key like any other. */
function labelled(): JsonObject {
  return JSON.parse('{"__proto__": "own", "constructor": "made", "hasownproperty": ""}');
}

/** What is not the caller's doing. The world fails for counters of these names; see failing.ts. */
const FAILURES: readonly Case[] = [
  failing("STORE_UNAVAILABLE", "UNAVAILABLE"),
  failing("OUTCOME_UNKNOWN", "UNAVAILABLE"),
  failing("QUEUE_FULL", "RESOURCE_EXHAUSTED"),
  failing("REQUEST_IDS_FULL", "RESOURCE_EXHAUSTED"),
  failing("DRAINING", "UNAVAILABLE"),
  failing("DEADLINE_PASSED", "DEADLINE_EXCEEDED"),
  failing("CALL_CANCELLED", "CANCELLED"),
  failing("ROW_CORRUPT", "DATA_LOSS", { name: "fails.ROW_CORRUPT" }),
  {
    name: "a defect: what it may have done decides what is said",
    calls: [
      refused("Increment", { name: "fails.DEFECT" }, "UNAVAILABLE", "OUTCOME_UNKNOWN", {}),
      refused("Increment", { name: "fails.DEFECT_AT_ONCE" }, "INTERNAL", "INTERNAL_ERROR", {}),
      refused("GetCounter", { name: "fails.DEFECT" }, "INTERNAL", "INTERNAL_ERROR", {}),
    ],
  },
];

function failing(reason: string, status: string, metadata: Record<string, string> = {}): Case {
  const name = `fails.${reason}`;
  const calls: Call[] = [
    refused("Increment", { name }, status, reason, metadata),
    refused("DeleteCounter", { name }, status, reason, metadata),
  ];
  return { name: reason, calls };
}
