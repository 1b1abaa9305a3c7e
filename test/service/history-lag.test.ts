import { expect, it } from "vitest";
import { HistoryLag } from "../../src/service/history-lag.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { HandClock } from "../support/clock.ts";
import { sampleIn, samplesIn } from "../support/exposition.ts";

it("grows while nothing is taken in, and is how old what was taken in last is, or nothing at the end", () => {
  const clock = new HandClock();
  const lag = new HistoryLag(clock);
  clock.advance(5_000);
  expect(lag.seconds).toBe(5);
  lag.reached(2_000);
  expect(lag.seconds).toBe(2);
  lag.reached(3_000); // A change that a clock had set back.
  expect(lag.seconds).toBe(2);
  lag.reachedEnd();
  expect(lag.seconds).toBe(0);
  clock.advance(60_000);
  expect(lag.seconds).toBe(60);
  lag.reached(-9_000); // Of a counter whose time stands still since a clock was ahead.
  expect(lag.seconds).toBe(0);
  clock.advance(1_000);
  expect(lag.seconds).toBe(1);
  clock.wallMs += 3_600_000; // Set, which makes nothing older.
  expect(lag.seconds).toBe(1);
});

it("is told by the process that takes in, and by no other", () => {
  const clock = new HandClock();
  const [lag, metrics] = [new HistoryLag(clock), new Metrics()];
  const end = lag.watch(metrics);
  clock.advance(1_500);
  expect(sampleIn(metrics.read(), "tally_history_lag_seconds")).toBe(1.5);
  lag.elsewhere();
  expect(samplesIn(metrics.read(), "tally_history_lag_seconds")).toEqual([]);
  lag.here();
  clock.advance(500);
  lag.here(); // It begins anew: that is no progress.
  expect(sampleIn(metrics.read(), "tally_history_lag_seconds")).toBe(0.5);
  end();
});
