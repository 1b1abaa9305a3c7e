/** What a role may do, what it sees, and what somebody changed by hand: said at the start, and noticed later. */
import { expect, it, onTestFinished } from "vitest";
import { Database } from "../../../src/stores/postgres/connection/database.ts";
import { parseUrl } from "../../../src/stores/postgres/connection/url.ts";
import { accessStatement, accessValues } from "../../../src/stores/postgres/schema/access.ts";
import { apply, commit, increment, single } from "../../support/calls.ts";
import { FULL } from "../../support/full.ts";
import { describeWith } from "../../support/needs.ts";
import { ROLE } from "../../support/postgres/address.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { newSchema, sharedPostgres } from "../../support/postgres/shared.ts";
import { type OwnSchema, ownSchema } from "./schema.ts";

const ALL = { prefix: "", labels: {} };

describeWith([POSTGRES], "a role on PostgreSQL", () => {
  it("that may only read: refused at the start, with what it lacks and the GRANT; after that it counts", async () => {
    const { schema, guest, open } = await guestOf("SELECT ON ALL TABLES");
    const sentence = await open().catch((error: Error) => error.message);
    expect(sentence).toContain(`schema ${schema.name}: the role "${guest}" lacks INSERT ON counters`);
    const grants = [
      `GRANT USAGE ON SCHEMA "${schema.name}"`,
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema.name}"`,
      `GRANT USAGE ON ALL SEQUENCES IN SCHEMA "${schema.name}"`,
    ].map((grant) => `${grant} TO "${guest}"`);
    expect(sentence).toContain(`let its owner run: ${grants.join("; ")}.`);
    await schema.sql(grants.join("; "));
    expect(await apply(await open(), increment("a"))).toMatchObject({ value: 1n });
  });

  it.each([
    ["UPDATE ON service_state", (s: string) => `GRANT UPDATE ON "${s}".service_state`],
    ["DELETE ON request_ids", (s: string) => `GRANT DELETE ON "${s}".request_ids`],
    ["SELECT ON counters", (s: string) => `GRANT SELECT ON "${s}".counters`],
    ["SELECT ON schema_version", (s: string) => `GRANT SELECT ON "${s}".schema_version`],
    ["USAGE ON SEQUENCE change_order", (s: string) => `GRANT USAGE ON SEQUENCE "${s}".change_order`],
    ["USAGE ON SCHEMA", (s: string) => `GRANT USAGE ON SCHEMA "${s}"`],
  ])("without %s: refused at the start, and the GRANT that is named is enough", async (without, grant) => {
    const { schema, guest, open } = await guestOf(...EVERYTHING);
    const what = without === "USAGE ON SCHEMA" ? `${without} ${schema.name}` : without.replace(/\w+$/, "@$&");
    await schema.sql(`REVOKE ${what} FROM ${guest}`);
    const sentence = `lacks ${without.replace(" SEQUENCE", "")} in the schema "${schema.name}"; let its owner run: ${grant(schema.name)} TO "${guest}".`;
    await expect(open()).rejects.toThrow(sentence);
    await schema.sql(`${grant(schema.name)} TO "${guest}"`);
    expect(await apply(await open(), increment("a"))).toMatchObject({ value: 1n });
  });

  it("with privileges of columns: all of them are enough, one less is not", async () => {
    const { schema, guest, open } = await guestOf(...EVERYTHING);
    const columns = await schema.sql(
      "SELECT string_agg(column_name, ', ') AS all FROM information_schema.columns WHERE table_schema = $1 AND table_name = 'counters'",
      [schema.name],
    );
    await schema.sql(`REVOKE UPDATE, SELECT ON @counters FROM ${guest}`);
    await schema.sql(
      `GRANT UPDATE (${columns[0]!.all}), SELECT (${columns[0]!.all}) ON @counters TO ${guest}`,
    );
    const store = await open();
    expect(await apply(store, increment("a"))).toMatchObject({ value: 1n });
    await store.probeWrites(true);
    await schema.sql(`REVOKE UPDATE (value) ON @counters FROM ${guest}`);
    await expect(open()).rejects.toThrow("lacks UPDATE ON counters");
    await expect(store.probeWrites(false)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await store.probeReads();
  });

  it("whose privileges are revoked while it serves: writes alone, and then reads, until they are back", async () => {
    const { schema, guest, open } = await guestOf(...EVERYTHING);
    const store = await open();
    await store.probeWrites(false);
    await schema.sql(`REVOKE INSERT ON @request_ids FROM ${guest}`);
    await store.probeReads();
    await expect(store.probeWrites(false)).rejects.toMatchObject({
      message: "PostgreSQL does not give the privileges that are needed; the log names them",
      cause: { message: expect.stringContaining("lacks INSERT ON request_ids") },
    });
    await schema.sql(`REVOKE USAGE ON SCHEMA ${schema.name} FROM ${guest}`);
    await expect(store.probeReads()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await schema.sql(
      `GRANT USAGE ON SCHEMA ${schema.name} TO ${guest}; GRANT INSERT ON @request_ids TO ${guest}`,
    );
    await store.probeReads();
    await store.probeWrites(true);
  });

  it("from whom row level security hides rows: refused at the start; while it serves, an error and no short list", async () => {
    const { schema, guest, open } = await guestOf(...EVERYTHING);
    const store = await open();
    await apply(store, increment("a"));
    expect((await store.list(ALL, "", 10)).counters).toHaveLength(1);
    await schema.sql("ALTER TABLE @counters ENABLE ROW LEVEL SECURITY");
    const refused = { code: "STORE_UNAVAILABLE" };
    await expect(store.list(ALL, "", 10)).rejects.toMatchObject(refused);
    await expect(store.get(["a"])).rejects.toMatchObject(refused);
    await expect(store.sum(ALL)).rejects.toMatchObject(refused);
    await expect(apply(store, increment("a"))).rejects.toMatchObject(refused);
    await expect(store.probeReads()).rejects.toMatchObject({
      message: "row level security of PostgreSQL hides counters",
    });
    await expect(open()).rejects.toThrow(
      `row level security hides rows of counters in the schema "${schema.name}" from the role "${guest}"`,
    );
    await schema.sql("ALTER TABLE @counters DISABLE ROW LEVEL SECURITY");
    await store.probeReads();
    expect(await apply(store, increment("a"))).toMatchObject({ value: 2n });
  });
});

describeWith([POSTGRES], "at a start on PostgreSQL", () => {
  it("what a role may do is looked up by name and schema, however many relations there are", async () => {
    const schema = await ownSchema();
    await schema.open();
    const database = new Database(parseUrl(schema.url), 1, () => {});
    onTestFinished(() => database.close());
    const explain = `EXPLAIN ${accessStatement(database).text}`;
    const plan = (await schema.sql(explain, accessValues(database)))
      .map((row) => row["QUERY PLAN"])
      .join("\n");
    expect(plan).toMatch(/Index Cond: \(\(relname = \S+\) AND \(relnamespace = \S+\)\)/);
    expect(plan).not.toContain("Seq Scan on pg_class");
  });
});

describeWith([POSTGRES], "a schema of PostgreSQL that somebody changed by hand", () => {
  it.each([
    ...["schema_version", "service_state", "copying", "request_id_generations", "catalogue_state"],
    "policy_sweep",
  ])(
    "%s without a row: a start is refused with a sentence that names it, and who serves says no nonsense",
    async (table) => {
      const schema = await ownSchema();
      const store = await schema.open();
      await apply(store, increment("a"));
      await schema.sql(`DELETE FROM @${table}`);
      await expect(schema.open()).rejects.toThrow(
        `The table "${table}" of the schema "${schema.name}" has no rows, where Tally keeps one: somebody changed it by hand.`,
      );
      const asked = [
        store.maintain(),
        store.changesSince("", 10),
        store.get(["a"]),
        apply(store, increment("a"), { id: "r" }),
        store.copying!.exportHead(),
        store.copying!.importState(),
        store.catalogue!.read(0),
        store.catalogue!.write({ kind: "key", key: "a", body: "{}", expectedVersion: 0 }),
        store.close(),
      ];
      for (const result of await Promise.allSettled(asked)) {
        if (result.status === "rejected") expect(result.reason).toMatchObject({ name: "TallyError" });
      }
    },
  );

  it("two rows, or no value: refused likewise", async () => {
    const schema = await ownSchema();
    await (await schema.open()).close();
    await schema.sql("INSERT INTO @service_state SELECT * FROM @service_state");
    await expect(schema.open()).rejects.toThrow('The table "service_state"');
    await schema.sql("ALTER TABLE @schema_version ALTER version DROP NOT NULL");
    await schema.sql("UPDATE @schema_version SET version = NULL");
    await expect(schema.open()).rejects.toThrow('The table "schema_version"');
  });

  it("dropped while it serves: neither reads nor changes; and both when it is there again", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    await schema.sql(`ALTER SCHEMA ${schema.name} RENAME TO ${schema.name}_away`);
    const away = { message: "PostgreSQL does not have all the tables" };
    await expect(store.probeReads()).rejects.toMatchObject(away);
    await expect(store.probeWrites(false)).rejects.toMatchObject(away);
    await schema.sql(`ALTER SCHEMA ${schema.name}_away RENAME TO ${schema.name}`);
    await store.probeReads();
    await store.probeWrites(true);
    expect(await apply(store, increment("a"))).toMatchObject({ value: 1n });
  });

  it("a lock on a table: what it keeps out is not ready, and the rest is", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    const stranger = await schema.connect();
    await stranger.query(`BEGIN; LOCK TABLE ${schema.name}.request_ids IN SHARE MODE`);
    await store.probeReads();
    await expect(store.probeWrites(false)).rejects.toThrow(
      "PostgreSQL has a lock on it that another session",
    );
    await stranger.query(`LOCK TABLE ${schema.name}.counters`);
    await expect(store.probeReads()).rejects.toThrow("PostgreSQL has a lock on it that another session");
    await stranger.query("ROLLBACK");
    await store.probeReads();
    await store.probeWrites(false);
  });

  it("a lock on a table: the probe of changes finds what a change does, taken or refused", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    const stranger = await schema.connect();
    const tables = await schema.sql(`SELECT relname AS name FROM pg_class
      WHERE relnamespace = '${schema.name}'::regnamespace AND relkind = 'r'`);
    const all = tables.flatMap(({ name }) => MODES.map((mode) => `${name} IN ${mode}`));
    const [found, met] = [new Map<string, boolean>(), new Map<string, boolean>()];
    for (const lock of FULL ? all : [...LET_PASS, ...KEEP_OUT]) {
      await stranger.query(`BEGIN; LOCK TABLE ${schema.name}.${lock} MODE`);
      const change = commit(store, single(increment("a"), { id: lock.replaceAll(" ", "-") }));
      const [probe, answer] = await Promise.allSettled([store.probeWrites(false), change]);
      await stranger.query("ROLLBACK");
      found.set(lock, probe.status === "fulfilled");
      met.set(lock, answer.status === "fulfilled" && answer.value[0]!.refused === undefined);
    }
    expect(found).toEqual(met);
    expect(LET_PASS.filter((lock) => met.get(lock) === false)).toEqual([]);
    expect(KEEP_OUT.filter((lock) => met.get(lock) === true)).toEqual([]);
  });
});

/** What a stranger may lock, and changes go on. */
const LET_PASS = [
  ...["change_openings IN SHARE", "counter_labels IN SHARE ROW EXCLUSIVE", "deleted_counters IN SHARE"],
  ...["request_id_generations IN SHARE", "counter_labels IN ACCESS EXCLUSIVE"],
];
const KEEP_OUT = ["change_log IN SHARE", "request_id_generations IN ACCESS EXCLUSIVE"];
/** With TALLY_TEST_FULL=1 each table is locked in each of them. */
const MODES = ["SHARE", "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"];

const EVERYTHING = ["SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"];

/** A schema, and a role that is not its owner, with some privileges in it. */
async function guestOf(...privileges: readonly string[]) {
  const schema: OwnSchema = await ownSchema();
  await (await schema.open()).close();
  const postgres = await sharedPostgres();
  const guest = `guest_${newSchema()}`;
  await postgres.sql(`CREATE ROLE ${guest} LOGIN PASSWORD '${ROLE.password}'`);
  await schema.sql(`GRANT USAGE ON SCHEMA ${schema.name} TO ${guest}`);
  for (const each of privileges) {
    const of = each.startsWith("USAGE") ? "GRANT USAGE ON ALL SEQUENCES" : `GRANT ${each}`;
    await schema.sql(`${of} IN SCHEMA ${schema.name} TO ${guest}`);
  }
  return { schema, guest, open: () => schema.open({ as: guest }) };
}
