import { BlockList, isIP } from "node:net";
import { parse, TomlError } from "smol-toml";
import { clientAuthFault } from "./config/client-auth.ts";
import { ConfigError } from "./config/error.ts";
import { type Config, KEYS, type KeyedConfig } from "./config/keys.ts";
import type { Key } from "./config/kinds.ts";
import { type OidcIssuers, oidcIssuersFrom } from "./config/oidc.ts";
import { formatDuration } from "./config/quantity.ts";
import { withoutSecrets } from "./core/secrets.ts";
import { readNamedFileSync } from "./named-file.ts";
import { isRereadable } from "./named-pipe.ts";

export { differenceOf, reloaded } from "./config/difference.ts";
export { ConfigError } from "./config/error.ts";
export { type Config, KEYS } from "./config/keys.ts";
export { type Address, formatAddress } from "./config/quantity.ts";

/** Each setting that limits something or says how long it is kept, by its name, as it can be set. */
export function limitsOf(config: Config): Record<string, string> {
  const limiting = FIELDS.filter((field) => LIMITING.has(KEYS[field].group));
  return Object.fromEntries(
    limiting.map((field) => {
      const value = config[field];
      const isTime = field.endsWith("Ms") && typeof value === "number";
      return [KEYS[field].name, isTime ? formatDuration(value) : `${value ?? ""}`];
    }),
  );
}

const LIMITING: ReadonlySet<string> = new Set(["Limits", "Retention"]);

/** What a configuration is read from. */
export interface Sources {
  /** By key name: what was given on the command line. `config` names the file. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  /** The environment; an empty variable counts as not set. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Read the configuration: flags before environment before file before defaults.
 *
 * @returns  every key with a value in its range, frozen; and sentences about what looks like a slip
 * @throws ConfigError at the first key that cannot be used: which, where it is from, what was expected
 */
export function loadConfig(sources: Sources): { config: Config; warnings: string[] } {
  const file = loadFile(sources);
  const given = new Map<keyof KeyedConfig, Given>();
  const keyed = Object.fromEntries(
    FIELDS.map((field) => {
      const key = KEYS[field];
      const found = findGiven(key, sources, file) ?? byDefault(key);
      given.set(field, found);
      return [field, parseGiven(key, found)];
    }),
  ) as KeyedConfig;
  const config: Config = { ...keyed, oidc: oidcIssuersIn(file) };
  checkTogether(config, given);
  return { config: deepFreeze(config), warnings: slipsIn(sources.env) };
}

/** Only a file can have them: they are tables. */
function oidcIssuersIn(file: File | undefined): OidcIssuers {
  const said = oidcIssuersFrom(file?.values.oidc);
  if (typeof said !== "string") return said;
  throw new ConfigError("file", `${said} (in the file ${file?.path}).`);
}

const FIELDS = Object.keys(KEYS) as (keyof KeyedConfig)[];
const NAMES: readonly string[] = Object.values(KEYS).map(({ name }) => name);

/** What a setting does, and whether that can be changed while it serves. */
export function aboutOf({ about, isReloadable }: Pick<Key<unknown>, "about" | "isReloadable">): string {
  return isReloadable ? `${about}; taken from the file again on SIGHUP` : about;
}

/** The environment variable of a key. */
export function variableOf(name: string): string {
  return `TALLY_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** A value as it was written, and where. */
interface Given {
  readonly value: unknown;
  readonly origin: "flag" | "environment" | "file" | "default";
  /** The origin in words. */
  readonly from: string;
}

interface File {
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

function findGiven(
  { name }: Key<unknown>,
  { flags, env }: Sources,
  file: File | undefined,
): Given | undefined {
  const variable = variableOf(name);
  if (flags[name] !== undefined) return { value: flags[name], origin: "flag", from: `the flag --${name}` };
  if (env[variable])
    return { value: env[variable], origin: "environment", from: `the environment, ${variable}` };
  if (file?.values[name] === undefined) return undefined;
  return { value: file.values[name], origin: "file", from: `the file ${file.path}` };
}

function byDefault(key: Key<unknown>): Given {
  return { value: key.default, origin: "default", from: "the default" };
}

function parseGiven(key: Key<unknown>, given: Given): unknown {
  const parsed = key.schema.safeParse(given.value);
  if (parsed.success) return parsed.data;
  const why = parsed.error.issues.find(({ code }) => code === "custom")?.message;
  throw refuse(
    key,
    given,
    `${why === undefined ? "" : `: ${why}`}; expected ${key.expected}; the default is ${key.default || "none"}.`,
  );
}

function refuse({ name }: Key<unknown>, { value, origin, from }: Given, why: string): ConfigError {
  if (origin === "default") throw new TypeError(`the default of ${name} cannot be used${why}`);
  return new ConfigError(origin, `${name} is ${shown(value)} (from ${from})${why}`);
}

/** Stores' URLs have passwords, whichever setting one was given to, and what is wrong may be shown to many. */
function shown(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === "string" ? withoutSecrets(each) : each));
}

/** What no key can judge alone. */
function checkTogether(config: Config, given: ReadonlyMap<keyof KeyedConfig, Given>): void {
  const guarded = config.auth === "required";
  for (const field of ["listen", "grpcListen"] as const) {
    const address = config[field];
    if (config.insecure || address === undefined || isLoopback(address.host)) continue;
    if (guarded && config.tlsCertFile !== undefined) continue;
    const why = guarded
      ? ": others could reach this address, and read the credentials of callers on their way, because it is not over TLS. " +
        "Give a certificate (tls-cert-file, tls-key-file), listen on a loopback address such as 127.0.0.1:8080, "
      : ": others could reach this address and change every counter, because nobody has to say who they are. " +
        "Set auth = required, with TLS, listen on a loopback address such as 127.0.0.1:8080, ";
    throw refuse(KEYS[field], given.get(field)!, `${why}or accept this with --insecure.`);
  }
  if (config.rootKeyFile !== undefined && config.auth === "off") {
    const why =
      "; nobody is asked for a key while auth is off. Set auth = required, or optional, or leave the key out.";
    throw refuse(KEYS.rootKeyFile, given.get("rootKeyFile")!, why);
  }
  for (const [field, other] of [
    ["tlsCertFile", "tlsKeyFile"],
    ["tlsKeyFile", "tlsCertFile"],
  ] as const) {
    if (config[field] === undefined || config[other] !== undefined) continue;
    throw refuse(
      KEYS[field],
      given.get(field)!,
      `, and ${KEYS[other].name} is not given; TLS takes a certificate and its key: give both, or neither.`,
    );
  }
  const { backupDir, backupEveryMs, store } = config;
  if (backupEveryMs !== undefined && backupDir === undefined)
    throw refuse(
      KEYS.backupEveryMs,
      given.get("backupEveryMs")!,
      ", and there is no folder for backups: give backup-dir, too.",
    );
  if (backupDir !== undefined && !store.startsWith("sqlite:")) {
    const why = store.startsWith("memory:")
      ? ", and memory: keeps nothing to back up."
      : ", and the store is PostgreSQL's, which is backed up by pg_basebackup or pg_dump; see docs/backup.md.";
    throw refuse(KEYS.backupDir, given.get("backupDir")!, why);
  }
  if (config.archiveDir !== undefined && backupEveryMs === undefined)
    throw refuse(
      KEYS.archiveDir,
      given.get("archiveDir")!,
      ", and a restore through an archive begins with a backup: give backup-dir and backup-every, too.",
    );
  const fault = clientAuthFault(config);
  if (fault !== undefined) throw refuse(KEYS[fault.field], given.get(fault.field)!, fault.why);
  for (const [smaller, larger] of [
    ["requestIdsFloorMs", "requestIdsKeepMs"],
    ["headersMs", "requestMs"],
  ] as const) {
    if (config[smaller] <= config[larger]) continue;
    const field = given.get(smaller)!.origin === "default" ? larger : smaller;
    const [most, least] = [`${KEYS[smaller].name} (${given.get(smaller)!.value})`, KEYS[larger].name];
    throw refuse(
      KEYS[field],
      given.get(field)!,
      `; expected ${most} to be at most ${least} (${given.get(larger)!.value}).`,
    );
  }
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0
    ? host.toLowerCase() === "localhost"
    : LOOPBACK.check(host, family === 4 ? "ipv4" : "ipv6");
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

/** Whether there is a file, and whether it can be read again: one that came through a pipe cannot. */
export function configFileOf(sources: Sources): "none" | "file" | "pipe" {
  const path = pathOf(sources);
  if (path === undefined) return "none";
  return isRereadable(path) ? "file" : "pipe";
}

function pathOf({ flags, env }: Sources): string | undefined {
  const path = flags.config ?? env.TALLY_CONFIG;
  return typeof path !== "string" || path === "" ? undefined : path;
}

function loadFile(sources: Sources): File | undefined {
  const path = pathOf(sources);
  if (path === undefined) return undefined;
  let values: Record<string, unknown>;
  try {
    values = parse(readNamedFileSync(path).toString());
  } catch (error) {
    if (error instanceof TomlError) {
      const [reason] = error.message.replace("Invalid TOML document: ", "").split("\n");
      const where = `line ${error.line}, column ${error.column}`;
      throw new ConfigError(
        "file",
        `The file ${withoutSecrets(path)} is not valid TOML: ${reason} (${where}).`,
        {
          cause: error,
        },
      );
    }
    const why = READ_ERRORS[(error as NodeJS.ErrnoException).code ?? ""] ?? (error as Error).message;
    throw new ConfigError("file", `The configuration file ${withoutSecrets(path)} cannot be read: ${why}.`, {
      cause: error,
    });
  }
  for (const name of Object.keys(values)) {
    if (NAMES.includes(name) || name === "oidc") continue;
    const near = nearest(name.replaceAll("_", "-").toLowerCase(), NAMES);
    const hint = near === undefined ? "`tally serve --help` lists all" : `did you mean "${near}"`;
    throw new ConfigError(
      "file",
      `"${name}" (in the file ${path}) is no setting of Tally; ${hint}${near ? "?" : "."}`,
    );
  }
  return { path, values };
}

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "this user may not read it",
  EISDIR: "it is a directory",
};

/** Variables that look like a mistyped one of ours. Others are left alone: a cluster sets TALLY_PORT and such by itself. */
function slipsIn(env: Sources["env"]): string[] {
  const ours = [...NAMES, "config"].map(variableOf);
  return Object.keys(env)
    .filter((variable) => variable.startsWith("TALLY_") && !ours.includes(variable))
    .flatMap((variable) => {
      const near = nearest(variable, ours);
      return near === undefined
        ? []
        : [`The environment variable ${variable} has no meaning; did you mean ${near}?`];
    });
}

/** The closest of the words, if it is at most two letters away. */
function nearest(word: string, words: readonly string[]): string | undefined {
  const [closest] = words.map((w) => [distance(word, w), w] as const).sort(([a], [b]) => a - b);
  return closest !== undefined && closest[0] <= 2 ? closest[1] : undefined;
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

function deepFreeze<T extends object>(object: T): T {
  for (const value of Object.values(object))
    if (typeof value === "object" && value !== null) deepFreeze(value);
  return Object.freeze(object);
}
