/** Whatever keeps a server from starting on PostgreSQL: one sentence on stderr, its exit code, and never the password. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, expect, it, onTestFinished } from "vitest";
import { EXIT } from "../../../src/cli/exit.ts";
import { SCHEMA_VERSION } from "../../../src/stores/postgres/schema/schema.ts";
import { folderInMemory } from "../../support/folder.ts";
import { freePort } from "../../support/free-port.ts";
import { describeWith } from "../../support/needs.ts";
import { ROLE } from "../../support/postgres/address.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { PostgresServer } from "../../support/postgres/server.ts";
import { newSchema, sharedPostgres } from "../../support/postgres/shared.ts";
import { serve } from "./tally.ts";

const { user, password, database } = ROLE;

describeWith([POSTGRES], "a start on PostgreSQL", () => {
  const own: PostgresServer[] = [];
  afterAll(() => Promise.all(own.map((server) => server.dispose())));

  it("with fsync=off", async () => {
    const server = await PostgresServer.start({ fsync: "off" }, folderInMemory());
    own.push(server);
    await refused(
      server.url(),
      EXIT.STORE_UNUSABLE,
      "PostgreSQL runs with fsync=off, which loses committed counts when the machine stops; set fsync = on and restart it.",
    );
  });

  it("on a standby", async () => {
    const primary = await PostgresServer.start({}, folderInMemory());
    own.push(primary);
    const standby = await PostgresServer.standbyOf(primary, "b");
    own.unshift(standby);
    await refused(
      standby.url(),
      EXIT.STORE_UNUSABLE,
      "PostgreSQL is a standby, which takes no writes; give the address of the primary.",
    );
  });

  it("with synchronous_commit=off, of the role and of the URL", async () => {
    const postgres = await sharedPostgres();
    const sentence =
      "PostgreSQL runs with synchronous_commit=off, which answers before a count is on disk; turn it on, for Tally's " +
      "role alone if need be: ALTER ROLE ... SET synchronous_commit = on.";
    await refused(
      `${postgres.url({ schema: newSchema() })}&options=-c%20synchronous_commit%3Doff`,
      EXIT.STORE_UNUSABLE,
      sentence,
    );
    const role = `careless_${newSchema()}`;
    await postgres.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'counted' IN ROLE ${user}`);
    await postgres.sql(`ALTER ROLE ${role} SET synchronous_commit = off`);
    await refused(postgres.url().replace(user, role), EXIT.STORE_UNUSABLE, sentence);
  });

  it("in a database that cannot hold every text", async () => {
    const postgres = await sharedPostgres();
    const name = newSchema();
    const locale = "TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'";
    await postgres.sql(`CREATE DATABASE ${name} OWNER ${user} ${locale}`);
    await refused(
      postgres.url().replace(/\w+$/, name),
      EXIT.STORE_UNUSABLE,
      "The database's encoding is LATIN1, which cannot hold every label and description; make one with CREATE DATABASE " +
        "... ENCODING 'UTF8' TEMPLATE template0.",
    );
  });

  it("on tables of another program, and of a newer Tally", async () => {
    const postgres = await sharedPostgres();
    const [other, newer] = [newSchema(), newSchema()];
    await postgres.sql(`CREATE SCHEMA ${other} CREATE TABLE songs (title text)`, database);
    await postgres.sql(`GRANT ALL ON SCHEMA ${other} TO ${user}`, database);
    await refused(
      postgres.url({ schema: other }),
      EXIT.STORE_UNUSABLE,
      `The schema "${other}" has tables of another program; give Tally one of its own: postgres://...?schema=NAME.`,
    );
    await postgres.sql(`CREATE SCHEMA ${newer} AUTHORIZATION ${user}`, database);
    await postgres.sql(`CREATE TABLE ${newer}.schema_version AS SELECT 1000 AS version`, database);
    await postgres.sql(`CREATE TABLE ${newer}.service_state ()`, database);
    await postgres.sql(`GRANT ALL ON ALL TABLES IN SCHEMA ${newer} TO ${user}`, database);
    await refused(
      postgres.url({ schema: newer }),
      EXIT.STORE_UNUSABLE,
      `The schema "${newer}" was made by a newer Tally (version 1000; this one knows up to ${SCHEMA_VERSION}); start ` +
        "that version, or restore a backup made before the upgrade.",
    );
  });

  it("with a wrong password, and for a database that is not there", async () => {
    const postgres = await sharedPostgres();
    const at = `127.0.0.1:${postgres.port}`;
    await refused(
      `postgres://${user}:mistaken-secret@${at}/${database}`,
      EXIT.STORE_UNREACHABLE,
      `Cannot open PostgreSQL at ${at}/${database}, schema tally: the password is wrong.`,
    );
    await refused(
      `postgres://${user}:${password}@${at}/none`,
      EXIT.STORE_UNREACHABLE,
      `Cannot open PostgreSQL at ${at}/none, schema tally: there is no such database; create it first (createdb).`,
    );
  });

  it("by a role that may make no schema", async () => {
    const postgres = await sharedPostgres();
    const role = `guest_${newSchema()}`;
    await postgres.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'counted'`);
    const schema = newSchema();
    const at = `127.0.0.1:${postgres.port}/${database}`;
    await refused(
      postgres.url({ schema }).replace(user, role),
      EXIT.STORE_UNREACHABLE,
      `Cannot open PostgreSQL at ${at}, schema ${schema}: this user may not; let it create a schema (GRANT CREATE ON ` +
        "DATABASE), or create one that it owns.",
    );
  });
});

it("where nothing listens", async () => {
  const at = `127.0.0.1:${await freePort()}`;
  await refused(
    `postgres://me:mistaken-secret@${at}/counts`,
    EXIT.UNAVAILABLE,
    `Cannot open PostgreSQL at ${at}/counts, schema tally: nothing listens there; start the server, or correct the address.`,
  );
});

it("where somebody listens who never answers", async () => {
  const at = await listen(() => {});
  await refused(
    `postgres://me:mistaken-secret@${at}/counts`,
    EXIT.UNAVAILABLE,
    `Cannot open PostgreSQL at ${at}/counts, schema tally: it does not answer; correct the address, or let ` +
      "it through the firewall.",
  );
});

it("where a server of another kind hangs up", async () => {
  const at = await listen((socket) => socket.once("data", () => socket.end()));
  await refused(
    `postgres://me:mistaken-secret@${at}/counts`,
    EXIT.UNAVAILABLE,
    `Cannot open PostgreSQL at ${at}/counts, schema tally: it ended the connection; correct the address, if ` +
      "that is no PostgreSQL server.",
  );
});

it("with a URL that cannot be read, or of a scheme that is mistyped", async () => {
  await refused(
    "postgres://me:mistaken/secret@127.0.0.1/counts",
    EXIT.USAGE,
    "The store's URL cannot be read; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, in which every @ : / ? # and " +
      "% of user and password is percent-encoded (@ as %40).",
  );
  await refused(
    "postgre://me:mistaken-secret@127.0.0.1/counts",
    EXIT.USAGE,
    'store is "postgre://me:***@127.0.0.1/counts" (from the flag --store); expected sqlite:PATH, ' +
      "postgres://USER:PASSWORD@HOST/DATABASE or memory:; the default is sqlite:./tally.db.",
  );
});

it.each([
  ["postgre://h/db?password=mistaken-secret", 'store is "postgre://h/db?***" (from the flag --store)'],
  ["postgre://me:mistaken%40h/db", 'store is "postgre://me:***@h/db" (from the flag --store)'],
  ["postgres:/me:mistaken-secret@h/db", 'store is "postgres:***@h/db" (from the flag --store)'],
  ["host=h password=mistaken-secret", 'store is "host=*** password=***" (from the flag --store)'],
  [
    "postgres://h/db?pasword=mistaken-secret",
    'the parameter "pasword", which is not known; known are application_name',
  ],
  ["postgres://h/db?password=mista&ken-secret=1", "a parameter behind password that is not known"],
  ["postgres://h/db?password=mistaken%zz", "The store's URL cannot be read"],
  [
    "postgres://me:mistaken secret@127.0.0.1:1/db",
    "Cannot open PostgreSQL at 127.0.0.1:1/db, schema tally: nothing listens",
  ],
  ["sqlite:postgres://me:mistaken@h/db", "has a URL behind sqlite:, where the path of a file is expected"],
])("nothing of a password in %s", async (url, sentence) => {
  const ended = await serve(["--store", url]).ended;
  expect(ended).toMatchObject({ stdout: "", stderr: expect.stringContaining(sentence) });
  expect(ended.stderr).not.toMatch(/mista|ken|secret/);
});

it.each([
  [["--stroe=postgres://me:mistaken@h/db"]],
  [["--listen", "postgres://me:mistaken@h/db"]],
  [["--config", "postgres://h/db?password=mistaken"]],
  [["postgres://me:mistaken@h/db"]],
])("nor where %j has it by mistake", async (args) => {
  const ended = await serve(args).ended;
  expect(ended.code).not.toBe(0);
  expect(ended.stdout + ended.stderr).not.toContain("mistaken");
});

describeWith([POSTGRES], "a server on PostgreSQL", () => {
  it("the password is in nothing that a server prints while it serves", async () => {
    const postgres = await sharedPostgres();
    const role = `shown_${newSchema()}`;
    await postgres.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'mistaken-secret' IN ROLE ${user}`);
    await postgres.sql(`GRANT CREATE ON DATABASE ${database} TO ${role}`);
    const schema = newSchema();
    const url = `postgres://${role}:mistaken-secret@127.0.0.1:${postgres.port}/${database}?schema=${schema}`;
    const server = serve(["--store", url, "--log-level", "debug"]);
    expect((await server.logged("server.ready")).store).toMatch(
      new RegExp(`^PostgreSQL [\\d.]+, 127\\.0\\.0\\.1:${postgres.port}/${database}, schema ${schema}$`),
    );
    // It loses the database while it serves, and says so.
    await postgres.sql(`ALTER ROLE ${role} NOLOGIN`);
    await postgres.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`);
    await server.logged("maintenance.failed");
    server.child.kill("SIGTERM");
    const { stdout, stderr } = await server.ended;
    expect(stdout + stderr).not.toContain("mistaken");
  });
});

async function refused(url: string, code: number, sentence: string): Promise<void> {
  const ended = await serve(["--store", url]).ended;
  expect(ended).toEqual({ code, signal: null, stdout: "", stderr: `tally: ${sentence}\n` });
  expect(ended.stderr).not.toMatch(/mistaken|counted/);
}

/** A server that is no PostgreSQL. */
async function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    onConnection(socket);
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
