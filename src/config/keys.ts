import { z } from "zod";
import { LOG_LEVELS } from "../telemetry/log-events.ts";
import { CALLER_KEYS } from "./caller-keys.ts";
import { address, count, duration, type Key, listOf, oneOf, optional, path, ratio, size } from "./kinds.ts";
import type { OidcIssuers } from "./oidc.ts";
import { whyNoHostName, whyNoOrigin } from "./origins.ts";

/** Every setting, in the order of help. A field's name ends in its unit. */
export const KEYS = {
  listen: {
    ...address(),
    name: "listen",
    group: "Where",
    about: "address to serve on, gRPC and HTTP; port 0 takes a free one",
    default: "127.0.0.1:8080",
  },
  grpcListen: {
    ...optional(address()),
    name: "grpc-listen",
    group: "Where",
    about: "address to serve gRPC on instead, if it is to have a port of its own",
    default: "",
  },
  metricsListen: {
    ...optional(address()),
    name: "metrics-listen",
    group: "Where",
    about:
      "address to serve /metrics, /livez and /readyz on besides, and nothing else: in plaintext, to whoever asks, without credentials; for scrapers and probes in a network of trust",
    default: "",
  },
  http2Engine: {
    ...oneOf("<engine>", ["own", "grpc-js"]),
    name: "http2-engine",
    group: "Where",
    about:
      "what carries HTTP/2: own has gRPC, REST, Connect, gRPC-Web and the page on it; grpc-js has gRPC alone, and costs more a call",
    default: "own",
  },
  store: {
    name: "store",
    group: "Where",
    about: "where counters are kept; an SQLite file, or a schema in PostgreSQL, is made if it is missing",
    expected: "sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or memory:",
    default: "sqlite:./tally.db",
    placeholder: "<url>",
    schema: z
      .string()
      .regex(/^(sqlite:.+|memory:|postgres(ql)?:\/\/.+)$/i)
      .transform((url) => url.replace(/^\w+/, (scheme) => scheme.toLowerCase())),
  },
  migratesAtStart: {
    name: "migrate-at-start",
    group: "Where",
    about:
      "make the store, or bring an older one to this version's schema, at start; false refuses it until `tally migrate up` has",
    expected: "true or false",
    default: "true",
    placeholder: "<true|false>",
    schema: z.union([z.boolean(), z.stringbool()]),
  },
  insecure: {
    name: "insecure",
    group: "Where",
    about:
      "allow an address that other machines can reach, although nobody has to prove who they are, or what proves it can be read on the way (auth = required without TLS)",
    expected: "true or false",
    default: "false",
    placeholder: "",
    schema: z.union([z.boolean(), z.stringbool()]),
  },
  ...CALLER_KEYS,
  allowOrigins: {
    name: "allow-origin",
    group: "Where",
    about:
      "origins whose pages in browsers may call this server, beside its own, separated by commas; * is every one",
    expected: "origins such as https://shop.example, or *",
    default: "",
    placeholder: "<origins>",
    schema: listOf((text) => (text === "*" ? undefined : whyNoOrigin(text))),
  },
  hostNames: {
    name: "host-names",
    group: "Where",
    about:
      "names that callers may ask for this server by over HTTP, beside IP addresses and localhost, separated by commas; * is every one. Looked at in plaintext on a loopback address, and wherever it is set",
    expected: "names such as counters.example, or *",
    default: "",
    placeholder: "<names>",
    schema: listOf((text) => (text === "*" ? undefined : whyNoHostName(text))).transform((names) =>
      names.map((name) => name.toLowerCase()),
    ),
  },
  tlsCertFile: {
    ...path(),
    name: "tls-cert-file",
    group: "Where",
    about: "serve over TLS alone, with this certificate: PEM, the server's own first, then the chain",
  },
  tlsKeyFile: {
    ...path(),
    name: "tls-key-file",
    group: "Where",
    about: "the private key of the certificate: PEM, without a passphrase",
  },
  tlsClientCaFile: {
    ...path(),
    name: "tls-client-ca-file",
    group: "Where",
    about: "certificates of the authorities that sign those of clients: PEM, up to the root",
  },
  tlsClientAuth: {
    ...oneOf("<mode>", ["off", "optional", "required"]),
    name: "tls-client-auth",
    group: "Where",
    about:
      "whether clients are asked for a certificate, where gRPC is served; required needs a port for gRPC alone (grpc-listen), for browsers and probes bring none",
    default: "off",
  },
  drainGraceMs: {
    ...duration("0s", "1h"),
    name: "drain-grace",
    group: "Where",
    about: "how long calls in flight may take to finish after SIGTERM",
    default: "8s", // Below the 10 s after which `docker stop` kills.
  },
  logLevel: {
    ...oneOf("<level>", LOG_LEVELS),
    name: "log-level",
    group: "Log",
    about: "the least important events to log",
    default: "info",
    isReloadable: true,
  },
  logFormat: {
    ...oneOf("<format>", ["auto", "pretty", "json"]),
    name: "log-format",
    group: "Log",
    about: "json lines, or pretty for people; auto is pretty on a terminal and json elsewhere",
    default: "auto",
  },
  accessLogRatio: {
    ...ratio(),
    name: "access-log",
    group: "Log",
    about:
      "how many of all calls are logged when they end, by chance: 0.01 is one in a hundred, 1 each one, 0 none; at log-level info or debug",
    default: "0",
    isReloadable: true,
  },
  slowCallLogMs: {
    ...optional(duration("1ms", "1h")),
    name: "slow-call-log",
    group: "Log",
    about:
      "from how long on a call is logged as slow, ten a second at most; nothing is never; a stream may take as long as it likes",
    default: "",
    isReloadable: true,
  },
  traceRatio: {
    ...ratio(),
    name: "trace-ratio",
    group: "Log",
    about:
      "how many of the calls that say nothing of a trace begin one, where traces are sent (OTEL_EXPORTER_OTLP_ENDPOINT): 1 each one, 0 none; those whose caller records them are always in its trace",
    default: "0",
    isReloadable: true,
  },
  queueOpsMax: {
    ...count(8_000, 10_000_000),
    name: "queue-ops-max",
    group: "Limits",
    about: "operations that may wait for a commit; beyond it a call is refused at once, not applied",
    default: "64000",
  },
  queueBytesMax: {
    ...size("4MiB", "16GiB"),
    name: "queue-bytes-max",
    group: "Limits",
    about: "memory that waiting operations may take",
    default: "64MiB",
  },
  queueWaitMaxMs: {
    ...duration("10ms", "1h"),
    name: "queue-wait-max",
    group: "Limits",
    about:
      "how long a call may have to wait for its answer; one that would wait longer is refused, not applied",
    default: "250ms",
  },
  unaryBytesMax: {
    ...size("16KiB", "4MiB"),
    name: "unary-bytes-max",
    group: "Limits",
    about: "message of a call on one counter",
    default: "64KiB",
  },
  batchBytesMax: {
    ...size("64KiB", "16MiB"),
    name: "batch-bytes-max",
    group: "Limits",
    about: "message of a BatchApply or BatchGetCounters",
    default: "4MiB",
  },
  cachedCountersMax: {
    ...count(0, 10_000_000),
    name: "cached-counters-max",
    group: "Limits",
    about: "counters kept in memory to save reads before writes; some 500 bytes each",
    default: "100000",
  },
  streamsMax: {
    ...count(1, 100_000),
    name: "streams-max",
    group: "Limits",
    about: "calls at a time on one connection",
    default: "256",
  },
  metricsCountersMax: {
    ...count(1, 100_000),
    name: "metrics-counters-max",
    group: "Limits",
    about: "counters that /metrics/counters gives at a time; what is more is refused",
    default: "1000",
  },
  openStreamsMax: {
    ...count(1, 1_000_000),
    name: "open-streams-max",
    group: "Limits",
    about: "calls that are answered by a stream, at a time, of all connections",
    default: "10000",
  },
  connectionsMax: {
    ...count(1, 1_000_000),
    name: "connections-max",
    group: "Limits",
    about:
      "connections at a time; one more is closed at once, unless there is one of gRPC without a call so far",
    default: "10000",
  },
  arrivingBytesMax: {
    ...size("16MiB", "1024GiB"),
    name: "arriving-bytes-max",
    group: "Limits",
    about: "memory that requests may take while they arrive",
    default: "256MiB",
  },
  connectionBytesMax: {
    ...size("16MiB", "16GiB"),
    name: "connection-bytes-max",
    group: "Limits",
    about: "the same, of one connection of gRPC",
    default: "32MiB",
  },
  leavingBytesMax: {
    ...size("16MiB", "1024GiB"),
    name: "leaving-bytes-max",
    group: "Limits",
    about: "memory that answers may take until their callers take them, with http2-engine = own",
    default: "256MiB",
  },
  streamResetsBurst: {
    ...count(100, 1_000_000_000),
    name: "stream-resets-burst",
    group: "Limits",
    about:
      "calls that a connection of gRPC may reset at once; beyond it the connection ends after its calls in flight",
    default: "10000",
  },
  streamResetsRate: {
    ...count(1, 1_000_000_000),
    name: "stream-resets-rate",
    group: "Limits",
    about: "calls that a connection of gRPC may reset a second, in the long run",
    default: "1000",
  },
  headerBytesMax: {
    ...size("4KiB", "1MiB"),
    name: "header-bytes-max",
    group: "Limits",
    about: "headers of a request; over HTTP/2 each field counts 32 bytes more",
    default: "16KiB",
  },
  firstBytesMs: {
    ...duration("100ms", "1h"),
    name: "first-bytes-timeout",
    group: "Limits",
    about:
      "how long a new connection may stay silent, and how long it may take to shake hands over TLS or HTTP/2",
    default: "10s",
  },
  headersMs: {
    ...duration("100ms", "1h"),
    name: "headers-timeout",
    group: "Limits",
    about: "how long the headers of an HTTP/1.1 request may take to arrive",
    default: "10s",
  },
  requestMs: {
    ...duration("100ms", "1h"),
    name: "request-timeout",
    group: "Limits",
    about: "how long a request may take to arrive: over HTTP/1.1 headers and body, over gRPC its message",
    default: "10s",
  },
  idleMs: {
    ...duration("100ms", "1h"),
    name: "idle-timeout",
    group: "Limits",
    about:
      "how long an HTTP/1.1 connection may be idle between requests, and an answer over gRPC not be taken",
    default: "60s",
  },
  grpcIdleMs: {
    ...duration("1s", "24h"),
    name: "grpc-idle-timeout",
    group: "Limits",
    about: "how long a gRPC connection may be without a call; clients connect again by themselves",
    default: "30m", // As long as gRPC's clients keep a channel that is not used.
  },
  grpcAgeMs: {
    ...optional(duration("1s", "7d")),
    name: "grpc-connection-age",
    group: "Limits",
    about:
      "how old a gRPC connection may become, a tenth more or less; clients connect again by themselves, so that instances that are new get calls. Nothing is as old as it likes",
    default: "",
  },
  grpcAgeGraceMs: {
    ...duration("0s", "1h"),
    name: "grpc-connection-grace",
    group: "Limits",
    about: "how long calls on such a connection may go on after that",
    default: "10s",
  },
  requestIdsKeepMs: {
    ...duration("1s", "3660d"),
    name: "request-ids-keep",
    group: "Retention",
    about: "how long a request id is remembered while there is room, in time that the service runs",
    default: "24h",
  },
  requestIdsFloorMs: {
    ...duration("0s", "3660d"),
    name: "request-ids-floor",
    group: "Retention",
    about: "how long a request id is remembered in any case; without room, new ids are refused",
    default: "1h",
  },
  requestIdsBytesMax: {
    ...size("64KiB", "1024TiB"),
    name: "request-ids-bytes-max",
    group: "Retention",
    about: "room for request ids; a record takes about 110 bytes",
    default: "8GiB",
  },
  changeLogBytesMax: {
    ...size("64KiB", "1024TiB"),
    name: "change-log-bytes-max",
    group: "Retention",
    about: "room for the change log; beyond it the oldest changes become one opening value a counter",
    default: "1GiB",
  },
  history: {
    name: "history",
    group: "Retention",
    about:
      "whether to keep what became of counters over time; false writes no buckets, and drops none that are there",
    expected: "true or false",
    default: "true",
    placeholder: "<true|false>",
    schema: z.union([z.boolean(), z.stringbool()]),
  },
  historyBytesMax: {
    ...size("64KiB", "1024TiB"),
    name: "history-bytes-max",
    group: "Retention",
    about:
      "room for history; beyond it the oldest of the finest go first: minutes, then quarters of an hour, then days",
    default: "4GiB",
  },
  historyKeepMinutesMs: {
    ...duration("1h", "36600d"),
    name: "history-keep-minutes",
    group: "Retention",
    about: "how long history is kept by minutes",
    default: "2d",
  },
  historyKeepQuartersMs: {
    ...duration("1d", "36600d"),
    name: "history-keep-quarters",
    group: "Retention",
    about: "how long history is kept by quarters of an hour, of which hours and days of every zone are made",
    default: "400d",
  },
  historyKeepDaysMs: {
    ...optional(duration("1d", "36600d")),
    name: "history-keep-days",
    group: "Retention",
    about: "how long history is kept by UTC days; nothing is for ever",
    default: "",
  },
  backupDir: {
    ...path(),
    name: "backup-dir",
    group: "Backup",
    about: "folder of its own for the backups that the server makes of an SQLite store",
    placeholder: "<folder>",
  },
  backupEveryMs: {
    ...optional(duration("1m", "366d")),
    name: "backup-every",
    group: "Backup",
    about: "how often it makes one; nothing is never",
    default: "",
  },
  backupKeep: {
    ...count(1, 100_000),
    name: "backup-keep",
    group: "Backup",
    about: "how many are kept; the oldest go first, once there is a new one",
    default: "7",
  },
  backupRate: {
    ...size("1MiB", "1024GiB"),
    name: "backup-rate",
    group: "Backup",
    about: "how much is read and written a second for one, at most",
    default: "64MiB",
  },
  archiveDir: {
    ...path(),
    name: "archive-dir",
    group: "Backup",
    about: "folder of its own for every change to an SQLite store, to restore any moment",
    placeholder: "<folder>",
  },
} as const satisfies Record<string, Key<unknown>>;

/** What the settings are, each by its key. */
export type KeyedConfig = {
  readonly [Field in keyof typeof KEYS]: z.output<(typeof KEYS)[Field]["schema"]>;
};

/** The configuration of a server: read once, then frozen. */
export type Config = KeyedConfig & {
  /** Whose tokens say who calls: tables of the file. */
  readonly oidc: OidcIssuers;
};
