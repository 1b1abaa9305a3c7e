import type { ServerInfo } from "../../src/transports/calls/admin/server-info.ts";

/** A process in trouble, as the reference has it for an example. */
export const SERVER_INFO: ServerInfo = {
  version: "0.1.0",
  startTimeMs: 0,
  auth: "required",
  store: {
    title: "SQLite 3.54.1, /var/lib/tally/tally.db",
    promise: "Every answered change is on disk (fsync) before its answer leaves.",
    durability: "fsync",
  },
  limits: { "queue-wait-max": "250ms", "request-ids-keep": "1d" },
  warnings: ["Changes are not taken: the disk is full."],
  state: {
    instance: "db1:4711",
    size: { counters: 120_000, bytes: 52_428_800, roomBytes: 1_048_575 },
    lastMinute: { seconds: 60, calls: 48_750, refusedCalls: 135, operations: 48_615, commits: 5_790 },
    threads: [
      { name: "main", busyPercent: 25, heapBytes: 41_943_040 },
      { name: "write", busyPercent: 12, heapBytes: 16_777_216 },
    ],
    warnings: [],
  },
};
