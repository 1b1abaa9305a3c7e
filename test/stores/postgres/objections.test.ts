/** Constraints, triggers, policies and types that the operator has put into PostgreSQL. */
import { expect, it } from "vitest";
import type { Store } from "../../../src/service/store.ts";
import { apply, batch, commit, create, increment, remove, set, single, update } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { ROLE } from "../../support/postgres/address.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { expectSumsEqualValues } from "../conformance/changes.ts";
import { objectionsSuite } from "../objections.ts";
import { type OwnSchema, ownDatabase, ownSchema } from "./schema.ts";

async function guarded(...sql: string[]): Promise<{ schema: OwnSchema; store: Store }> {
  const schema = await ownSchema();
  const store = await schema.open();
  for (const each of sql) await schema.sql(each);
  return { schema, store };
}

/** A trigger of this name, by what it does where the value is 100 and more. */
function trigger(name: string, then: string, when = "BEFORE INSERT OR UPDATE"): string[] {
  return [
    `CREATE FUNCTION @${name}() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN IF new.value >= 100 THEN ${then}; END IF; RETURN new; END $$`,
    `CREATE TRIGGER own_trigger ${when} ON @counters FOR EACH ROW EXECUTE FUNCTION @${name}()`,
  ];
}

describeWith([POSTGRES], "what the operator has put into PostgreSQL", () => {
  objectionsSuite({
    kind: "postgres",
    open: async (...sql) => (await guarded(...sql)).store,
    below100: [
      {
        sql: ["ALTER TABLE @counters ADD CONSTRAINT below_100 CHECK (value < 100)"],
        constraint: "below_100",
      },
      {
        sql: trigger("raised", "RAISE EXCEPTION 'too many' USING ERRCODE = '23000', CONSTRAINT = 'own'"),
        constraint: "own",
      },
      { sql: trigger("skipped", "RETURN NULL"), constraint: "a trigger or rule that skips the row" },
    ],
  });

  it.each<[string, string[], string]>([
    [
      "a deferred constraint trigger",
      [
        trigger("late", "RAISE EXCEPTION 'late' USING CONSTRAINT = 'own_late', ERRCODE = '23514'")[0]!,
        `CREATE CONSTRAINT TRIGGER own_late AFTER INSERT OR UPDATE ON @counters DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION @late()`,
      ],
      "own_late",
    ],
    [
      "a domain",
      [
        "CREATE DOMAIN @small AS bigint CONSTRAINT own_small CHECK (value < 100)",
        "ALTER TABLE @counters ALTER COLUMN value TYPE @small",
      ],
      "own_small",
    ],
    [
      "a narrower type",
      ["ALTER TABLE @counters ALTER COLUMN value TYPE numeric(2)"],
      "numeric field overflow",
    ],
    [
      "a division by zero in a trigger",
      trigger("divides", "PERFORM 1 / 0"),
      expect.stringMatching(/^test_\w+\.divides: division by/) as unknown as string,
    ],
    [
      "a trigger with a code of its own",
      trigger("coded", "RAISE EXCEPTION SQLSTATE 'TA001' USING MESSAGE = E'no\\nmore'"),
      expect.stringMatching(/^test_\w+\.coded: no more$/) as unknown as string,
    ],
    [
      "an exclusion",
      [
        "ALTER TABLE @counters ADD CONSTRAINT own_twice EXCLUDE USING btree (value WITH =) WHERE (value >= 100)",
      ],
      "own_twice",
    ],
    [
      "a unique index",
      ["CREATE UNIQUE INDEX own_unique ON @counters ((value / 100)) WHERE value >= 100"],
      "own_unique",
    ],
    [
      "a NOT NULL",
      [
        "ALTER TABLE @counters ADD COLUMN own text GENERATED ALWAYS AS (CASE WHEN value < 100 THEN 'x' END) STORED",
        "ALTER TABLE @counters ALTER COLUMN own SET NOT NULL",
      ],
      "NOT NULL of the column own",
    ],
    [
      "a foreign key",
      [
        "CREATE TABLE @allowed (value bigint PRIMARY KEY)",
        "INSERT INTO @allowed SELECT generate_series(-5, 99) UNION ALL SELECT 555",
        "ALTER TABLE @counters ADD CONSTRAINT own_allowed FOREIGN KEY (value) REFERENCES @allowed",
      ],
      "own_allowed",
    ],
  ])("%s: its name, and the others count", async (_, sql, constraint) => {
    const { store } = await guarded(...sql);
    await commit(store, single(set("first", 50n)), single(set("b", 1n)));
    // Unique ones have nothing against the first.
    if (/twice|unique/.test(constraint as string)) await apply(store, set("holder", 150n));
    const refusal = { code: "CONSTRAINT_VIOLATED", constraint };
    const answers = await commit(
      store,
      single(increment("a", 7n)),
      single(set("first", 150n), { id: "r" }),
      batch([increment("b"), set("b", 150n), increment("b")]),
      batch([increment("a"), set("first", 150n)], { allOrNothing: true }),
      single(create("made", { value: 150n, labels: { l: "1" } })),
      single(increment("a")),
    );
    expect(answers.map(({ refused }) => refused)).toEqual([
      ...[undefined, refusal, undefined, { ...refusal, index: 1 }, refusal, undefined],
    ]);
    expect(answers[2]!.results).toMatchObject([{ value: 2n }, refusal, { value: 3n }]);
    expect(await store.get(["a", "first", "b", "made"])).toMatchObject([
      ...[{ value: 8n }, { value: 50n, revision: 1 }, { value: 3n, revision: 3 }, undefined],
    ]);
    await expectSumsEqualValues(store, ["a", "first", "b"]);
  });

  it("a foreign key to a counter: it is not deleted, and another is", async () => {
    const { schema, store } = await guarded();
    await commit(store, single(set("used", 1n)), single(set("free", 1n)));
    await schema.sql("CREATE TABLE @uses (id bigint CONSTRAINT own_use REFERENCES @counters (id))");
    await schema.sql("INSERT INTO @uses SELECT id FROM @counters WHERE name = 'used'");
    const answers = await commit(
      store,
      single(remove("used")),
      single(remove("free")),
      single(increment("a")),
    );
    expect(answers.map(({ refused }) => refused?.constraint)).toEqual(["own_use", undefined, undefined]);
    expect(await store.get(["used", "free"])).toMatchObject([{ value: 1n }, undefined]);
  });

  it("a constraint on settings: the update is refused, and counting goes on", async () => {
    const { store } = await guarded(
      "ALTER TABLE @counters ADD CONSTRAINT own_text CHECK (description IS NULL)",
    );
    await apply(store, increment("a"));
    const answers = await commit(
      store,
      single(update("a", { description: "x" })),
      single(increment("a")),
      single(update("a", { labels: { l: "1" } })),
    );
    expect(answers.map(({ refused }) => refused?.constraint)).toEqual(["own_text", undefined, undefined]);
    expect(await store.get(["a"])).toMatchObject([{ value: 2n, description: "", labels: { l: "1" } }]);
  });

  it("what is against the log or the request ids refuses everything, and says so", async () => {
    const { schema, store } = await guarded(
      "ALTER TABLE @change_log ADD CONSTRAINT own_log CHECK (time_ms < 0) NOT VALID",
    );
    await expect(apply(store, increment("a"))).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("own_log"),
    });
    await schema.sql("ALTER TABLE @change_log DROP CONSTRAINT own_log");
    expect(await apply(store, increment("a"))).toMatchObject({ value: 1n });
  });

  it("a privilege that is missing is no objection to one operation", async () => {
    const database = await ownDatabase();
    const schema = await ownSchema(database.url);
    const store = await schema.open();
    await apply(store, increment("a"));
    await schema.sql(`REVOKE UPDATE ON @counters FROM ${ROLE.user}`);
    await expect(apply(store, increment("a"))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});
