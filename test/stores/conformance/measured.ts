import { expect, it, vi } from "vitest";
import { Metrics } from "../../../src/telemetry/metrics.ts";
import { apply, commit, increment, single } from "../../support/calls.ts";
import { sampleIn, samplesIn } from "../../support/exposition.ts";
import type { StoreKind } from "../../support/stores.ts";

/** What a store measures of what it keeps: src/telemetry/kept.ts. */
export function measuredSuite(kind: StoreKind): void {
  it("what is kept beside counters is measured, and how much there is room for", async () => {
    const metrics = new Metrics();
    const opened = await kind.open({
      metrics,
      retention: { changeLogBytesMax: 9_000, requestIdsBytesMax: 7_000 },
    });
    try {
      const { store } = opened;
      const told = () => {
        const text = metrics.read();
        return (name: string) => sampleIn(text, `tally_${name}`);
      };
      await store.maintain();
      const before = told();
      expect([before("change_log_commits"), before("change_log_bytes")]).toEqual([0, 0]);
      expect([before("change_log_room_bytes"), before("request_ids_room_bytes")]).toEqual([9_000, 7_000]);
      await apply(store, increment("a"));
      await opened.pass(2_000);
      await commit(store, single(increment("a"), { id: "one" }));
      await vi.waitFor(async () => {
        while (await store.maintain()); // Where commits get their places with it.
        expect(told()("change_log_commits")).toBe(2);
        expect(told()("request_ids_bytes")).toBeGreaterThan(0);
      });
      const now = told();
      expect(now("change_log_bytes")).toBeGreaterThan(0);
      const { changes } = await store.changesSince("", 9);
      expect(now("change_log_oldest_time_seconds") * 1_000).toBeCloseTo(changes[0]!.time, 0);
      expect(now("request_ids_oldest_seconds")).toBeGreaterThan(0);
      expect(now("request_ids_forgotten_early")).toBe(0);
    } finally {
      await opened.dispose();
    }
  });

  it("what it has not is not told of", async () => {
    const metrics = new Metrics();
    const opened = await kind.open({ metrics });
    try {
      await opened.store.probeWrites(false);
      const text = metrics.read();
      const has = (name: string) => samplesIn(text, `tally_${name}`).length > 0;
      const isSqlite = kind.name === "sqlite";
      expect([has("store_room_bytes"), has("store_file_bytes"), has("row_cache_total")]).toEqual([
        ...[isSqlite, isSqlite, isSqlite],
      ]);
      const isPostgres = kind.name === "postgres";
      expect([has("postgres_connections"), has("decided_again_total")]).toEqual([isPostgres, isPostgres]);
    } finally {
      await opened.dispose();
    }
  });
}
