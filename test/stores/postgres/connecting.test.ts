/** What a store's URL says of the connection, compared with psql, which has it from libpq. */
import { execFile } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { v7 } from "uuid";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";
import { Database } from "../../../src/stores/postgres/connection/database.ts";
import { parseUrl } from "../../../src/stores/postgres/connection/url.ts";
import { apply, increment } from "../../support/calls.ts";
import { type Authority, authority } from "../../support/certificates.ts";
import { HandClock } from "../../support/clock.ts";
import { freePort } from "../../support/free-port.ts";
import { describeWith, program } from "../../support/needs.ts";
import { ROLE } from "../../support/postgres/address.ts";
import { binary, giveToServer, newFolder, POSTGRES } from "../../support/postgres/programs.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { sharedPostgres } from "../../support/postgres/shared.ts";

const run = promisify(execFile);
const { user, password, database } = ROLE;

/** How a connection ended: encrypted or plain, or none. */
type End = "tls" | "plain" | "refused";

describeWith([POSTGRES, program("openssl", { args: ["version"] })], "a connection to PostgreSQL", () => {
  let server: PostgresServer;
  let folder: string;
  let home: string;
  let ours: Authority;
  let others: Authority;
  /** Words in the cases below. */
  let words: Record<string, string>;

  beforeAll(async () => {
    ours = authority();
    others = authority();
    folder = await newFolder(tmpdir());
    home = mkdtempSync(join(tmpdir(), "tally-home-"));
    const pair = ours.issue("DNS:localhost");
    const at = (name: string) => join(folder, name);
    copyFileSync(pair.certFile, at("cert"));
    copyFileSync(pair.keyFile, at("key"));
    copyFileSync(ours.caFile, at("ca"));
    const rejected = ["hostnossl only_tls", "hostssl only_plain"].map(
      (rule) => `${rule} all 0.0.0.0/0 reject`,
    );
    const rules = ["hostssl only_tls", "hostnossl only_plain", "host all", "local all"].map(
      (rule) => `${rule} all ${rule.startsWith("local") ? "" : "127.0.0.1/32"} scram-sha-256`,
    );
    writeFileSync(
      at("hba"),
      ["hostssl only_cert all 127.0.0.1/32 cert", ...rejected, ...rules, ""].join("\n"),
    );
    for (const name of ["cert", "key", "ca", "hba"]) {
      chmodSync(at(name), 0o600);
      giveToServer(at(name));
    }
    server = await PostgresServer.start({
      ...{ ssl: "on", ssl_cert_file: at("cert"), ssl_key_file: at("key"), ssl_ca_file: at("ca") },
      ...{ hba_file: at("hba"), unix_socket_directories: folder },
    });
    for (const name of ["only_tls", "only_plain", "only_cert"]) {
      await server.sql(`CREATE DATABASE ${name} OWNER ${user}`);
    }
    const mine = ours.issue();
    chmodSync(mine.keyFile, 0o600);
    words = {
      CA: ours.caFile,
      OTHER: others.caFile,
      CERT: mine.certFile,
      KEY: mine.keyFile,
      TLS: `${server.port}`,
      PLAIN: `${(await sharedPostgres()).port}`,
      NONE: `${await freePort()}`,
      SOCKETS: encodeURIComponent(folder),
      FOLDER: folder,
      PASSES: at("passes"),
    };
    writeFileSync(words.PASSES!, `localhost:*:${database}:${user}:${password}\n`, { mode: 0o600 });
  });

  afterAll(async () => {
    await server?.dispose();
    for (const each of [ours, others]) each?.[Symbol.dispose]();
    for (const each of [folder, home]) rmSync(each, { recursive: true, force: true });
  });

  afterEach(() => vi.unstubAllEnvs());

  /** A case's URL: HOST is 127.0.0.1, words in braces as above. */
  function urlOf(text: string): string {
    return text
      .replace("postgres://@", `postgres://${user}:${password}@`)
      .replaceAll(/\{(\w+)\}/g, (_, word: string) => words[word]!);
  }

  async function psql(url: string, env: Record<string, string>): Promise<End> {
    const vars = { PATH: process.env.PATH!, HOME: home, ...env };
    try {
      const args = ["-X", "-A", "-t", "-w", "-d", url, "-c", SSL];
      const { stdout } = await run(binary("psql"), args, { env: vars });
      return stdout.trim() === "t" ? "tls" : "plain";
    } catch {
      return "refused";
    }
  }

  async function tally(url: string, env: Record<string, string>): Promise<{ end: End; error?: unknown }> {
    for (const [name, value] of Object.entries({ HOME: home, ...env })) vi.stubEnv(name, value);
    let opened: Database | undefined;
    try {
      opened = new Database(parseUrl(url), 1, () => {});
      const [row] = await opened.read(opened.statement(SSL));
      return { end: row!.ssl === true ? "tls" : "plain" };
    } catch (error) {
      return { end: "refused", error };
    } finally {
      await opened?.close();
    }
  }

  const LOCAL = "postgres://@localhost:{TLS}";
  const CASES: [url: string, end: End, env?: Record<string, string>][] = [
    // Whether it is encrypted.
    [`${LOCAL}/${database}?sslmode=disable`, "plain"],
    [`${LOCAL}/${database}?sslmode=allow`, "plain"],
    [`${LOCAL}/${database}?sslmode=prefer`, "tls"],
    [`${LOCAL}/${database}?sslmode=require`, "tls"],
    [`${LOCAL}/${database}?ssl=true`, "tls"],
    [`${LOCAL}/only_tls?sslmode=disable`, "refused"],
    [`${LOCAL}/only_tls?sslmode=allow`, "tls"],
    [`${LOCAL}/only_tls`, "tls"],
    [`${LOCAL}/only_plain?sslmode=prefer`, "plain"],
    [`${LOCAL}/only_plain?sslmode=require`, "refused"],
    [`postgres://@localhost:{PLAIN}/${database}?sslmode=prefer`, "plain"],
    [`postgres://@localhost:{PLAIN}/${database}?sslmode=require`, "refused"],
    [`postgres://@localhost:{PLAIN}/${database}?sslmode=allow`, "plain"],
    [`postgres://@localhost:{PLAIN}/${database}`, "plain"],
    // By what its certificate is checked.
    [`${LOCAL}/${database}?sslmode=require&sslrootcert={CA}`, "tls"],
    [`${LOCAL}/${database}?sslmode=require&sslrootcert={OTHER}`, "refused"],
    [`${LOCAL}/${database}?sslmode=prefer&sslrootcert={OTHER}`, "plain"],
    [`${LOCAL}/${database}?sslmode=allow&sslrootcert={OTHER}`, "plain"],
    [`${LOCAL}/only_tls?sslmode=allow&sslrootcert={OTHER}`, "refused"],
    [`${LOCAL}/${database}?sslmode=verify-ca&sslrootcert={CA}`, "tls"],
    [`${LOCAL}/${database}?sslmode=verify-ca&sslrootcert={OTHER}`, "refused"],
    [`${LOCAL}/${database}?sslmode=verify-ca`, "refused"],
    [`${LOCAL}/${database}?sslmode=verify-full`, "refused"],
    [`${LOCAL}/${database}?sslmode=verify-full&sslrootcert={CA}`, "tls"],
    [`${LOCAL}/${database}?sslmode=verify-full&sslrootcert=/none/ca.pem`, "refused"],
    [`postgres://@127.0.0.1:{TLS}/${database}?sslmode=verify-ca&sslrootcert={CA}`, "tls"],
    [`postgres://@127.0.0.1:{TLS}/${database}?sslmode=verify-full&sslrootcert={CA}`, "refused"],
    [`${LOCAL}/${database}?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={CA}`, "tls"],
    // From the environment, and the user's own files.
    [`${LOCAL}/${database}`, "tls", { PGSSLMODE: "require" }],
    [`${LOCAL}/${database}`, "refused", { PGSSLMODE: "verify-full", PGSSLROOTCERT: "{OTHER}" }],
    [`${LOCAL}/${database}`, "tls", { PGSSLMODE: "verify-full", PGSSLROOTCERT: "{CA}" }],
    [`${LOCAL}/${database}?sslmode=disable`, "plain", { PGSSLMODE: "verify-full" }],
    [`${LOCAL}/${database}?sslmode=require`, "refused", { HOME: "{FOLDER}/wrong" }],
    [`${LOCAL}/${database}?sslmode=verify-full`, "tls", { HOME: "{FOLDER}/right" }],
    [
      `postgres://${user}@localhost:{TLS}/${database}`,
      "plain",
      { PGPASSWORD: password, PGSSLMODE: "disable" },
    ],
    [
      `postgres://${user}@localhost:{TLS}/${database}`,
      "plain",
      { PGPASSFILE: "{PASSES}", PGSSLMODE: "disable" },
    ],
    [
      `postgres://${user}@localhost:{TLS}/${database}`,
      "refused",
      { PGPASSFILE: "{KEY}", PGSSLMODE: "disable" },
    ],
    // A certificate of the client's.
    [`postgres://${user}@localhost:{TLS}/only_cert?sslmode=require&sslcert={CERT}&sslkey={KEY}`, "tls"],
    [`postgres://${user}@localhost:{TLS}/only_cert?sslmode=require`, "refused"],
    [`postgres://${user}@localhost:{TLS}/only_cert?sslmode=require&sslcert={CERT}&sslkey=/none`, "refused"],
    // Where it goes.
    [`postgres://@127.0.0.1:{NONE},127.0.0.1:{TLS}/${database}?sslmode=require`, "tls"],
    [`postgres://@127.0.0.1:{NONE},localhost:{PLAIN}/${database}?sslmode=prefer`, "plain"],
    [
      `postgres:///${database}?host=127.0.0.1,127.0.0.1&port={NONE},{TLS}&user=${user}&password=${password}&sslmode=disable`,
      "plain",
    ],
    [`postgres://@127.0.0.1,localhost/${database}?port={TLS}&sslmode=disable`, "plain"],
    [`postgres://@a,b,c/${database}?port=1,2`, "refused"],
    [`postgres://@127.0.0.1:{NONE}/${database}`, "refused"],
    [`postgres://@127.0.0.1:{TLS}/${database}?target_session_attrs=read-write&sslmode=disable`, "plain"],
    [`postgres://@127.0.0.1:{TLS}/${database}?target_session_attrs=standby&sslmode=disable`, "refused"],
    [`postgres://@{SOCKETS}:{TLS}/${database}`, "plain"],
    [`postgres://@{SOCKETS}:{TLS}/${database}?sslmode=require`, "plain"],
    [`postgres://${user}:${password}@/${database}?host={FOLDER}&port={TLS}`, "plain"],
    [`postgres://@[::1]:{TLS}/${database}`, "refused"], // It listens on IPv4 alone; libpq can read it.
    [
      `postgres:///${database}?user=${user}&password=${password}`,
      "plain",
      { PGHOST: "127.0.0.1", PGPORT: "{PLAIN}" },
    ],
    [`postgres://@localhost:{TLS}/none?dbname=${database}&sslmode=disable`, "plain"],
    // What else can be said.
    [
      `${LOCAL}/${database}?connect_timeout=5&application_name=x&options=-c%20geqo%3Doff&sslmode=disable`,
      "plain",
    ],
    [
      `${LOCAL}/${database}?keepalives=1&keepalives_idle=30&client_encoding=UTF8&gssencmode=disable&sslmode=disable`,
      "plain",
    ],
    [`${LOCAL}/${database}?ssl_min_protocol_version=TLSv1.3&sslmode=require`, "tls"],
    [`${LOCAL}/${database}?sslmode=requir`, "refused"],
    [`${LOCAL}/${database}?nonesuch=1`, "refused"],
    [`${LOCAL}/${database}?service=none`, "refused"],
    [`${LOCAL}/${database}?connect_timeout=soon`, "refused"],
    [`${LOCAL}/${database}?application_name`, "refused"],
    [`postgres://${user}:wrong@localhost:{TLS}/${database}?sslmode=prefer`, "refused"],
    [`postgres://${user}:${password}@localhost:{TLS}/%zz`, "refused"],
  ];

  it.each(CASES)("%s: %s", async (text, end, env = {}) => {
    for (const [name, authorityOf] of Object.entries({ right: ours, wrong: others })) {
      mkdirSync(join(folder, name, ".postgresql"), { recursive: true });
      cpSync(authorityOf.caFile, join(folder, name, ".postgresql", "root.crt"));
    }
    const url = urlOf(text);
    const vars = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, urlOf(value)]));
    const [byPsql, byTally] = [await psql(url, vars), await tally(url, vars)];
    // Without sslmode libpq does what it calls prefer, and Tally what it calls allow.
    const asked = /sslmode|ssl=/.test(url) || "PGSSLMODE" in vars;
    expect(asked ? byPsql : end).toBe(end);
    expect(byTally.end, `${byTally.error}`).toBe(end);
    if (byTally.error !== undefined) expect(`${byTally.error}`).not.toMatch(password);
  });

  it("refuses what it cannot keep to by name, and says what to do", () => {
    const said = (query: string) => {
      try {
        new Database(parseUrl(`postgres://h/db?${query}`), 1, () => {});
      } catch (error) {
        return (error as Error).message;
      }
      return "taken";
    };
    expect(said("sslmod=require")).toMatch(
      /^The store's URL has the parameter "sslmod", which is not known; known are application_name, .*, sslmode, /,
    );
    expect(said("password=SECRET&cret=1")).toMatch(
      /has a parameter behind password that is not known; an & within/,
    );
    expect(said("password=SECRET&cret=1")).not.toMatch(/SECRET|cret=|"cret/);
    expect(said("service=x")).toContain("reads no service files; write out host, user and database");
    expect(said("target_session_attrs=standby")).toContain(
      "any, read-write or primary, because Tally writes",
    );
    expect(said("require_auth=scram-sha-256")).toContain("cannot keep to; leave it out");
    expect(said("sslrootcert=system&sslmode=require")).toContain("takes sslmode=verify-full and not require");
    expect(said("sslrootcert=/none/ca.pem&sslmode=require")).toBe(
      "The file /none/ca.pem, which is the store's sslrootcert, cannot be read (ENOENT).",
    );
    expect(said("sslrootcert=system")).toBe("taken");
    expect(said("sslmode")).toContain("cannot be read; expected postgres://");
  });

  it("goes to the host that takes writes, and to the other one once that does", async () => {
    const primary = await PostgresServer.start();
    let standby: PostgresServer | undefined;
    try {
      standby = await PostgresServer.standbyOf(primary, "b");
      const hosts = `127.0.0.1:${standby.port},127.0.0.1:${primary.port}`;
      const url = `postgres://${user}:${password}@${hosts}/${database}`;
      const options = { clock: new HandClock(), newUid: () => v7(), cachedCountersMax: 0, warn: () => {} };
      const store = await openStore(url, { ...options, retention: DEFAULT_RETENTION });
      try {
        expect(store.traits.title).toContain(`${hosts}/${database}, schema tally`);
        expect(await apply(store, increment("a"), { id: "1" })).toMatchObject({ value: 1n });
        await expect.poll(() => standby!.sql("SELECT value FROM tally.counters", database)).toBe("1");
        await primary.kill();
        await standby.promote();
        const retried = () => apply(store, increment("a"), { id: "2" }).catch(() => undefined);
        await expect.poll(retried).toMatchObject({ value: 2n, revision: 2 });
        expect(await apply(store, increment("a"))).toMatchObject({ value: 3n });
        expect(await standby.sql("SELECT value FROM tally.counters", database)).toBe("3");
      } finally {
        await store.close();
      }
    } finally {
      await standby?.dispose();
      await primary.dispose();
    }
  });
});

const SSL = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
