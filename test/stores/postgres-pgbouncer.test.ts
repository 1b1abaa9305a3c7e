/** PostgreSQL behind PgBouncer, which gives each transaction another connection to the server. */
import { performance } from "node:perf_hooks";
import { v7 } from "uuid";
import { expect, it } from "vitest";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { type Answer, commit, increment, single } from "../support/calls.ts";
import { describeWith, program } from "../support/needs.ts";
import { PgBouncer } from "../support/postgres/pgbouncer.ts";
import { POSTGRES } from "../support/postgres/programs.ts";
import { newSchema, sharedPostgres } from "../support/postgres/shared.ts";

const BATCHES = 100;
const IN_FLIGHT = 8;

describeWith([POSTGRES, program("pgbouncer")], "PgBouncer", () => {
  it("in transaction mode: two processes that share three connections count everything once", async () => {
    const postgres = await sharedPostgres();
    await using bouncer = await PgBouncer.start(postgres, { connections: 3 });
    const url = postgres.url({ schema: newSchema(), port: bouncer.port });
    const warnings: string[] = [];
    const stores = await Promise.all([open(url, warnings), open(url, warnings)]);
    try {
      const first = await sendAll(stores);
      expect(first.flat().every(({ replayed }) => !replayed)).toBe(true);
      const revisions = first.map(([hot]) => (hot!.results[0] as { revision: number }).revision);
      expect(revisions.toSorted((a, b) => a - b)).toEqual(revisions.map((_, at) => at + 1));

      const again = await sendAll(stores.toReversed()); // Each to the process that did not have it.
      expect(again).toEqual(first.map((answers) => answers.map((answer) => ({ ...answer, replayed: true }))));
      for (const store of stores) {
        expect(await store.get(["hot"])).toMatchObject([{ value: BigInt(BATCHES), revision: BATCHES }]);
        expect(await store.sum({ prefix: "c", labels: {} })).toMatchObject({ sum: BigInt(BATCHES) });
      }
      // This PgBouncer is older than 1.21; each process finds out, and says so once.
      for (const warning of warnings) expect(warning).toMatch("goes on without them");
      expect(warnings.length).toBeLessThanOrEqual(2);
    } finally {
      for (const store of stores) await store.close();
    }
  });

  it("in statement mode: refused at start, because there a batch is no transaction", async () => {
    const postgres = await sharedPostgres();
    await using bouncer = await PgBouncer.start(postgres, { connections: 3, mode: "statement" });
    await expect(open(postgres.url({ schema: newSchema(), port: bouncer.port }))).rejects.toThrow(
      "transaction blocks not allowed in statement pooling mode",
    );
  });
});

/** Send batches by turns to each store, a few at a time. @returns their answers, in order */
async function sendAll(stores: readonly Store[]): Promise<Answer[][]> {
  const answers: Answer[][] = [];
  const turns = Array.from({ length: BATCHES }, (_, id) => id).values();
  const work = async () => {
    for (const id of turns) {
      const asked = [
        single(increment("hot"), { id: `h${id}` }),
        single(increment(`c${id % 7}`), { id: `c${id}` }),
      ];
      answers[id] = await commit(stores[id % stores.length]!, ...asked);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return answers;
}

function open(url: string, warnings: string[] = []): Promise<Store> {
  return openStore(url, {
    clock: { now: Date.now, monotonic: () => performance.now() },
    newUid: v7,
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 1_000,
    warn: (message) => void warnings.push(message),
  });
}
