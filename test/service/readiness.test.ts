import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import { type Readiness, type ReadinessWatch, watchReadiness } from "../../src/service/readiness.ts";
import type { Store } from "../../src/service/store.ts";
import { HandClock } from "../support/clock.ts";

/** A store whose probes and calls end as a test says. */
class Scripted {
  reads: () => Promise<void> = async () => {};
  writes: (thorough: boolean) => Promise<void> = async () => {};
  get: () => Promise<never[]> = async () => [];
  probes = 0;

  async probeReads(): Promise<void> {
    this.probes++;
    await this.reads();
  }

  probeWrites(thorough: boolean): Promise<void> {
    return this.writes(thorough);
  }
}

const away = new TallyError("STORE_UNAVAILABLE", "away");
const AWAY = () => Promise.reject(away);
const FULL = () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "full"));

let store: Scripted;
let clock: HandClock;
let watch: ReadinessWatch;
let told: Readiness[];

beforeEach(() => {
  vi.useFakeTimers();
  store = new Scripted();
  clock = new HandClock();
  told = [];
  watch = watchReadiness(store as unknown as Store, clock, {
    everyMs: 1_000,
    onChange: (now) => told.push(now),
  });
});
afterEach(() => {
  watch.close();
  vi.useRealTimers();
});

async function seconds(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    clock.advance(1_000);
    await vi.advanceTimersByTimeAsync(1_000);
  }
}

it("not ready two seconds after the last success, with the reason; ready after two probes in a row", async () => {
  await seconds(2);
  store.reads = AWAY;
  await seconds(1);
  expect(watch.current).toEqual({ reads: undefined, writes: undefined });
  await seconds(1);
  expect(watch.current).toEqual({ reads: "away", writes: "away" });
  store.reads = async () => {};
  await seconds(1);
  expect(watch.current.reads).toBe("away");
  await seconds(1);
  expect(watch.current).toEqual({ reads: undefined, writes: undefined });
  expect(told).toHaveLength(2);
});

it("a moment without it, and every second probe lost, change nothing", async () => {
  for (let i = 0; i < 20; i++) {
    store.reads = i % 2 === 0 ? AWAY : async () => {};
    await seconds(1);
  }
  expect(told).toEqual([]);
});

it("not ready, and every second probe succeeds: it stays so", async () => {
  store.reads = AWAY;
  await seconds(3);
  for (let i = 0; i < 20; i++) {
    store.reads = i % 2 === 0 ? async () => {} : AWAY;
    await seconds(1);
  }
  expect(told).toEqual([{ reads: "away", writes: "away" }]);
});

it("callers that are answered count: it stays ready whatever the probe meets", async () => {
  store.reads = AWAY;
  for (let i = 0; i < 10; i++) {
    await watch.store.get(["a"]);
    await seconds(1);
  }
  expect(told).toEqual([]);
  await seconds(2);
  expect(watch.current.reads).toBe("away");
});

it("commits that succeed count: changes are taken whatever the probe meets", async () => {
  store.writes = FULL;
  for (let i = 0; i < 10; i++) {
    watch.commits.good();
    await seconds(1);
  }
  expect(told).toEqual([]);
  await seconds(2);
  expect(watch.current).toEqual({ reads: undefined, writes: "full" });
});

it("a probe that is never answered: there is no second one beside it, and it is not ready", async () => {
  store.reads = () => new Promise(() => {});
  await seconds(10);
  expect(store.probes).toBe(1);
  expect(watch.current.reads).toBe("the store does not answer in time");
});

it("what keeps changes from being taken does not touch reads", async () => {
  store.writes = FULL;
  await seconds(3);
  expect(watch.current).toEqual({ reads: undefined, writes: "full" });
});

it("a commit that fails makes the next probe thorough, until one of these succeeds; it alone is no reason", async () => {
  const asked: boolean[] = [];
  store.writes = async (thorough) => void asked.push(thorough);
  for (let i = 0; i < 3; i++) {
    watch.commits.failed(away);
    await seconds(1);
  }
  expect(asked).toContain(true);
  expect(told).toEqual([]);
  store.writes = async (thorough) => {
    asked.push(thorough);
    if (thorough) await FULL();
  };
  watch.commits.failed(away);
  await seconds(4);
  expect(watch.current.writes).toBe("full"); // Also when nobody asks any more.
  store.writes = async (thorough) => void asked.push(thorough);
  await seconds(2);
  expect(watch.current.writes).toBeUndefined();
  expect(asked.at(-1)).toBe(false);
});

it("a thousand calls that fail at once: a few probes, not a thousand", async () => {
  store.reads = AWAY;
  store.get = AWAY as never;
  for (let i = 0; i < 1_000; i++) {
    clock.advance(1);
    await watch.store.get(["a"]).catch(() => {});
  }
  expect(store.probes).toBeLessThanOrEqual(5);
});
