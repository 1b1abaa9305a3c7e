/** PostgreSQL, when a commit does not get its answer: what is unknown is said to be, and a retry counts once. */
import { performance } from "node:perf_hooks";
import { v7 } from "uuid";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import { commit, increment, single } from "../support/calls.ts";
import { describeWith } from "../support/needs.ts";
import { POSTGRES } from "../support/postgres/programs.ts";
import { type Fate, PostgresProxy } from "../support/postgres/proxy.ts";
import { PostgresServer } from "../support/postgres/server.ts";
import { newSchema, sharedPostgres } from "../support/postgres/shared.ts";

describeWith([POSTGRES], "a connection to PostgreSQL that ends", () => {
  let proxy: PostgresProxy;
  let store: Store;

  beforeAll(async () => {
    const postgres = await sharedPostgres();
    proxy = await PostgresProxy.start(postgres.port);
    store = await open(postgres.url({ schema: newSchema(), port: proxy.port }));
  });

  afterAll(async () => {
    await store?.close();
    await proxy?.stop();
  });

  /** Let the next COMMIT have its fate, and those after it pass. */
  function next(fate: Fate): void {
    proxy.fateOf = () => {
      proxy.fateOf = () => "pass";
      return fate;
    };
  }

  it("before the server has the COMMIT: unknown, not saved, and the retry counts", async () => {
    next("cut before");
    const asked = single(increment("before", 5n), { id: "r" });
    await expect(commit(store, asked)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await store.get(["before"])).toEqual([undefined]);
    expect((await commit(store, asked))[0]).toMatchObject({ replayed: false, results: [{ value: 5n }] });
  });

  it("after the COMMIT was done: unknown, saved, and the retry is a replay", async () => {
    next("cut after");
    const asked = single(increment("after", 5n), { id: "r" });
    await expect(commit(store, asked)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await store.get(["after"])).toMatchObject([{ value: 5n, revision: 1 }]);
    expect((await commit(store, asked))[0]).toMatchObject({ replayed: true, results: [{ value: 5n }] });
    expect(await store.get(["after"])).toMatchObject([{ value: 5n, revision: 1 }]);
  });

  it("before COMMIT: asked again on another connection, and counted once", async () => {
    let cut = 0;
    proxy.cutsAt = (sql) => /^BEGIN/i.test(sql) && cut++ === 0;
    const asked = single(increment("once", 5n), { id: "r" });
    expect((await commit(store, asked))[0]).toMatchObject({
      replayed: false,
      results: [{ value: 5n, revision: 1 }],
    });
    proxy.cutsAt = () => false;
    expect(cut).toBe(2);
  });

  it("before COMMIT, and so does the next: certainly not saved", async () => {
    let cut = 0;
    proxy.cutsAt = (sql) => /^BEGIN/i.test(sql) && cut++ < 2;
    const asked = single(increment("early", 5n), { id: "r" });
    await expect(commit(store, asked)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    proxy.cutsAt = () => false;
    expect(cut).toBe(2);
    expect(await store.get(["early"])).toEqual([undefined]);
    expect((await commit(store, asked))[0]).toMatchObject({ replayed: false, results: [{ value: 5n }] });
  });

  it("while nothing is asked of it: the next commit has another", async () => {
    await commit(store, single(increment("idle")));
    proxy.cutAll();
    const retried = async () => (await commit(store, single(increment("idle"), { id: "r" })))[0]!.results;
    await expect.poll(() => retried().catch(() => undefined)).toMatchObject([{ value: 2n }]);
  });
});

describeWith([POSTGRES], "a synchronous standby of PostgreSQL", () => {
  it("a wait for it that is cancelled is unknown, and its retry waits in its turn", async () => {
    const primary = await PostgresServer.start();
    let standby: PostgresServer | undefined;
    let store: Store | undefined;
    let after: Store | undefined;
    try {
      standby = await PostgresServer.standbyOf(primary, "a");
      store = await open(primary.url());
      await primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'a'");
      await primary.sql("SELECT pg_reload_conf()");
      const asked = single(increment("a", 5n), { id: "r" });
      await commit(store, single(increment("b"))); // So that the connections know of the standby.

      await standby.stop();
      const unknown = commit(store, asked);
      unknown.catch(() => {}); // Looked at below.
      await expect.poll(() => primary.sql(`SELECT pg_cancel_backend(pid) ${WAITING}`)).toBe("t");
      await expect(unknown).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });

      // It is in the primary, and would be lost with it: who is told that it was counted must be able to rely on it.
      const retry = commit(store, asked);
      const early = retry.then(() => expect.fail("answered, though no standby has it"));
      await Promise.race([early, expect.poll(() => primary.sql(`SELECT count(*) ${WAITING}`)).toBe("1")]);
      await standby.restart();
      expect((await retry)[0]).toMatchObject({ replayed: true, results: [{ value: 5n, revision: 1 }] });
      await primary.kill();
      await standby.promote();
      after = await open(standby.url());
      expect(await after.get(["a"])).toMatchObject([{ value: 5n, revision: 1 }]);
    } finally {
      await primary.kill(); // Should it still wait for a standby, so would the store.
      await after?.close();
      await store?.close();
      await standby?.dispose();
      await primary.dispose();
    }
  });
});

/** Backends that have committed and wait for a standby. */
const WAITING = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

function open(url: string): Promise<Store> {
  return openStore(url, {
    clock: { now: Date.now, monotonic: () => performance.now() },
    newUid: v7,
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 1_000,
    warn: () => {},
  });
}
