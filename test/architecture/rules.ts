/**
 * Who may import whom: the table of docs/ARCHITECTURE.md, executable. The first rule whose `of` a file's path
 * starts with is the file's rule, so the narrower ones come first.
 */
export interface Rule {
  /** The file or folder the rule is for, from the root of the repository. */
  readonly of: string;
  /** Files and folders of ours it may import; "types of X" where only types may come from there. */
  readonly own: readonly string[];
  /** Packages it may import: its own protocol library or driver. */
  readonly packages: readonly string[];
  /** Whether it may use Node's own modules. */
  readonly builtins: boolean;
  /** Those of Node's own modules that it may not use all the same. */
  readonly without?: readonly string[];
}

const TELEMETRY = "src/telemetry"; // telemetry.ts and telemetry/
const NAMED = "src/named-"; // named-file.ts, named-pipe.ts
const SECRETS = "src/core/secrets.ts";

/** What a grant means, which people are shown before a server judges by it. */
const GRANTS = ["src/core/grants.ts", "src/core/permissions.ts"];

/** What stores share. */
const STORES_SHARED = "src/stores/shared/";

const TRANSPORTS_OWN = [
  "src/transports/",
  "src/http2/",
  "src/wire/",
  "src/service/",
  "src/core/",
  "types of src/guard/",
  "gen/",
  NAMED,
  TELEMETRY,
];

export const RULES: readonly Rule[] = [
  { of: "src/core/", own: ["src/core/"], packages: [], builtins: false },
  { of: "src/service/", own: ["src/service/", "src/core/", TELEMETRY], packages: [], builtins: true },
  {
    of: "src/stores/sqlite/",
    own: ["src/stores/sqlite/", STORES_SHARED, "src/service/store", "src/core/", NAMED, TELEMETRY],
    packages: ["better-sqlite3"],
    builtins: true,
  },
  {
    of: "src/stores/postgres/",
    own: ["src/stores/postgres/", STORES_SHARED, "src/service/store", "src/core/", NAMED, TELEMETRY],
    packages: ["pg"],
    builtins: true,
  },
  {
    of: "src/stores/memory/",
    own: ["src/stores/memory/", STORES_SHARED, "src/service/store", "src/core/", TELEMETRY],
    packages: [],
    builtins: true,
  },
  {
    of: "src/stores/open.ts",
    own: ["src/stores/", "src/service/store", "src/core/", TELEMETRY],
    packages: [],
    builtins: true,
  },
  {
    of: "src/stores/shared/calendar.ts",
    own: ["types of src/core/"],
    packages: ["temporal-polyfill"],
    builtins: true, // To load it when it is first needed.
  },
  {
    of: STORES_SHARED,
    own: [STORES_SHARED, "src/core/", "types of src/service/store"],
    packages: [],
    builtins: false,
  },
  {
    of: "src/wire/", // What of Protobuf is read and written by hand, by the server and the client.
    own: ["src/wire/", "src/core/", "types of src/service/call.ts", "gen/"],
    packages: ["@bufbuild/protobuf"],
    builtins: true,
    without: ["node:http", "node:https", "node:http2"],
  },
  {
    of: "src/http2/",
    own: ["src/http2/"],
    packages: [],
    builtins: true,
    without: ["node:http", "node:https", "node:http2"],
  },
  // The two engines. What stands on them knows neither's types, so that a third can take their place.
  {
    of: "src/transports/grpc-js/",
    own: TRANSPORTS_OWN,
    packages: ["@grpc/grpc-js", "@bufbuild/protobuf"],
    builtins: true,
    without: ["node:http", "node:https"],
  },
  {
    of: "src/transports/node-http/",
    own: TRANSPORTS_OWN,
    packages: [],
    builtins: true,
    without: ["node:http2"],
  },
  {
    of: "src/transports/",
    own: TRANSPORTS_OWN,
    packages: [
      "@bufbuild/protobuf",
      "@bufbuild/protovalidate",
      "@connectrpc/connect",
      "@connectrpc/connect-node",
    ],
    builtins: true,
    without: ["node:http", "node:https", "node:http2"],
  },
  {
    of: "src/config", // config.ts and config/
    own: ["src/config", "types of src/core/", "src/core/grants.ts", SECRETS, NAMED, TELEMETRY],
    packages: ["zod", "smol-toml"],
    builtins: true,
  },
  {
    of: "src/guard/tokens/",
    own: [
      "src/guard/",
      "src/core/",
      "types of src/transports/calls/authorise.ts",
      "src/transports/json/parse.ts", // Which JSON is ambiguous is said in one place.
      TELEMETRY,
    ],
    packages: ["jose"],
    builtins: true,
    without: ["node:http", "node:https", "node:http2"],
  },
  {
    of: "src/guard/", // Doors ask it, and it knows of them no more than what a call's head is.
    own: [
      "src/guard/",
      "src/core/",
      "types of src/service/store",
      "types of src/transports/calls/authorise.ts",
      NAMED,
      TELEMETRY,
    ],
    packages: [],
    builtins: true,
    without: ["node:http", "node:https", "node:http2"],
  },
  {
    of: "src/telemetry/otlp/", // Loaded only where traces are asked for: people install these packages themselves.
    own: [TELEMETRY, "types of src/core/clock.ts"],
    packages: [
      "@opentelemetry/api",
      "@opentelemetry/resources",
      "@opentelemetry/sdk-trace-base",
      "@opentelemetry/exporter-trace-otlp-proto",
      "@opentelemetry/exporter-trace-otlp-http",
    ],
    builtins: true,
  },
  {
    of: TELEMETRY,
    own: [TELEMETRY, "src/core/errors.ts", "types of src/core/clock.ts", "types of src/core/columns.ts"],
    packages: ["pino", "pino-pretty"],
    builtins: true,
  },
  { of: NAMED, own: [NAMED], packages: [], builtins: true },
  { of: "src/system-clock.ts", own: ["types of src/core/"], packages: [], builtins: false },
  { of: "src/start-error.ts", own: ["src/core/errors.ts"], packages: [], builtins: false },
  {
    of: "src/store-tools.ts",
    own: [
      ...["src/core/", "src/service/", "src/guard/first-admin.ts", "src/stores/open.ts"],
      ...["src/start-error.ts", "src/system-clock.ts"],
    ],
    packages: ["uuid"],
    builtins: true, // For random bytes.
  },
  {
    of: "src/file-tools.ts",
    own: [
      "src/core/",
      "types of src/service/store",
      "src/guard/revocations.ts",
      "src/stores/",
      "src/start-error.ts",
      "src/system-clock.ts",
    ],
    packages: ["uuid"],
    builtins: true,
  },
  {
    of: "src/server", // server.ts and server/
    own: [
      "src/server/",
      ...[
        "src/core/",
        "src/service/",
        "src/stores/",
        "src/transports/",
        "src/guard/",
        "src/config.ts",
        TELEMETRY,
      ],
      ...["src/start-error.ts", "src/system-clock.ts"],
    ],
    packages: ["uuid"],
    builtins: true,
  },
  {
    of: "src/client/", // For services too: it knows nothing of the server, nor of the command line.
    own: ["src/client/", "src/wire/", "gen/"],
    packages: ["@bufbuild/protobuf"],
    builtins: true,
  },
  // Only these load the server: whatever else the command line does starts without it.
  {
    of: "src/cli/serve.ts",
    own: ["src/cli/", "src/server.ts", "src/config.ts", TELEMETRY],
    packages: ["commander"],
    builtins: true,
  },
  {
    of: "src/cli/reload.ts",
    own: ["types of src/server.ts", "src/config.ts", TELEMETRY],
    packages: [],
    builtins: false,
  },
  {
    of: "src/cli/banner.ts",
    own: ["types of src/server.ts", "src/config.ts", TELEMETRY],
    packages: [],
    builtins: true,
  },
  {
    of: "src/cli/start-failure.ts",
    own: ["src/cli/", "src/start-error.ts", "src/config/error.ts"],
    packages: [],
    builtins: false,
  },
  ...[
    ...["src/cli/accept.ts", "src/cli/auth-init.ts", "src/cli/copy.ts", "src/cli/epoch.ts"],
    "src/cli/migrate.ts",
  ].map((of) => ({
    of,
    own: [
      "src/cli/",
      "src/store-tools.ts",
      "src/service/copy-errors.ts",
      "types of src/service/copy-parts.ts",
      "types of src/service/store",
    ],
    packages: ["commander"],
    builtins: true,
  })),
  ...["backup", "restore", "verify", "verification"].map((name) => ({
    of: `src/cli/${name}.ts`,
    own: ["src/cli/", "src/file-tools.ts", "src/config/quantity.ts", "types of src/service/store"],
    packages: ["commander"],
    builtins: true,
  })),
  {
    of: "src/cli/transfer/redis.ts", // The only one that imports a package which people install themselves.
    own: ["src/cli/", "src/config/quantity.ts", "src/core/name.ts", SECRETS],
    packages: ["@redis/client", "@bufbuild/protobuf"],
    builtins: true,
  },
  {
    of: "src/cli/token-mint.ts", // Signs by itself, without asking a server.
    own: ["src/cli/", "src/guard/api-key.ts", "src/guard/tokens/", "src/core/messages.ts"],
    packages: ["commander"],
    builtins: false,
  },
  {
    of: "src/cli/",
    own: [
      "src/cli/",
      "src/client/",
      "src/wire/",
      "gen/",
      "src/config/quantity.ts",
      "src/core/name.ts",
      "src/core/pace.ts",
      ...GRANTS,
      NAMED,
      SECRETS,
    ],
    packages: ["commander", "@bufbuild/protobuf", "yaml", "smol-toml"],
    builtins: true,
  },
  { of: "src/console/vite.config.ts", own: ["gen/console"], packages: ["vite"], builtins: true },
  {
    of: "src/console/", // In the browser: nothing of the server but the edges of int64, and no annotations.
    own: ["src/console/", "gen/browser/", "src/core/int64.ts", "src/core/pace.ts", ...GRANTS],
    packages: [
      "@bufbuild/protobuf",
      "@connectrpc/connect",
      "@connectrpc/connect-web",
      "@preact/signals",
      "preact",
      "uplot",
      "uuid",
    ],
    builtins: false,
  },
  { of: "gen/console/", own: ["gen/console/"], packages: [], builtins: false },
  { of: "gen/", own: ["gen/"], packages: ["@bufbuild/protobuf", "@bufbuild/protovalidate"], builtins: false },
  // It must run on any Node, to say which one Tally needs; what it starts it imports after that.
  { of: "bin/", own: ["bin/", "src/cli/", "dist/src/cli/"], packages: [], builtins: true },
];
