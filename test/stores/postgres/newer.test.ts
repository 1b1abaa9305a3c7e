/** What a newer release may do to the tables while processes of this one go on: columns, indexes, tables, checks. */
import { expect, it } from "vitest";
import { copyStore } from "../../../src/service/copy.ts";
import type { Store } from "../../../src/service/store.ts";
import { apply, batch, commit, create, increment, remove, set, single, update } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { allChanges, expectSumsEqualValues } from "../conformance/changes.ts";
import { type OwnSchema, ownSchema } from "./schema.ts";

const TABLES = [
  ...["counters", "counter_labels", "change_log", "change_openings", "deleted_counters", "request_ids"],
  ...["request_id_generations", "service_state", "copying", "schema_version"],
  ...["catalogue", "catalogue_state", "policy_sweep", "key_uses"],
];

/** What is done to each table, one after another. */
const CHANGES = [
  "ALTER TABLE @{} ADD COLUMN newer text",
  "ALTER TABLE @{} ADD COLUMN newer_still bigint NOT NULL DEFAULT 7",
  "ALTER TABLE @{} ADD CONSTRAINT newer_check CHECK (newer_still = 7)",
  "CREATE INDEX newer_{} ON @{} (newer)",
  "CREATE TABLE @newer_beside_{} (id bigint, note text)",
  "ALTER TABLE @{} DROP COLUMN newer",
];

/** Types of columns that hold the same as before: a prepared statement that gives one has another type of result. */
const TYPES = [
  "ALTER TABLE @counters ALTER COLUMN description TYPE varchar(100000)",
  "ALTER TABLE @counters ALTER COLUMN labels TYPE varchar(100000)",
  'ALTER TABLE @counters ALTER COLUMN name TYPE varchar(1000) COLLATE "C"',
  "ALTER TABLE @service_state ALTER COLUMN run_ms TYPE numeric",
  "ALTER TABLE @change_log ALTER COLUMN time_ms TYPE numeric",
  "ALTER TABLE @change_openings ALTER COLUMN time_ms TYPE numeric",
  "ALTER TABLE @request_id_generations ALTER COLUMN bytes TYPE numeric",
  'ALTER TABLE @deleted_counters ALTER COLUMN name TYPE varchar(1000) COLLATE "C"',
];

describeWith([POSTGRES], "tables of PostgreSQL that a newer release has changed", () => {
  it("are counted, followed and kept up as before, by who began before", async () => {
    const schema = await ownSchema();
    const running = await Running.on(schema);
    const statements = TABLES.flatMap((table) => CHANGES.map((sql) => sql.replaceAll("{}", table)));
    for (const sql of [...statements, ...TYPES]) {
      await schema.sql(sql);
      await running.round(sql);
    }
    await running.end();
  });

  it("are copied from and into, begun before and after", async () => {
    const [from, to] = [await ownSchema(), await ownSchema()];
    const first = await from.open();
    await apply(first, create("a", { value: 3n, labels: { l: "1" } }), { id: "r" });
    await apply(first, set("gone", 3n));
    await apply(first, remove("gone", { keepHistory: true }));
    await first.close();
    await (await to.open()).close();
    for (const schema of [from, to]) {
      for (const table of TABLES) {
        for (const sql of CHANGES) await schema.sql(sql.replaceAll("{}", table));
      }
    }
    const [source, target] = [await from.open({ purpose: "copyFrom" }), await to.open({ purpose: "copyTo" })];
    expect(await copyStore(source, target)).toMatchObject({ counters: 1, requestIds: 1, changes: 3 });
    await Promise.all([source.close(), target.close()]);
    const served = await to.open();
    expect(await apply(served, create("a", { value: 3n, labels: { l: "1" } }), { id: "r" })).toMatchObject({
      value: 3n,
    });
    await expectSumsEqualValues(served, ["a"]);
  });
});

/** Two stores under load, which have prepared all that they send, and what they warned of. */
class Running {
  readonly #stores: readonly Store[];
  readonly #warnings: string[];
  readonly #cursors = new Map<Store, string>();
  #round = 0;
  #counted = 0n;

  private constructor(stores: readonly Store[], warnings: string[]) {
    this.#stores = stores;
    this.#warnings = warnings;
  }

  static async on(schema: OwnSchema): Promise<Running> {
    const warnings: string[] = [];
    const options = {
      warn: (warning: string) => void warnings.push(warning),
      retention: { changeLogBytesMax: 2_000 },
    };
    const running = new Running([await schema.open(options), await schema.open(options)], warnings);
    for (let i = 0; i < 3; i++) await running.round("at the beginning");
    return running;
  }

  /** Everything that a store does, on several connections at once. */
  async round(after: string): Promise<void> {
    const n = this.#round++;
    const each = this.#stores.map(async (store, s) => {
      const counting = [0, 1, 2].map(async (lane) => {
        const name = `n${s}.${lane}`;
        const [first, , , last] = await commit(
          store,
          single(increment("hot"), { id: `${n}-${s}-${lane}` }),
          batch([increment(name), create(`${name}.${n}`, { labels: { l: "1" }, description: "d" })]),
          single(update(name, { description: `${n}`, labels: { l: `${n}` } })),
          single(remove(`n${s}.${lane}.${n - 1}`)),
        );
        expect(first!.refused, after).toBeUndefined();
        if (n > 0) expect(last!.refused, after).toBeUndefined();
      });
      await Promise.all([...counting, store.maintain(), this.#follow(store)]);
      await store.list({ prefix: "", labels: { l: "1" } }, "", 10);
      const entry = { kind: "setting", key: `${s}.${n}`, body: "{}", expectedVersion: 0 } as const;
      const version = (await store.catalogue!.write(entry))!;
      expect((await store.catalogue!.read(version - 1)).entries, after).toContainEqual(
        expect.objectContaining({ key: entry.key, version }),
      );
      await store.keyUses!.note(new Map([[`k${s}`, n]]));
      expect((await store.keyUses!.read([`k${s}`])).get(`k${s}`), after).toBe(n);
      await store.top({ prefix: "", labels: {} }, 3, "highest");
    });
    this.#counted += 6n;
    await Promise.all(each);
    for (const store of this.#stores) {
      expect(await store.get(["hot"]), after).toMatchObject([{ value: this.#counted }]);
    }
    expect(this.#warnings, after).toEqual([]);
  }

  async end(): Promise<void> {
    for (const store of this.#stores) {
      while (await store.maintain());
      await expectSumsEqualValues(store, ["hot"]);
      expect((await allChanges(store)).length).toBeGreaterThan(10);
    }
  }

  async #follow(store: Store): Promise<void> {
    const { cursor } = await store.changesSince(this.#cursors.get(store) ?? "", 1_000);
    this.#cursors.set(store, cursor);
  }
}
