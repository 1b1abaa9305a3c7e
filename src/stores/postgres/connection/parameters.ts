import type { ClientConfig } from "pg";
import { misnamed } from "../../shared/unusable.ts";
import { type PasswordFor, passFileOf, passwordIn } from "./pass-file.ts";
import { type TlsMode, tlsModeOf } from "./tls.ts";
import type { PostgresUrl } from "./url.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How to connect, to whichever host. */
export interface ConnectionSettings {
  /** What the driver is given, beside host, port and TLS. */
  readonly config: ClientConfig;
  readonly tls: TlsMode;
  /** Addresses to connect to in the place of the hosts' names, in their order. */
  readonly addresses: readonly string[];
}

/**
 * What the parameters of a URL mean, as libpq takes them.
 *
 * @throws TallyError STORE_UNAVAILABLE, in one sentence, for one that is not known, or that cannot be kept to here
 */
export function settingsOf(
  { hosts, parameters }: PostgresUrl,
  env: Environment = process.env,
): ConnectionSettings {
  let before = "";
  for (const [name, value] of parameters) {
    const known = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name]! : unknown(name, before);
    if (typeof known === "string") throw misnamed(`The store's URL has ${name}, ${known}.`);
    if (known instanceof RegExp && !known.test(value)) {
      throw misnamed(
        `The store's URL has a ${name} that cannot be taken; expected ${EXPECTED[name] ?? known.source}.`,
      );
    }
    before = name;
  }
  const given = (name: string) => parameters.get(name) || undefined;
  const addresses = given("hostaddr")?.split(",") ?? [];
  if (addresses.length > 0 && addresses.length !== hosts.length) {
    throw misnamed(
      `The store's URL has ${addresses.length} addresses (hostaddr) for ${hosts.length} hosts; expected one for each.`,
    );
  }
  const timeout =
    given("connect_timeout") ?? (Number(env.PGCONNECT_TIMEOUT) >= 0 ? env.PGCONNECT_TIMEOUT : undefined);
  const idle = given("keepalives_idle");
  const negotiation = given("sslnegotiation");
  const config: ClientConfig = {
    ...definedOf({
      user: given("user"),
      password: given("password") ?? (env.PGPASSWORD === undefined ? passwordOf(env) : undefined),
      database: given("dbname"),
      options: given("options"),
    }),
    // No other setting at the start of a session: PgBouncer would refuse it.
    application_name:
      given("application_name") ?? env.PGAPPNAME ?? given("fallback_application_name") ?? "tally",
    keepAlive: given("keepalives") !== "0",
    ...(idle !== undefined && { keepAliveInitialDelayMillis: 1_000 * Number(idle) }),
    connectionTimeoutMillis: timeout ? 1_000 * Number(timeout) : CONNECT_TIMEOUT_MS,
    enableChannelBinding: given("channel_binding") === "prefer",
    ...(negotiation === "direct" && { sslnegotiation: "direct" as const }),
  };
  return { config, tls: tlsModeOf(parameters, env), addresses };
}

/** The driver asks once the server wants one, and says for whom; its types do not know that, nor that there may be none. */
function passwordOf(env: Environment): () => Promise<string> {
  return ((of: PasswordFor) => passwordIn(passFileOf(env), of)) as unknown as () => Promise<string>;
}

const CONNECT_TIMEOUT_MS = 5_000;

function definedOf<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** @param before  the parameter before it; behind a password it may be a part of that */
function unknown(name: string, before: string): never {
  const which = /password/.test(before)
    ? `a parameter behind ${before} that is not known; an & within it is %26`
    : `the parameter ${JSON.stringify(name.slice(0, 40))}, which is not known`;
  const taken = Object.entries(PARAMETERS).filter(([, known]) => typeof known !== "string");
  const names = ["schema", ...taken.map(([each]) => each)].sort().join(", ");
  throw misnamed(`The store's URL has ${which}; known are ${names}.`);
}

const NOT_HERE = "which libpq knows and Tally cannot keep to; leave it out";
const NO_SERVICE = "and Tally reads no service files; write out host, user and database in the URL instead";
const YES = /^[01]$/;
const NUMBER = /^\d{1,6}$/;
const ANY = true;

/** What libpq knows: taken as it is, or with these values; or why it is not. */
const PARAMETERS: Readonly<Record<string, true | RegExp | string>> = {
  user: ANY,
  password: ANY,
  dbname: ANY,
  host: ANY,
  port: ANY,
  hostaddr: /^[\da-fA-F.:,]+$/,
  connect_timeout: NUMBER,
  application_name: ANY,
  fallback_application_name: ANY,
  options: ANY,
  client_encoding: /^(auto|utf-?8)$/i,
  keepalives: YES,
  keepalives_idle: NUMBER,
  target_session_attrs: /^(any|read-write|primary)$/,
  load_balance_hosts: /^disable$/,
  ssl: /^(true|1|false|0)$/,
  sslmode: /^(disable|allow|prefer|require|verify-ca|verify-full)$/,
  sslrootcert: ANY,
  sslcert: ANY,
  sslkey: ANY,
  sslpassword: ANY,
  sslcrl: ANY,
  sslcertmode: /^(disable|allow)$/,
  sslsni: /^1$/,
  sslcompression: YES, // Which libpq does nothing about any more either.
  sslnegotiation: /^(postgres|direct)$/,
  ssl_min_protocol_version: /^TLSv1(\.[123])?$/,
  ssl_max_protocol_version: /^TLSv1(\.[123])?$/,
  gssencmode: /^(disable|prefer)$/,
  channel_binding: /^(disable|prefer)$/,
  uselibpqcompat: /^true$/, // The driver's own word for what holds here anyway.
  service: NO_SERVICE,
  servicefile: NO_SERVICE,
  passfile: "which Tally does not read; name the file in the environment, PGPASSFILE",
  replication: "and Tally needs ordinary sessions; leave it out",
  keepalives_interval: NOT_HERE,
  keepalives_count: NOT_HERE,
  tcp_user_timeout: NOT_HERE,
  requirepeer: NOT_HERE,
  require_auth: NOT_HERE,
  sslcrldir: NOT_HERE,
  sslkeylogfile: NOT_HERE,
  krbsrvname: NOT_HERE,
  gsslib: NOT_HERE,
  gssdelegation: NOT_HERE,
  min_protocol_version: NOT_HERE,
  max_protocol_version: NOT_HERE,
  tty: NOT_HERE,
  authtype: NOT_HERE,
};

const EXPECTED: Readonly<Record<string, string>> = {
  hostaddr: "addresses, parted by commas",
  connect_timeout: "whole seconds",
  keepalives_idle: "whole seconds",
  client_encoding: "UTF8",
  keepalives: "0 or 1",
  target_session_attrs: "any, read-write or primary, because Tally writes",
  load_balance_hosts: "disable: hosts are tried in their order",
  ssl: "true or false",
  sslmode: "disable, allow, prefer, require, verify-ca or verify-full",
  sslcertmode: "disable or allow",
  sslsni: "1",
  sslcompression: "0",
  sslnegotiation: "postgres or direct",
  ssl_min_protocol_version: "TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3",
  ssl_max_protocol_version: "TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3",
  gssencmode: "disable or prefer: Tally speaks no GSSAPI",
  channel_binding: "disable or prefer",
  uselibpqcompat: "true",
};
