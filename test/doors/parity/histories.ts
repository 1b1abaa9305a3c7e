/** What became of counters, and who did it. Run after LIMITS; each begins on a whole hour. */
import type { JsonObject } from "@bufbuild/protobuf";
import { type Call, type Case, ok, refused } from "../cases.ts";

const HOUR = { every: "3600s", fill: "HISTORY_FILL_NONE" };
/** Long after all that went before, so that it is in no point. */
const MONTH_LATER = "2026-02-10T00:00:00Z";

/** So much after `call`s before it. */
function after(afterMs: number, call: Call): Call {
  return { ...call, afterMs };
}

function fault(method: string, request: JsonObject, field: string): Call {
  return refused(method, request, "INVALID_ARGUMENT", "INVALID_FIELD", { field });
}

export const HISTORIES: readonly Case[] = [
  {
    name: "a history by the hour, of a name and of a prefix",
    calls: [
      after(45 * 86_400_000, ok("CreateCounter", { name: "past.a", value: "5", max: "100" }, {})),
      ok("Increment", { name: "past.a", amount: "3" }, {}),
      after(3_600_000, ok("Decrement", { name: "past.a", amount: "2" }, {})),
      ok("Increment", { name: "past.b", amount: "9223372036854775807" }, {}),
      ok("Increment", { name: "past.c", amount: "9223372036854775807" }, {}),
      ok(
        "QueryHistory",
        { name: "past.a", start: MONTH_LATER, ...HOUR },
        {
          points: [
            {
              open: "0",
              close: "8",
              low: "5",
              high: "8",
              added: "8",
              removed: "0",
              rolled: "0",
              changes: "2",
            },
            {
              open: "8",
              close: "6",
              low: "6",
              high: "6",
              added: "0",
              removed: "2",
              rolled: "0",
              changes: "1",
            },
          ],
        },
      ),
      ok(
        "QueryHistory",
        { prefix: "past.", start: MONTH_LATER, ...HOUR },
        {
          points: [
            { close: "8" },
            { close: "18446744073709551620", added: "18446744073709551614", removed: "2" },
          ],
        },
      ),
      ok("QueryHistory", { prefix: "none.", start: MONTH_LATER, ...HOUR }, { points: [] }),
      fault("QueryHistory", {}, "subject"),
      fault("QueryHistory", { name: "past.a", every: "59s" }, "every"),
      fault("QueryHistory", { name: "past.a", every: "60.5s" }, "every"),
      fault("QueryHistory", { name: "past.a", calendar: "CALENDAR_UNIT_UNSPECIFIED" }, "calendar"),
      fault("QueryHistory", { name: "past.a", timeZone: "Mars/Olympus" }, "time_zone"),
      fault("QueryHistory", { name: "past.a", start: "1994-12-31T23:59:59Z" }, "start"),
      fault("QueryHistory", { name: "past.a", start: MONTH_LATER, end: MONTH_LATER }, "start"),
      refused(
        "QueryHistory",
        { name: "past.a", start: "2026-01-15T00:00:00Z", every: "60s" },
        "RESOURCE_EXHAUSTED",
        "HISTORY_TOO_LARGE",
        { max: "11000" },
      ),
    ],
  },
  {
    name: "who changed it, and what it was",
    calls: [
      ok("Set", { name: "past.a", value: "50", note: "counted by hand" }, {}),
      ok("UpdateCounter", { name: "past.a", max: "60" }, {}),
      ok(
        "ListChanges",
        { name: "past.a" },
        {
          changes: [
            { kind: "CHANGE_KIND_SETTINGS", value: "50", added: "0", revision: "4" },
            { kind: "CHANGE_KIND_SET", value: "50", added: "44", note: "counted by hand", revision: "4" },
            { kind: "CHANGE_KIND_CREATE", value: "5", added: "5", revision: "1" },
          ],
        },
      ),
      ok("ListChanges", { name: "past.a", pageSize: 1 }, { changes: [{ kind: "CHANGE_KIND_SETTINGS" }] }),
      fault("ListChanges", { name: "past.a", pageToken: "none" }, "page_token"),
      fault("ListChanges", { name: "past.a", pageSize: 0 }, "page_size"),
      fault("GetCounter", { name: "past.a", asOf: "1994-12-31T23:59:59Z" }, "as_of"),
    ],
  },
];
