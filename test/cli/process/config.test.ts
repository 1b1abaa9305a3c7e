/** Where a setting comes from, what it may be, and what is said when it cannot be used. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EXITS } from "../../../src/cli/exit.ts";
import { parseDuration, parseSize } from "../../../src/config/quantity.ts";
import {
  aboutOf,
  ConfigError,
  KEYS,
  limitsOf,
  loadConfig,
  type Sources,
  variableOf,
} from "../../../src/config.ts";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { DEFAULT_WRITER_LIMITS } from "../../../src/service/writer.ts";
import { sqlitePathOf } from "../../../src/stores/open.ts";
import { parseUrl } from "../../../src/stores/postgres/connection/url.ts";
import { DEFAULT_DOOR_LIMITS } from "../../../src/transports/door-limits.ts";
import { folder, serve } from "./tally.ts";

describe("precedence", () => {
  it("is flags, environment, file, default", () => {
    const file = tomlFile('queue-ops-max = 10001\ndrain-grace = "1s"\nlog-level = "warn"\n');
    const { config } = loadConfig({
      flags: { config: file, "queue-ops-max": "10003" },
      env: { TALLY_QUEUE_OPS_MAX: "10002", TALLY_DRAIN_GRACE: "2s" },
    });
    expect(config).toMatchObject({
      queueOpsMax: 10_003,
      drainGraceMs: 2_000,
      logLevel: "warn",
      streamsMax: 256,
      openStreamsMax: 10_000,
    });
  });

  it("holds for a process too, TALLY_CONFIG included", async () => {
    const file = tomlFile('listen = "127.0.0.1:1"\nstore = "sqlite:/none/file.db"\nlog-format = "pretty"\n');
    const server = serve([], {
      env: { TALLY_CONFIG: file, TALLY_LOG_FORMAT: "json", TALLY_STORE: "sqlite:/none" },
    });
    await expect(server.logged("server.ready")).resolves.toMatchObject({ durability: "none" });
  });

  it("takes an empty variable as not set", () => {
    expect(load({ env: { TALLY_STORE: "", TALLY_CONFIG: "" } }).config.store).toBe("sqlite:./tally.db");
  });
});

describe("the configuration", () => {
  it("is frozen, all the way down", () => {
    const { config } = load({});
    expect(Object.isFrozen(config) && Object.isFrozen(config.listen)).toBe(true);
  });

  it("has the defaults of the parts that it configures", () => {
    const { config } = load({});
    expect(config).toMatchObject({ ...DEFAULT_RETENTION, ...DEFAULT_DOOR_LIMITS });
    const { queueOpsMax, queueBytesMax } = DEFAULT_WRITER_LIMITS;
    expect(config).toMatchObject({ queueOpsMax, queueBytesMax });
  });

  it("has every setting under one name, with a default that can be used", () => {
    for (const key of Object.values(KEYS)) {
      expect(key.name).toMatch(/^[a-z][a-z0-9]*(-[a-z]+)*$/);
      expect(load({ env: { [variableOf(key.name)]: key.default } }).config).toEqual(load({}).config);
    }
  });

  it("takes TOML's own numbers and switches", () => {
    const file = tomlFile("insecure = true\nqueue-bytes-max = 8_388_608\nstreams-max = 7\n");
    const { config } = load({ flags: { config: file } });
    expect(config).toMatchObject({ insecure: true, queueBytesMax: 8 * 2 ** 20, streamsMax: 7 });
  });
});

describe("the store", () => {
  it("is known by its scheme in any case, and keeps the case of what follows", () => {
    for (const [given, kept] of [
      ["POSTGRES://Tally@DB/T", "postgres://Tally@DB/T"],
      ["PostgreSQL://db/T", "postgresql://db/T"],
      ["SQLite:./Tally.db", "sqlite:./Tally.db"],
      ["MEMORY:", "memory:"],
    ] as const)
      expect(loadConfig({ flags: { store: given }, env: {} }).config.store).toBe(kept);
    expect(sqlitePathOf("SQLITE:./Tally.db", "")).toBe("./Tally.db"); // Of the tools, which have no configuration.
    expect(parseUrl("POSTGRES://db/T", {})).toMatchObject({ shown: "db/T, schema tally" });
  });
});

describe("the address", () => {
  it.for(["127.0.0.1:8080", "127.8.9.1:0", "[::1]:8080", "localhost:8080", "[::ffff:127.0.0.1]:80"])(
    "%s is this machine's own",
    (listen) => {
      expect(load({ flags: { listen } }).config.listen.port).toBe(Number(listen.split(":").at(-1)));
    },
  );

  it.for(["0.0.0.0:8080", "[::]:8080", "10.0.0.1:8080", "example.com:80", "[::ffff:10.0.0.1]:80"])(
    "%s needs --insecure",
    (listen) => {
      expect(() => load({ flags: { listen } })).toThrow("accept this with --insecure");
      expect(() => load({ flags: { "grpc-listen": listen } })).toThrow("accept this with --insecure");
      expect(load({ flags: { listen, insecure: true } }).config.insecure).toBe(true);
      expect(() => load({ flags: { "metrics-listen": listen } }), "which has no counts").not.toThrow();
    },
  );

  it.for(["8080", ":8080", "127.0.0.1", "127.0.0.1:65536", "::1:8080", "a b:1", "http://127.0.0.1:8080"])(
    "%s is none",
    (listen) => expect(() => load({ flags: { listen } })).toThrow("expected HOST:PORT or [IPV6]:PORT"),
  );
});

describe("a part of all", () => {
  const ratio = (text: string) => load({ flags: { "access-log": text } }).config.accessLogRatio;

  it("is a number from 0 to 1, of a file too", () => {
    expect(["0", "0.01", ".5", "1", "1.0"].map(ratio)).toEqual([0, 0.01, 0.5, 1, 1]);
    for (const [text, value] of [
      ["0.25", 0.25],
      ["1e-3", 0.001],
      ["1", 1],
    ] as const)
      expect(
        load({ flags: { config: tomlFile(`access-log = ${text}\n`) } }).config.accessLogRatio,
        text,
      ).toBe(value);
  });

  it.for(["1.01", "-0.1", "1%", "100", "1/100", "all", "true", "NaN", "0,1", " 1"])("%s is none", (text) =>
    expect(() => ratio(text)).toThrow("expected a number from 0 to 1, such as 0.01"),
  );

  it.for(["nan", "inf", "-1", "true"])("%s is none in a file", (text) =>
    expect(() => load({ flags: { config: tomlFile(`access-log = ${text}\n`) } })).toThrow(
      "expected a number from 0 to 1, such as 0.01",
    ),
  );
});

describe("what stands between commas", () => {
  const origins = (text: string) => load({ flags: { "allow-origin": text } }).config.allowOrigins;
  const names = (text: string) => load({ flags: { "host-names": text } }).config.hostNames;

  it("is origins as browsers send them, or every one", () => {
    expect(origins("https://shop.example, http://127.0.0.1:3000,")).toEqual([
      "https://shop.example",
      "http://127.0.0.1:3000",
    ]);
    expect([origins("*"), origins("http://[::1], *")]).toEqual([["*"], ["http://[::1]", "*"]]);
  });

  it.for([
    ["shop.example", '"shop.example" has no scheme; write https://shop.example, or http:// if'],
    ["shop.example:8443", "write https://shop.example:8443"],
    ["shop.example/app", "write https://shop.example, or"],
    ["localhost:3000", "write https://localhost:3000, or http://"],
    [
      "https://shop.example/",
      '"https://shop.example/" is not as browsers send it; write https://shop.example;',
    ],
    ["https://shop.example/app?x", "write https://shop.example;"],
    ["https://shop.example:443", "write https://shop.example;"],
    ["HTTPS://Shop.Example", "write https://shop.example;"],
    ["https://user@shop.example", "a user or a password stands in it (before an @)"],
    ["https://a.example,shop.example", '"shop.example" has no scheme'],
    ["https://*.shop.example", "has a wildcard; list each origin, or * alone"],
    ["*.shop.example", "has a wildcard"],
    ["null", "what every page without an origin sends"],
    ["file:///home", "is no origin"],
    ["chrome-extension://abcd", "is not of http or https"],
    ["https://", "is no origin"],
    ["a b", "is no origin"],
  ] as const)("is no origin, and says why and what would do: %s", ([text, says]) => {
    expect(() => origins(text)).toThrow(says);
    expect(() => origins(text)).toThrow(
      "expected origins such as https://shop.example, or *; the default is none.",
    );
  });

  it("is what is open without a credential, and nothing that there is not", () => {
    const open = (text: string) => load({ flags: { "auth-open": text } }).config.authOpen;
    expect([open("page,metrics"), open("")]).toEqual([["page", "metrics"], []]);
    expect(() => open("page,counts")).toThrow(
      'there is no "counts"; expected some of page, docs, reflection, metrics, or nothing; the default is page,docs,reflection.',
    );
  });

  it("is names of this server in any case, or every one", () => {
    expect(names("counters.example, Tally ,db_1")).toEqual(["counters.example", "tally", "db_1"]);
    expect(names("*")).toEqual(["*"]);
  });

  it.for([
    ["https://counters.example", "write counters.example;"],
    ["counters.example:8080", "write counters.example;"],
    ["counters.example/", "write counters.example;"],
    ["counters.example.", "write counters.example;"],
    ["b\u00fccher.example", "write xn--bcher-kva.example;"],
    ["*.example", "has a wildcard; list each name, or * alone"],
    ["[::1]", "is no name"],
    ["a b", "is no name"],
  ] as const)("is no name, and says why and what would do: %s", ([text, says]) => {
    expect(() => names(text)).toThrow(says);
  });
});

describe("an error", () => {
  it.each([
    "https://u:geheim@a.example",
    "https://geheim@a.example",
    "https://u:ge,heim@a.example",
    "https://u:ge@heim,geheim@a.example",
    "u:geheim@a.example",
    "https://u:geheim%40a.example",
    "https://a.example/?token=geheim",
    "https://u:geheim",
    "https://u:*geheim@a.example",
    "*geheim@a.example",
  ])("repeats no password, whichever setting it was given to: %s", (text) => {
    const refused: string[] = [];
    for (const { name } of Object.values(KEYS))
      try {
        load({ flags: { [name]: text } });
      } catch (error) {
        expect((error as Error).message, name).not.toMatch(/geheim|heim|\bge\b/);
        refused.push(name);
      }
    expect(refused).toEqual(expect.arrayContaining(["allow-origin", "host-names", "trusted-proxies"]));
    if (text.includes("://")) expect(refused).toEqual(expect.arrayContaining(["tls-key-file", "backup-dir"]));
  });

  it.for<[string, Sources["flags"], Sources["env"], string, ConfigError["origin"], string]>([
    [
      "a flag",
      { "streams-max": "0" },
      {},
      "",
      "flag",
      'streams-max is "0" (from the flag --streams-max); expected',
    ],
    [
      "a variable",
      {},
      { TALLY_INSECURE: "perhaps" },
      "",
      "environment",
      'insecure is "perhaps" (from the environment, TALLY_INSECURE); expected true or false',
    ],
    [
      "a file",
      {},
      {},
      "drain-grace = 10",
      "file",
      "drain-grace is 10 (from the file FILE); expected a duration",
    ],
    [
      "a key's name",
      {},
      {},
      'stroe = "memory:"',
      "file",
      '"stroe" (in the file FILE) is no setting of Tally; did you mean "store"?',
    ],
    [
      "a table",
      {},
      {},
      '[log]\nlevel = "info"',
      "file",
      '"log" (in the file FILE) is no setting of Tally; `tally serve --help` lists all.',
    ],
    ["the syntax", {}, {}, "listen = 127.0.0.1:8080\n", "file", "The file FILE is not valid TOML: "],
    [
      "headers that may take longer than their request",
      { "headers-timeout": "20s" },
      {},
      "",
      "flag",
      'headers-timeout is "20s" (from the flag --headers-timeout); expected headers-timeout (20s) to be at most request-timeout (10s).',
    ],
    [
      "clients' certificates in plaintext",
      { "tls-client-auth": "optional" },
      {},
      "",
      "flag",
      'tls-client-auth is "optional" (from the flag --tls-client-auth), and all is in plaintext; give tls-cert-file and',
    ],
    [
      "clients' certificates of nobody",
      { "tls-client-auth": "optional", "tls-cert-file": "a", "tls-key-file": "b" },
      {},
      "",
      "flag",
      ", and tls-client-ca-file is not given; name the authorities",
    ],
    [
      "authorities that nobody is asked for",
      { "tls-cert-file": "a", "tls-key-file": "b" },
      {},
      'tls-client-ca-file = "c"',
      "file",
      'tls-client-ca-file is "c" (from the file FILE), and tls-client-auth is off; set it to optional or required',
    ],
    [
      "certificates that browsers would have to show",
      { "tls-cert-file": "a", "tls-key-file": "b", "tls-client-ca-file": "c" },
      { TALLY_TLS_CLIENT_AUTH: "required" },
      "",
      "environment",
      ", and gRPC has no port of its own; browsers' preflights and probes of readiness bring no certificate: set grpc-listen",
    ],
    [
      "two that disagree",
      {},
      { TALLY_REQUEST_IDS_KEEP: "10m" },
      "",
      "environment",
      'request-ids-keep is "10m" (from the environment, TALLY_REQUEST_IDS_KEEP); expected request-ids-floor (1h) to be at most request-ids-keep (10m).',
    ],
  ])("about %s says which, where from and what was expected", ([, flags, env, toml, origin, message]) => {
    const file = tomlFile(toml);
    const error = errorOf({ flags: { ...flags, config: file }, env });
    expect(error).toMatchObject({ name: "ConfigError", origin });
    expect(error.message.replaceAll(file, "FILE")).toContain(message);
    expect(error.message).not.toContain("\n");
  });

  it("is not made of a variable that a cluster sets by itself; a near miss is told", () => {
    const { warnings } = load({
      env: { TALLY_PORT: "tcp://10.0.0.1:80", TALLY_SERVICE_HOST: "x", TALLY_STOR: "memory:" },
    });
    expect(warnings).toEqual([
      "The environment variable TALLY_STOR has no meaning; did you mean TALLY_STORE?",
    ]);
  });
});

it("limits are told as they can be set", () => {
  const { config } = load({
    flags: { "queue-wait-max": "1500ms", "history-keep-days": "", history: "false" },
  });
  const limits = limitsOf(config);
  expect(limits).toMatchObject({
    "queue-wait-max": "1s500ms",
    "queue-bytes-max": "67108864",
    "request-ids-keep": "1d",
    history: "false",
    "history-keep-days": "",
  });
  expect(limits).not.toHaveProperty("store");
  expect(load({ flags: limits }).config).toEqual(config);
});

it("docs/configuration.md is what the settings say of themselves", async () => {
  await expect(reference()).toMatchFileSnapshot("../../../docs/configuration.md"); // Written anew by `vitest run -u`.
});

it("durations and sizes are read as people write them", () => {
  const durations = ["500ms", "10s", "1h30m", "1.5h", "1d", "0s", "10", "1 h", "-1s", "h"];
  expect(durations.map(parseDuration)).toEqual([
    500,
    10_000,
    5.4e6,
    5.4e6,
    8.64e7,
    0,
    ...Array(4).fill(undefined),
  ]);
  const sizes = ["0", "64KiB", "8GiB", "1.5 MiB", "1kB", "2tib", "8G", "-1", "1e3", ""];
  expect(sizes.map(parseSize)).toEqual([
    0,
    65_536,
    2 ** 33,
    1_572_864,
    1_000,
    2 ** 41,
    ...Array(4).fill(undefined),
  ]);
});

/** The reference of settings and exit codes. */
function reference(): string {
  const settings = Object.values(KEYS).map(
    ({ name, expected, default: byDefault, ...key }) =>
      `| \`${name}\` | ${aboutOf(key)} | ${expected} | ${byDefault === "" ? "none" : `\`${byDefault}\``} |`,
  );
  const reloadables = Object.values(KEYS).flatMap((key) =>
    "isReloadable" in key ? [`\`${key.name}\``] : [],
  );
  const exits = Object.values(EXITS).map(([code, when]) => `| ${code} | ${when} |`);
  return `# Configuration

The command is \`tally\`: [installed](../README.md#start-it), or in the checkout, after \`npm ci\`, by
\`alias tally="$PWD/bin/tally.mjs"\`.

Each setting is a flag of \`tally serve\` (\`--log-level debug\`), an environment variable (\`TALLY_LOG_LEVEL=debug\`), or
a line of the TOML file that \`--config\` or \`TALLY_CONFIG\` names (\`log-level = "debug"\`). Flags come first, then the
environment, then the file. A duration is written \`500ms\`, \`10s\`, \`1h30m\` or \`7d\`; a size \`65536\`, \`64KiB\` or \`8GiB\`.

| setting | what it does | values | default |
|---|---|---|---|
${settings.join("\n")}

Issuers of OIDC, whose tokens say who calls, are tables of the file (\`[[oidc]]\`), and nothing else can name them: see
[tokens.md](tokens.md).

## HTTP/2

\`http2-engine\` says which implementation of HTTP/2 serves. \`own\`, the default, is Tally's own
([src/http2](../src/http2)): it has gRPC, REST, Connect, gRPC-Web and the page on one port and by the same rules. \`grpc-js\`
is the library of that name, which served gRPC before: HTTP/2 is gRPC's alone with it, and an increment takes several times
the processor time. It stays as the way back, should a client not get along with the other one. Every promise of this
documentation holds with both, but where it says otherwise, and the same tests are run with both.

## TLS

With \`tls-cert-file\` and \`tls-key-file\` every port speaks TLS alone, 1.2 and newer. Clients agree on a protocol by ALPN:
\`h2\` for those who offer it, as browsers, curl and gRPC's clients do, else \`http/1.1\`; everything is served over both. On
gRPC's own port that is \`h2\` alone. With \`http2-engine = "grpc-js"\` it is \`http/1.1\` for those who offer that; a client
that speaks gRPC and offers both, as Envoy may, then needs gRPC's own port.

The certificate file has the server's own certificate first, then those between it and one that clients know. Clients
look for the name that they asked for among its alternative names (SAN). A client shows a certificate of
its own only where \`tls-client-auth\` asks for one: see [tokens.md](tokens.md). While \`auth\` is off or optional, who has no
credential may do everything, so that it takes \`insecure\` to listen for other machines, over TLS too.

\`tally\` reaches such a server as \`https://counters.example:8080\` (\`--server\`, \`TALLY_SERVER\`, or a context of \`tally
config set\`), if the system trusts who signed its certificate, or a file does that \`--ca-file\`, the context or
\`TALLY_CA_FILE\` names.

A renewed certificate is taken without a restart: within a minute after both files have changed, or at once with
\`kill -HUP\`. The log says so (\`tls.renewed\`). One that cannot be used is logged as an error (\`tls.renewal_failed\`), and
the one before stays in use. Connections that there are live on with the one they began with. What only comes to speak
plaintext is closed (\`tls.handshake_failed\`, at \`debug\`).

## Traces

Calls are traced where \`OTEL_EXPORTER_OTLP_ENDPOINT\` says where to send that, or \`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT\`: these and the
others that begin with \`OTEL_\` are OpenTelemetry's own, and stand in the environment alone. [tracing.md](tracing.md) shows it.

## Signals and the log

| signal | what \`tally serve\` does |
|---|---|
| SIGTERM, SIGINT (Ctrl-C) | stops: no new calls, those in flight are answered, within \`drain-grace\`; a second one exits at once |
| SIGHUP | reads again the configuration file, a renewed certificate, the authorities of clients and the root key, whatever of these there is. Of a terminal that has gone: stops as for SIGTERM |
| SIGXCPU (\`LimitCPU=\`, \`ulimit -t\`) | stops as for SIGTERM, and ends with exit code 152, so that a supervisor starts it again with time of its own |
| SIGUSR1, SIGUSR2, SIGALRM, SIGIO (SIGPOLL), SIGPWR, SIGVTALRM, SIGPROF, SIGSTKFLT | ignored, and logged (\`signal.ignored\`); Node.js's debugger never opens by a signal. With \`--prof\` or \`--cpu-prof\` SIGPROF is V8's |
| SIGPIPE, SIGXFSZ, SIGCHLD, SIGCONT, SIGURG, SIGWINCH | nothing |
| SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU | stands still, until SIGCONT |
| SIGKILL, SIGQUIT, SIGABRT, SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, 32 to 64 (real-time) | ends at once, without a line in the log: every answered change is in the store, and the next start goes on from it |

On a Node.js older than 22.18, \`tally\` runs itself again on a newer one: there are two processes then. The first hands on
those of the first three rows, SIGQUIT, and those of the fourth but SIGUSR1, of which there is no line then; it ends as the
other does: with its exit code, or of the same signal. Of the fifth and sixth rows it does the same by itself. Where it is ended
alone, by SIGKILL or another of the last row, the server stops as for SIGTERM.

After SIGHUP the settings that the table marks (${reloadables.join(", ")}) are as the file has them
then, unless a flag or the environment says otherwise, and the log says which of them have changed (\`config.reloaded\`). What
has changed of the others takes effect at the next start (\`config.restart_needed\`). A file that cannot be used changes no
setting (\`config.unusable\`, with what is wrong); so is one that came through a pipe, such as \`--config <(...)\`: it is read at the start and
cannot be read again. A named pipe (FIFO), a socket or a device (but /dev/null, which is empty) is refused, as any file that a
setting names, and so is one of more than 16 MiB. Other rates begin to count anew.

The log goes to stdout. A line that cannot be written, because its disk is full or whoever reads it has gone, does not stop
the service. At \`log-level = "debug"\` each call is a line (\`call.answered\`), each HTTP request that is
refused one with its status, and the origin of its page (\`http.refused\`), and each commit one with how long its parts took
(\`store.committed\`). Calls that are refused for who makes them are logged at \`info\` (\`call.denied\`), ten a second at most.
No line has a counter's name in it, but that of a damaged row.

At \`info\` so many calls are logged, by chance, as \`access-log\` says: \`access-log = 0.01\` is one in a hundred, and \`1\` each
one, whose line is written before the next call is looked at. Calls that took as long as \`slow-call-log\` says, such as \`1s\`,
or longer, are logged at \`warn\` (\`call.slow\`), ten a second at most; \`suppressed\` is how many more there were. Both have the
same fields:

| field | what it is |
|---|---|
| \`rpc\`, \`door\` | what was called, and where it came in, as [metrics.md](metrics.md) has them |
| \`code\`, \`outcome\` | gRPC's code, at every door; and OK, or the reason why it was refused |
| \`ms\` | from its headers to its answer, in milliseconds; of a stream to its end |
| \`queue_ms\`, \`commit_ms\` | of what changes something: how long it waited for its commit, and that took, with others' changes in it |
| \`slices\` | of a stream that changes something, in how many slices it was committed; then the two before are of all of them together |
| \`load_ms\`, \`decide_ms\`, \`save_ms\`, \`sync_ms\` | the parts of that commit, as far as the store tells them apart; the rest of it is to and from the thread that writes |
| \`by\`, \`key_id\`, \`address\` | the principal, its key, and where it came from, as \`call.denied\` has them; of who was let in, while \`auth\` is on |
| \`trace_id\` | of the trace that it is in: the one that its header \`traceparent\` names, if that is well-formed, or one that it [began](tracing.md) |

## Exit codes

Why it did not start or go on is one sentence on stderr. A supervisor may start it again after 69, 70, 74 and 75; the
others need a person first. A refused start leaves no file that was not there before, for as long as it stands at settings, ports,
certificates, keys or who may call; of a store that was there, an archive that it has begun stays. What a start refuses about the data file, [docs/files.md](files.md#what-a-start-refuses) explains.

| code | when |
|---|---|
${exits.join("\n")}
`;
}

function load({ flags = {}, env = {} }: Partial<Sources>) {
  return loadConfig({ flags, env });
}

function errorOf(sources: Sources): ConfigError {
  try {
    loadConfig(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

function tomlFile(text: string): string {
  const path = join(folder(), "tally.toml");
  writeFileSync(path, text);
  return path;
}
