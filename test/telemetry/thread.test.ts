import { setTimeout as pause } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { measureProcess } from "../../src/telemetry/process.ts";
import { ThreadMeter } from "../../src/telemetry/thread.ts";
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

it("wakes a thread that does nothing seldomer, and one that works as often as before", async () => {
  const metrics = new Metrics();
  const timers: number[] = [];
  const set = vi.spyOn(globalThis, "setTimeout").mockImplementation((_, ms) => {
    timers.push(ms ?? 0);
    return { unref: () => ({}) } as NodeJS.Timeout;
  });
  let [now, active] = [0, 0];
  vi.spyOn(performance, "now").mockImplementation(() => now);
  vi.spyOn(performance, "eventLoopUtilization").mockImplementation(() => ({
    idle: 0,
    utilization: 0,
    active,
  }));
  new ThreadMeter(metrics, "main");
  const tick = (activeShare: number) => {
    const ms = timers.at(-1)!;
    now += ms;
    active += ms * activeShare;
    (set.mock.calls.at(-1)![0] as () => void)();
    return timers.at(-1);
  };
  expect([tick(0.01), tick(0.01), tick(0.01), tick(0.01), tick(0.01)]).toEqual([40, 80, 160, 160, 160]);
  expect([tick(0.2), tick(1), tick(0)]).toEqual([20, 20, 40]);
  vi.restoreAllMocks();
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
