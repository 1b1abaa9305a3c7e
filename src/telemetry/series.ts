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

/** Who measures, each into a block of its own: `main` does the network, the others are SQLite's. */
export const THREADS = ["main", "write", "read", "scan", "history"] as const;
/** One of them. */
export type ThreadName = (typeof THREADS)[number];

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

/** What callers are denied for who they are, what they may, or how often. */
export const DENIED_REASONS = [
  ...["CREDENTIAL_MISSING", "CREDENTIAL_INVALID", "CREDENTIAL_AMBIGUOUS", "CREDENTIAL_EXPIRED"],
  ...["CREDENTIAL_REVOKED", "PERMISSION_DENIED", "RATE_LIMITED"],
] as const;

/** The files of a store in SQLite. */
export const STORE_FILES = ["data", "wal", "history", "history_wal"] as const;

/** The connections to PostgreSQL, by what they are for. */
export const POOLS = ["commits", "reads", "upkeep"] as const;
/** One of them. */
export type PoolName = (typeof POOLS)[number];

/** Why a span is not where it was to be sent: as OpenTelemetry's conventions and SDKs have them. */
export const SPAN_DROPPED_REASONS = ["queue_full", "export_failed"] as const;
/** One of them. */
export type SpanDroppedReason = (typeof SPAN_DROPPED_REASONS)[number];

/** What V8 calls its collections, each at what Node.js calls it. */
export const GC_KINDS = ["minor", "major", "incremental", "weak_callbacks"] as const;

const COMMIT_OPERATIONS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000, 8_000];

const COMMIT_SECONDS = [
  ...[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
];

const GC_SECONDS = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

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
  commitCalls: counter(
    "tally_commit_calls_total",
    "Calls whose operations came to a commit that succeeded; those that came while another commit ran share one.",
  ),
  readsWaiting: gauge(
    "tally_reads_waiting",
    "Reads of many counters that wait for their turn, one of each kind at a time: pages, which are short, and scans.",
    { kind: ["pages", "scans"] },
  ),
  ready: gauge(
    "tally_ready",
    "Whether the store answers reads, and whether it takes changes: 1 if it does, as /readyz says, and 0 if not.",
    { what: ["reads", "writes"] },
  ),
  damaged: counter(
    "tally_damaged_rows_met_total",
    "Times that an answer met a damaged row, of which its caller was told ROW_CORRUPT.",
  ),
  historyLagSeconds: gauge(
    "tally_history_lag_seconds",
    "How long ago the changes were made up to which history has all; about a second when nothing is wrong. Of several instances on PostgreSQL the one tells it that does the work.",
    {},
    "known",
  ),
  rowCache: counter(
    "tally_row_cache_total",
    "Counters that a commit asked for, by whether the thread that writes remembered them or had to read them.",
    { outcome: ["hit", "miss"] },
    "known",
  ),
  checkpointSeconds: histogram(
    "tally_checkpoint_seconds",
    "How long it took to take the WAL into the data file, between two commits.",
    {},
    COMMIT_SECONDS,
  ),
  storeFileBytes: gauge(
    "tally_store_file_bytes",
    "How large the files of the store are, of each that is there. A WAL stays as large as it ever was until the server stops.",
    { file: STORE_FILES },
    "known",
  ),
  storeRoomBytes: gauge(
    "tally_store_room_bytes",
    "How much can still be written to the disk of the data file. From a megabyte down no change is taken.",
    {},
    "known",
  ),
  changeLogBytes: gauge("tally_change_log_bytes", "How large the change log is.", {}, "known"),
  changeLogRoomBytes: gauge(
    "tally_change_log_room_bytes",
    "How large the change log may become, change-log-bytes-max; then its oldest commits are dropped.",
    {},
    "known",
  ),
  changeLogCommits: gauge(
    "tally_change_log_commits",
    "How many commits the change log has that can be dropped, and the latest.",
    {},
    "known",
  ),
  changeLogOldest: gauge(
    "tally_change_log_oldest_time_seconds",
    "When the oldest commit was made that the change log has, in seconds since the Unix epoch.",
    {},
    "known",
  ),
  requestIdBytes: gauge(
    "tally_request_ids_bytes",
    "About how much the answers take that are remembered under request ids.",
    {},
    "known",
  ),
  requestIdRoomBytes: gauge(
    "tally_request_ids_room_bytes",
    "How much they may take, request-ids-bytes-max; then the oldest are forgotten early.",
    {},
    "known",
  ),
  requestIdOldestSeconds: gauge(
    "tally_request_ids_oldest_seconds",
    "For how long the oldest request ids have been remembered at most, in time that the service ran.",
    {},
    "known",
  ),
  requestIdsForgottenEarly: gauge(
    "tally_request_ids_forgotten_early",
    "Whether request ids are being forgotten before request-ids-keep has passed, for want of room: 1 or 0.",
    {},
    "known",
  ),
  storeRequests: gauge(
    "tally_store_requests",
    "What a thread of the store was asked for and has not answered.",
    { thread: THREADS },
    "known",
  ),
  postgresConnections: gauge(
    "tally_postgres_connections",
    "Connections to PostgreSQL, by what they are for, and whether they are in use.",
    { pool: POOLS, state: ["used", "idle"] },
    "known",
  ),
  postgresWaiting: gauge(
    "tally_postgres_waiting",
    "Who waits for a connection to PostgreSQL.",
    { pool: POOLS },
    "known",
  ),
  postgresWaitSeconds: histogram(
    "tally_postgres_wait_seconds",
    "How long it took to have a connection to PostgreSQL, for those who got one.",
    { pool: POOLS },
    COMMIT_SECONDS,
  ),
  decidedAgain: counter(
    "tally_decided_again_total",
    "Times that a batch was decided again, because another process had been quicker, or a connection was lost.",
    {},
    "known",
  ),
  catalogueAgeSeconds: gauge(
    "tally_catalogue_age_seconds",
    "How long ago who may call was last read from the store, while auth is on. From ten seconds on nobody is let in.",
    {},
    "known",
  ),
  denied: counter(
    "tally_denied_total",
    "What callers were denied for who they are, what they may, or how often; in a batch each such operation.",
    { reason: DENIED_REASONS },
  ),
  certificateEnds: gauge(
    "tally_certificate_end_time_seconds",
    "When the certificate ends that is shown to callers, in seconds since the Unix epoch; while there is one.",
    {},
    "known",
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
  archiveLagSeconds: gauge(
    "tally_archive_lag_seconds",
    "How long ago it was that everything committed was in the archive (archive-dir); about a second when nothing is wrong.",
    {},
    "known",
  ),
  archiveBroken: gauge(
    "tally_archive_broken",
    "Whether the archive is of no use now: 1 while it has a gap, its folder is not there, or there is no backup that it goes on from, else 0.",
    {},
    "known",
  ),
  traceSpansDropped: counter(
    "tally_trace_spans_dropped_total",
    "Spans that are not sent, where traces are: queue_full, for which there was no room while others waited; export_failed, which the collector did not take.",
    { reason: SPAN_DROPPED_REASONS },
    "known",
  ),
  startTime: gauge(
    "tally_start_time_seconds",
    "When the server began to start, in seconds since the Unix epoch.",
  ),
  cpuSeconds: counter(
    "tally_cpu_seconds_total",
    "The processor's time that the process has used, in all threads.",
  ),
  residentBytes: gauge("tally_resident_bytes", "Memory that the process has, as the system counts it."),
  heapBytes: gauge(
    "tally_heap_bytes",
    "Memory in use on a thread's heap of JavaScript.",
    { thread: THREADS },
    "known",
  ),
  eventLoopActiveSeconds: counter(
    "tally_event_loop_active_seconds_total",
    "How long a thread's event loop did something and did not wait; its rate is how busy the thread is, 1 at most.",
    { thread: THREADS },
    "known",
  ),
  eventLoopDelayP99Seconds: gauge(
    "tally_event_loop_delay_p99_seconds",
    "By how much a timer was late, at most, in 99 of 100 cases since this was asked for last. It is one of 20 ms, and of up to 160 ms while the thread does nothing.",
    { thread: THREADS },
    "known",
  ),
  eventLoopDelayMaxSeconds: gauge(
    "tally_event_loop_delay_max_seconds",
    "By how much a timer was late at worst since this was asked for last. It is one of 20 ms, and of up to 160 ms while the thread does nothing.",
    { thread: THREADS },
    "known",
  ),
  gcSeconds: histogram(
    "tally_gc_seconds",
    "How long the collections of garbage took that stopped the thread which does the network.",
    { kind: GC_KINDS },
    GC_SECONDS,
  ),
  reads: counter("tally_reads_total", "How often all this was put together to be told."),
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
  atZero: "all" | "known" = "all",
) {
  return { kind: "gauge", name, help, labels, atZero, bounds: [] } as const;
}

function histogram<const Labels extends LabelValues>(
  name: string,
  help: string,
  labels: Labels,
  bounds: readonly number[],
) {
  return { kind: "histogram", name, help, labels, atZero: "none", bounds } as const;
}
