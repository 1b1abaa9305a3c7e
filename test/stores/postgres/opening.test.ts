/** Opening and migrating, by several processes at once. What a start refuses is in test/cli/process. */
import { expect, it } from "vitest";
import { assertDurable } from "../../../src/stores/postgres/connection/durability.ts";
import { parseUrl } from "../../../src/stores/postgres/connection/url.ts";
import { SCHEMA_VERSION } from "../../../src/stores/postgres/schema/schema.ts";
import { apply, increment } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { ownSchema } from "./schema.ts";

describeWith([POSTGRES], "opening a schema of PostgreSQL", () => {
  it("ten at once: one migrates, and all serve the same counters", async () => {
    const schema = await ownSchema();
    const warnings: string[] = [];
    const stores = await Promise.all(
      Array.from({ length: 10 }, () => schema.open({ warn: (message) => warnings.push(message) })),
    );
    const values = await Promise.all(stores.map((store) => apply(store, increment("a"))));
    expect(values.map((result) => (result as { value: bigint }).value).sort()).toEqual(
      Array.from({ length: 10 }, (_, i) => BigInt(i + 1)).sort(),
    );
    expect(warnings).toEqual([]);
    expect(await schema.sql("SELECT version FROM @schema_version")).toEqual([{ version: SCHEMA_VERSION }]);
    for (const store of stores) expect(await store.get(["a"])).toMatchObject([{ value: 10n, revision: 10 }]);
  });

  it("a newer schema is refused; who served before it was made goes on", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    await schema.sql("UPDATE @schema_version SET version = 99");
    await expect(schema.open()).rejects.toThrow(
      `The schema "${schema.name}" was made by a newer Tally (version 99; this one knows up to ${SCHEMA_VERSION}); ` +
        "start that version, or restore a backup made before the upgrade.",
    );
    expect(await apply(store, increment("a"))).toMatchObject({ value: 1n });
  });

  it("who waited for a migration looks at what it left, and refuses what is newer", async () => {
    const schema = await ownSchema();
    const migrating = await schema.connect();
    await migrating.query("BEGIN");
    await migrating.query("SELECT pg_advisory_xact_lock(hashtextextended('tally ' || $1, 0))", [schema.name]);
    const opening = schema.open();
    opening.catch(() => {});
    await waitingForMigration(schema);
    await migrating.query(`CREATE SCHEMA ${schema.name}`);
    await migrating.query(`CREATE TABLE ${schema.name}.schema_version AS SELECT 99 AS version`);
    await migrating.query(`CREATE TABLE ${schema.name}.service_state ()`);
    await migrating.query("COMMIT");
    await expect(opening).rejects.toThrow("was made by a newer Tally (version 99;");
    expect(await schema.sql("SELECT to_regclass('@counters') AS counters")).toEqual([{ counters: null }]);
  });

  it("a schema_version of another program is not ours, and stays as it is", async () => {
    const schema = await ownSchema();
    await schema.sql(`CREATE SCHEMA ${schema.name}`);
    await schema.sql("CREATE TABLE @schema_version AS SELECT 0 AS version"); // As Flyway's was called.
    await expect(schema.open()).rejects.toThrow(
      `The schema "${schema.name}" has tables of another program; give Tally one of its own: postgres://...?schema=NAME.`,
    );
    const tables = await schema.sql("SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace", [
      schema.name,
    ]);
    expect(tables).toEqual([{ relname: "schema_version" }]);
  });

  it("an empty schema that is there already is used, by a role that may make none", async () => {
    const schema = await ownSchema();
    await schema.sql(`CREATE SCHEMA ${schema.name}`);
    expect(await apply(await schema.open(), increment("a"))).toMatchObject({ value: 1n });
  });
});

it("PostgreSQL 12 is too old, 13 is not", async () => {
  const server = (version_num: string, version: string) => ({
    query: async () => ({
      rows: [
        {
          ...{ version, version_num, fsync: "on", synchronous_commit: "on", standbys: "", encoding: "UTF8" },
          ...{ full_page_writes: "on", data_checksums: "on", in_recovery: false },
        },
      ],
    }),
  });
  const assert = (...version: [string, string]) =>
    assertDurable(server(...version) as unknown as Parameters<typeof assertDurable>[0]);
  await expect(assert("120022", "12.22")).rejects.toThrow(
    "PostgreSQL 12.22 is too old; Tally needs 13 or newer.",
  );
  await expect(assert("130000", "13.0")).resolves.toMatchObject({ serverVersion: "13.0" });
});

it("what people are shown of a URL has neither user nor password, whatever these are", () => {
  const shown = (url: string) => parseUrl(url).shown;
  expect(shown("postgres://me:secret@db.example:5433/counts")).toBe("db.example:5433/counts, schema tally");
  expect(shown("postgres://me:sec@ret@db.example/counts?schema=x")).toBe("db.example/counts, schema x");
  expect(shown("postgresql://me:secret@/counts?host=/run/postgresql")).toBe(
    "/run/postgresql/counts, schema tally",
  );
  for (const url of [
    "postgres://me:sec/ret@db.example/counts",
    "postgres://me:sec?ret@db.example/counts",
    "postgres://me:sec#ret@db.example/counts",
    "postgres://me:sec%ret@db.example/counts",
    "postgres://me:secret@db.example:port/counts",
  ]) {
    expect(() => parseUrl(url)).toThrow(
      /^The store's URL (cannot be read; expected|has a port that cannot be taken; .*) postgres:/,
    );
    expect(() => parseUrl(url)).not.toThrow(/sec|ret@/);
  }
});

/** Resolves when somebody waits for the lock of a schema's migration. */
async function waitingForMigration(schema: Awaited<ReturnType<typeof ownSchema>>): Promise<void> {
  for (;;) {
    const rows = await schema.sql(
      `SELECT 1 FROM pg_locks, hashtextextended('tally ' || $1, 0) AS key
       WHERE locktype = 'advisory' AND NOT granted
         AND classid::bigint = (key >> 32) & 4294967295 AND objid::bigint = key & 4294967295`,
      [schema.name],
    );
    if (rows.length > 0) return;
  }
}
