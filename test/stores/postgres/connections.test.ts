/** Connections that die while nobody uses them, and servers that give fewer than Tally wishes for. */
import { expect, it } from "vitest";
import type { Store } from "../../../src/service/store.ts";
import { commit, increment, single } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { ROLE } from "../../support/postgres/address.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { newSchema, sharedPostgres } from "../../support/postgres/shared.ts";
import { ownDatabase, ownSchema } from "./schema.ts";

describeWith([POSTGRES], "connections to PostgreSQL", () => {
  it("that the server ends while they are idle: nobody who asks afterwards notices", async () => {
    const { url } = await ownDatabase();
    const schema = await ownSchema(url);
    const store = await schema.open();
    const other = await schema.connect();
    let counted = 0n;
    for (let round = 0; round < 8; round++) {
      counted += await everybody(store, 8);
      const { rowCount } = await other.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'tally' AND usename = user`, // No other test's.
      );
      expect(rowCount).toBeGreaterThan(0);
    }
    counted += await everybody(store, 8);
    expect(await store.get(["n0"])).toMatchObject([{ value: counted / 8n }]);
  });

  it("that may not be idle for long: each of 30 commits around that time is answered", async () => {
    const { url } = await ownDatabase({ idle_session_timeout: "150" });
    const store = await (await ownSchema(url)).open();
    for (let i = 1n; i <= 30n; i++) {
      const answers = await commit(store, single(increment("a")));
      expect(answers[0]!.results).toMatchObject([{ value: i }]);
      await store.list({ prefix: "", labels: {} }, "", 10);
      await new Promise((resolve) => setTimeout(resolve, 145 + Number(i % 10n)));
    }
  });

  it.each([1, 2, 3])("%i at most: everybody is answered, and maintenance runs", async (limit) => {
    const postgres = await sharedPostgres();
    const role = `few_${newSchema()}`;
    await postgres.sql(`CREATE ROLE ${role} LOGIN PASSWORD '${ROLE.password}' CONNECTION LIMIT ${limit}`);
    await postgres.sql(`GRANT CREATE ON DATABASE ${ROLE.database} TO ${role}`);
    const schema = await ownSchema(postgres.url().replace(ROLE.user, role));
    const store = await schema.open();
    for (let round = 0; round < 5; round++) {
      const [, more] = await Promise.all([everybody(store, 30), store.maintain()]);
      expect(more).toBe(false);
    }
    expect(await store.get(["n0", "n29"])).toMatchObject([{ value: 5n }, { value: 5n }]);
    await store.close();
  });
});

/** So many commits and reads at once, each of another counter. @returns how many commits */
async function everybody(store: Store, count: number, name = "n"): Promise<bigint> {
  const names = Array.from({ length: count }, (_, i) => `${name}${i}`);
  await Promise.all([
    ...names.map((each) => commit(store, single(increment(each)))),
    ...names.map((each) => store.get([each])),
    ...names.map(() => store.sum({ prefix: "", labels: {} })),
  ]);
  return BigInt(count);
}
