/** What SQLite's threads measure, each by itself. */
import { statSync } from "node:fs";
import { expect, it, vi } from "vitest";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { apply, increment } from "../support/calls.ts";
import { parseExposition, sampleIn, samplesIn } from "../support/exposition.ts";
import { STORES } from "../support/stores.ts";

const SQLITE = STORES.find(({ name }) => name === "sqlite")!;

async function opened(options: Parameters<typeof SQLITE.open>[0] = {}) {
  const metrics = new Metrics();
  const its = await SQLITE.open({ ...options, metrics });
  return { ...its, metrics, store: its.store, path: /, (.*)$/.exec(its.store.traits.title)![1]! };
}

it("has its files as they are on the disk, and the room that is left there", async () => {
  const { store, metrics, path, dispose } = await opened();
  await apply(store, increment("a"));
  await store.probeWrites(false);
  const text = metrics.read();
  const file = (name: string) => sampleIn(text, "tally_store_file_bytes", { file: name });
  expect(file("data")).toBe(statSync(path).size);
  expect(file("wal")).toBe(statSync(`${path}-wal`).size);
  expect(samplesIn(text, "tally_store_file_bytes")).toHaveLength(2); // It keeps no history.
  expect(sampleIn(text, "tally_store_room_bytes")).toBeGreaterThan(2 ** 20);
  await dispose();
});

it("has which counters were remembered, and each checkpoint", async () => {
  const { store, metrics, dispose } = await opened();
  for (const name of ["a", "b", "a", "a"]) await apply(store, increment(name));
  const count = (outcome: string) => sampleIn(metrics.read(), "tally_row_cache_total", { outcome });
  expect([count("hit"), count("miss")]).toEqual([2, 2]);
  expect(sampleIn(metrics.read(), "tally_checkpoint_seconds_count")).toBe(1); // That of the start.
  await dispose();
});

it("has each thread from when it is there: its heap, how busy it is, and what it was asked and has not answered", async () => {
  const { store, metrics, dispose } = await opened();
  const threads = () =>
    samplesIn(metrics.read(), "tally_heap_bytes")
      .filter(({ value }) => value > 2 ** 20)
      .map(({ labels }) => labels.thread);
  await vi.waitFor(() => expect(threads()).toEqual(["write", "read"]));
  const asked = store.sum({ prefix: "", labels: {} });
  await asked;
  await vi.waitFor(() => expect(threads()).toEqual(["write", "read", "scan"]));
  const reads = [store.get(["a"]), store.get(["a"])];
  const waiting = sampleIn(metrics.read(), "tally_store_requests", { thread: "read" });
  expect(waiting).toBe(2);
  await Promise.all(reads);
  expect(sampleIn(metrics.read(), "tally_store_requests", { thread: "read" })).toBe(0);
  for (const name of ["tally_event_loop_active_seconds_total", "tally_event_loop_delay_max_seconds"])
    expect(samplesIn(metrics.read(), name)).toHaveLength(3);
  const families = parseExposition(metrics.read()).map(({ name }) => name);
  expect(families).not.toContain("tally_history_lag_seconds"); // Whoever follows it tells that.
  await dispose();
});
