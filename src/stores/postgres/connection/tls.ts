import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, checkServerIdentity, getCACertificates, type SecureVersion } from "node:tls";
import { readNamedFileSync } from "../../../named-file.ts";
import { misnamed, unusable } from "../../shared/unusable.ts";

/** Whether connections are encrypted: each way is tried in turn until one is taken. */
export type TlsMode = readonly TlsWay[];

/** None, or what TLS is to demand of a host. */
export type TlsWay = false | ((host: string) => ConnectionOptions);

/** What libpq's sslmode asks for; without one Tally does what it calls "allow". */
type Mode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";

/**
 * What a URL's parameters, the environment and the user's own files say of TLS, as libpq takes it: only verify-full
 * looks at the name; the others check a certificate where there is something to check it by, and "allow" and "prefer"
 * do without TLS rather than not connect.
 *
 * @throws TallyError STORE_UNAVAILABLE, in one sentence, for a file that cannot be read, and for what libpq refuses too
 */
export function tlsModeOf(
  parameters: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
): TlsMode {
  const given = (name: string) => parameters.get(name) || env[`PG${name.toUpperCase()}`] || undefined;
  const root = given("sslrootcert");
  const asked = given("sslmode") ?? modeOf(parameters.get("ssl"));
  const mode = (asked ?? (root === "system" ? "verify-full" : "allow")) as Mode;
  if (!MODES.has(mode)) {
    throw misnamed(`The sslmode is none (PGSSLMODE); expected ${[...MODES].join(", ")}.`);
  }
  if (root === "system" && mode !== "verify-full") {
    throw misnamed(
      `The store's URL has sslrootcert=system, which takes sslmode=verify-full and not ${mode}: anyone may have a ` +
        "certificate that the system trusts.",
    );
  }
  if (mode === "disable") return [false];
  if (parameters.get("sslnegotiation") === "direct" && (mode === "allow" || mode === "prefer")) {
    throw misnamed(
      `The store's URL has sslnegotiation=direct, which takes sslmode=require or more, not ${mode}.`,
    );
  }
  const way = wayOf(mode, root, given);
  if (mode === "allow") return [false, way];
  return mode === "prefer" ? [way, false] : [way];
}

const MODES: ReadonlySet<string> = new Set<Mode>([
  ...(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const),
]);

/** JDBC's word, which libpq takes too. */
function modeOf(ssl: string | undefined): string | undefined {
  if (ssl === undefined) return undefined;
  return ssl === "true" || ssl === "1" ? "require" : "disable";
}

function wayOf(mode: Mode, root: string | undefined, given: (name: string) => string | undefined): TlsWay {
  const verifies = mode.startsWith("verify");
  const ca = certificatesOf(root, verifies);
  const cert = given("sslcertmode") === "disable" ? undefined : fileOf("sslcert", given, "postgresql.crt");
  const key = cert === undefined ? undefined : (fileOf("sslkey", given, "postgresql.key") ?? noKey());
  const crl = given("sslcrl");
  const [min, max] = [given("ssl_min_protocol_version"), given("ssl_max_protocol_version")];
  const passphrase = given("sslpassword");
  const options: ConnectionOptions = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert, key }),
    ...(passphrase !== undefined && { passphrase }),
    ...(crl !== undefined && { crl: read("sslcrl", crl) }),
    ...(min !== undefined && { minVersion: min as SecureVersion }),
    ...(max !== undefined && { maxVersion: max as SecureVersion }),
    rejectUnauthorized: verifies || ca !== undefined,
  };
  return (host) => ({
    ...options,
    ...(isIP(host) === 0 && { servername: host }),
    checkServerIdentity: (_, certificate) =>
      mode === "verify-full" ? checkServerIdentity(host, certificate) : undefined,
  });
}

/** Whose signatures are trusted; undefined to check none, or by what Node trusts. */
function certificatesOf(root: string | undefined, verifies: boolean): string | string[] | undefined {
  if (root === "system") return [...getCACertificates("system"), ...getCACertificates("bundled")];
  if (root !== undefined) return read("sslrootcert", root);
  const usual = ownFile("root.crt");
  if (existsSync(usual)) return read("sslrootcert", usual);
  return verifies ? [...getCACertificates("default")] : undefined;
}

function fileOf(
  name: string,
  given: (name: string) => string | undefined,
  usual: string,
): string | undefined {
  const path = given(name);
  if (path !== undefined) return read(name, path);
  return existsSync(ownFile(usual)) ? read(name, ownFile(usual)) : undefined;
}

/** Where libpq looks too. */
function ownFile(name: string): string {
  return join(homedir(), ".postgresql", name);
}

function noKey(): never {
  throw misnamed("The store's URL has an sslcert and no sslkey; a certificate needs its key.");
}

function read(name: string, path: string): string {
  try {
    return readNamedFileSync(path).toString();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw unusable(
      `The file ${path}, which is the store's ${name}, cannot be read (${code ?? message}).`,
      error,
    );
  }
}
