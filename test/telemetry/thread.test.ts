import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { measureProcess } from "../../src/telemetry/process.ts";
import { sampleIn, samplesIn } from "../support/exposition.ts";

it("has by how much timers were late at worst, once for each reading", async () => {
  const metrics = new Metrics();
  const end = measureProcess(metrics, 0);
  const late = () => sampleIn(metrics.read(), "tally_event_loop_delay_max_seconds", { thread: "main" });
  await pause(50);
  late();
  const until = performance.now() + 400;
  while (performance.now() < until); // Nobody else gets the thread.
  await pause(100);
  expect(late()).toBeGreaterThan(0.35);
  await pause(100);
  expect(late()).toBeLessThan(0.35);
  end();
});

it("has how long collections of garbage took, by kind", async () => {
  const metrics = new Metrics();
  const end = measureProcess(metrics, 0);
  const kinds = () => samplesIn(metrics.read(), "tally_gc_seconds_count").map(({ labels: { kind } }) => kind);
  for (let rubbish: unknown[] = []; !kinds().includes("minor"); rubbish = [rubbish.length]) {
    for (let i = 0; i < 100_000; i++) rubbish.push({ i });
    await pause(0);
  }
  expect(kinds()).not.toContain(undefined);
  end();
});
