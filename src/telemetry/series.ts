import { ERROR_CODES } from "../core/errors.ts";
import type { Family, LabelValues } from "./family.ts";
import { RPCS } from "./rpcs.ts";

/** Where calls come in: `rest` is /v1/, `short` the few paths below /counters/. */
export const DOORS = ["grpc", "connect", "grpc_web", "rest", "short"] as const;
/** One of them. */
export type Door = (typeof DOORS)[number];

/** gRPC's codes, each at its number. */
export const CODES = [
  ...["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"],
  ...["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"],
  ...["UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"],
] as const;

/** From 0.25 ms to 10 s; with the one that has no bound they are sixteen buckets. */
const CALL_SECONDS = [
  ...[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
];

/** What can be done to a counter, each at its number (core/op.ts). */
export const VERBS = [
  ...["increment", "decrement", "set", "reset", "create", "update", "delete", "take", "give_back"],
] as const;

/** What became of an operation: made, by this call or under its request id before; or not. */
export const OPERATION_OUTCOMES = ["applied", "not_applied", "replayed"] as const;

/** The parts of a commit, in their order. */
export const COMMIT_PHASES = ["wait", "load", "decide", "save", "commit"] as const;

const COMMIT_OPERATIONS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000, 8_000];

const COMMIT_SECONDS = [
  ...[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
];

/** Everything that Tally measures. Names are stable: people search and alert by them. */
export const SERIES = {
  calls: counter(
    "tally_calls_total",
    "Calls that have ended, refused ones too, by what they ended with. What is refused before it is known which method is meant is none.",
    { rpc: RPCS, door: DOORS, code: CODES },
    { door: ["grpc"], code: ["OK"] },
  ),
  callSeconds: histogram(
    "tally_call_seconds",
    "How long calls took that have ended, from their headers until the last byte of the answer was handed over.",
    { rpc: RPCS },
    CALL_SECONDS,
  ),
  callsInFlight: gauge("tally_calls_in_flight", "Calls that have begun and not ended, streams among them."),
  refusals: counter(
    "tally_refusals_total",
    "Calls that were refused, by the reason that their callers were told.",
    { reason: ERROR_CODES },
    { reason: ["QUEUE_FULL"] },
  ),
  callsWithoutCredential: counter(
    "tally_calls_without_credential_total",
    "Calls without a credential that were let in while auth is optional; once it is required they may what anonymous may.",
    { door: ["grpc", "http"] },
    "all", // Whoever is about to require credentials wants to see none.
  ),
  operations: counter(
    "tally_operations_total",
    "Operations on counters that came to a commit which succeeded, by what became of them; not_applied are those that were refused, found no room or were only tried.",
    { verb: VERBS, outcome: OPERATION_OUTCOMES },
  ),
  queueOperations: gauge("tally_queue_operations", "Operations that wait for a commit."),
  queueBytes: gauge("tally_queue_bytes", "Memory that the operations take which wait for a commit."),
  queueOldestSeconds: gauge(
    "tally_queue_oldest_seconds",
    "For how long the call has waited for a commit that has waited longest; 0 where none waits.",
  ),
  commits: counter(
    "tally_commits_total",
    "Commits, by what is known of them: committed, certainly not_applied, or unknown.",
    { outcome: ["committed", "not_applied", "unknown"] },
    "all",
  ),
  commitsInFlight: gauge("tally_commits_in_flight", "Commits that have begun and not ended."),
  commitOperations: histogram(
    "tally_commit_operations",
    "How many operations a commit had that succeeded.",
    {},
    COMMIT_OPERATIONS,
  ),
  commitSeconds: histogram(
    "tally_commit_seconds",
    "How long the parts of a commit took that succeeded: wait (of the call that waited longest), load, decide, save, and commit, which on SQLite has the fsync in it. What a store cannot tell apart is with the part after it; of one that changed nothing there are no save and commit.",
    { phase: COMMIT_PHASES },
    COMMIT_SECONDS,
  ),
  openConnections: gauge("tally_open_connections", "Connections that are open, of all doors."),
  openStreams: gauge("tally_open_streams", "Calls answered by a stream that are open."),
  receivedBytes: counter(
    "tally_received_bytes_total",
    "Bytes that came in on all connections, as they were on the wire.",
  ),
  sentBytes: counter(
    "tally_sent_bytes_total",
    "Bytes that went out on all connections, as they were on the wire.",
  ),
  backupEverySeconds: gauge(
    "tally_backup_every_seconds",
    "How often the server is to make a backup (backup-every); 0 where it makes none by itself.",
  ),
  backupLastTime: gauge(
    "tally_backup_last_time_seconds",
    "When the newest good backup in backup-dir was begun, in seconds since the Unix epoch; 0 where there is none.",
  ),
  backupLastBytes: gauge("tally_backup_last_bytes", "How large that backup is."),
  backupLastSeconds: gauge(
    "tally_backup_last_seconds",
    "How long it took to make; 0 of one from before the process began.",
  ),
  backupFailures: counter("tally_backup_failures_total", "Backups that were to be made, and failed."),
  startTime: gauge(
    "tally_start_time_seconds",
    "When the server began to start, in seconds since the Unix epoch.",
  ),
  cpuSeconds: counter(
    "tally_cpu_seconds_total",
    "The processor's time that the process has used, in all threads.",
  ),
  residentBytes: gauge("tally_resident_bytes", "Memory that the process has, as the system counts it."),
  heapBytes: gauge("tally_heap_bytes", "Memory in use on a thread's heap of JavaScript.", {
    thread: ["main"],
  }),
  eventLoopActiveSeconds: counter(
    "tally_event_loop_active_seconds_total",
    "How long a thread's event loop did something and did not wait; its rate is how busy the thread is, 1 at most.",
    { thread: ["main"] },
  ),
  eventLoopDelayP99Seconds: gauge(
    "tally_event_loop_delay_p99_seconds",
    "By how much a timer of 20 ms was late, at most, in 99 of 100 cases since this was asked for last.",
    { thread: ["main"] },
  ),
  eventLoopDelayMaxSeconds: gauge(
    "tally_event_loop_delay_max_seconds",
    "By how much a timer of 20 ms was late at worst since this was asked for last.",
    { thread: ["main"] },
  ),
} as const;

/** By what a series is known here. */
export type SeriesKey = keyof typeof SERIES;

/** A value for each label of a series. */
export type LabelsOf<Key extends SeriesKey> = {
  readonly [Label in keyof (typeof SERIES)[Key]["labels"]]: (typeof SERIES)[Key]["labels"][Label] extends readonly (infer Value)[]
    ? Value
    : never;
};

function counter<const Labels extends LabelValues = Record<never, never>>(
  name: string,
  help: string,
  labels = {} as Labels,
  atZero: Family["atZero"] = Object.keys(labels).length === 0 ? "all" : "none",
) {
  return { kind: "counter", name, help, labels, atZero, bounds: [] } as const;
}

function gauge<const Labels extends LabelValues = Record<never, never>>(
  name: string,
  help: string,
  labels = {} as Labels,
) {
  return { kind: "gauge", name, help, labels, atZero: "all", bounds: [] } as const;
}

function histogram<const Labels extends LabelValues>(
  name: string,
  help: string,
  labels: Labels,
  bounds: readonly number[],
) {
  return { kind: "histogram", name, help, labels, atZero: "none", bounds } as const;
}
