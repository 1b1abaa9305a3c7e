/** Taking the change log into history: begun anew where it must be, each counter looked up when it is met. */
import { expect, it, onTestFinished, vi } from "vitest";
import { followHistory } from "../../src/service/history-follower.ts";
import { HistoryLag } from "../../src/service/history-lag.ts";
import { LogReader } from "../../src/service/log-reader.ts";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import type { HistoryIntake } from "../../src/service/store-history.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import { apply, batch, commit, increment, remove, update } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";

function open(retention = DEFAULT_RETENTION): MemoryStore {
  let uids = 0;
  return new MemoryStore({
    clock: new HandClock(),
    newUid: () => `00000000-0000-7000-8000-${`${uids++}`.padStart(12, "0")}`,
    retention,
    cachedCountersMax: 0,
    warn: () => {},
  });
}

/** An intake that notes what it is told; each answer may be put in its place. */
class Told implements HistoryIntake {
  readonly log: unknown[] = [];
  cursor = "";
  begins: () => Promise<string | undefined> = async () => this.cursor;
  takes: () => Promise<boolean> = async () => true;
  saves: () => Promise<boolean> = async () => true;

  async begin() {
    this.log.push("begin");
    return this.begins();
  }

  async take(...[page, met]: Parameters<HistoryIntake["take"]>) {
    const names = [...met.values()].map((counter) => counter?.name);
    this.log.push([page.commits.changes.count, names]);
    const taken = await this.takes();
    if (taken) this.cursor = page.cursor;
    return taken;
  }

  async save() {
    return this.saves();
  }

  readonly count = (what: string) => this.log.filter((each) => each === what).length;
}

function follow(store: MemoryStore, intake: Told, countersMax?: number, lag?: HistoryLag) {
  const reader = new LogReader(store.changeLog, {
    pageChanges: 10,
    keptBytesMax: 1e6,
    restMs: 0,
    lookEveryMs: 1,
  });
  const errors: unknown[] = [];
  let missed = 0;
  const follower = followHistory(store, intake, reader, {
    ...{ retryMs: 1, saveMs: 1, onError: (error) => errors.push(error), onMissed: () => missed++ },
    ...(countersMax !== undefined && { countersMax }),
    ...(lag !== undefined && { lag }),
  });
  onTestFinished(async () => {
    await follower.close();
    await reader.close();
  });
  return { errors, follower, missed: () => missed };
}

it("looks a counter up when it is met, when it ends, and when its settings change", async () => {
  const [store, intake] = [open(), new Told()];
  const { follower, errors } = follow(store, intake);
  const steps = [
    [() => commit(store, batch([increment("a"), increment("b")])), [2, ["a", "b"]]],
    [() => commit(store, batch([increment("a"), increment("c")])), [2, ["c"]]],
    [() => apply(store, update("a", { description: "x" })), [1, ["a"]]],
    [() => apply(store, remove("b", { keepHistory: true })), [1, ["b"]]],
    [() => apply(store, increment("a")), [1, []]],
  ] as const;
  for (const [step, told] of steps) {
    await step();
    await vi.waitFor(() => expect(intake.log.at(-1)).toEqual(told));
  }
  await follower.close();
  expect([errors, intake.count("begin")]).toEqual([[], 1]);
});

it("tells how far it has come, and that it has not while nothing can be taken in", async () => {
  const [store, intake, clock] = [open(), new Told(), new HandClock()];
  const lag = new HistoryLag(clock);
  follow(store, intake, undefined, lag);
  clock.advance(60_000);
  await vi.waitFor(() => expect(lag.seconds).toBe(0)); // Though nothing was there to take.
  intake.takes = () => Promise.reject(new Error("the file is damaged"));
  await apply(store, increment("a"));
  await vi.waitFor(() => expect(intake.count("begin")).toBeGreaterThan(2));
  clock.advance(60_000);
  expect(lag.seconds).toBe(60);
  intake.takes = async () => true;
  await vi.waitFor(() => expect(lag.seconds).toBe(0));
});

it("asks again while another process takes in, and begins anew when one has", async () => {
  const [store, intake] = [open(), new Told()];
  let others = 2;
  intake.begins = async () => (others-- > 0 ? undefined : intake.cursor);
  intake.takes = vi.fn(async () => true).mockResolvedValueOnce(false);
  const { errors } = follow(store, intake);
  await apply(store, increment("a"));
  await vi.waitFor(() => expect(intake.cursor).toBe("1"));
  expect(intake.count("begin")).toBe(4);
  expect(intake.takes).toHaveBeenCalledTimes(2);
  intake.saves = vi.fn(async () => true).mockResolvedValueOnce(false);
  await vi.waitFor(() => expect(intake.count("begin")).toBe(5)); // Though nothing new has come.
  expect(errors).toEqual([]);
});

it("tells a failure, of taking in and of saving, and goes on from where it was saved", async () => {
  const [store, intake] = [open(), new Told()];
  const failure = new Error("no room");
  intake.takes = vi.fn(async () => true).mockRejectedValueOnce(failure);
  const { errors } = follow(store, intake);
  await apply(store, increment("a"));
  await vi.waitFor(() => expect(intake.cursor).toBe("1"));
  expect(errors).toEqual([failure]);
  intake.saves = vi.fn(async () => true).mockRejectedValueOnce(failure);
  await vi.waitFor(() => expect(errors).toEqual([failure, failure]));
  await apply(store, increment("a"));
  await vi.waitFor(() => expect(intake.cursor).toBe("2"));
  expect(intake.log.slice(-2)).toEqual(["begin", [1, ["a"]]]);
});

it("tells that the log had dropped what comes next, and meets all counters again", async () => {
  const [store, intake] = [open({ ...DEFAULT_RETENTION, changeLogBytesMax: 64 }), new Told()];
  await apply(store, increment("a"));
  const gate = Promise.withResolvers<void>();
  intake.takes = async () => gate.promise.then(() => true);
  const { missed } = follow(store, intake);
  await vi.waitFor(() => expect(intake.log.length).toBe(2));
  for (let n = 0; n < 20; n++) await apply(store, increment("a"));
  await store.maintain();
  gate.resolve();
  await vi.waitFor(() => expect(intake.cursor).toBe("21"));
  expect(missed()).toBe(1);
  expect(intake.log.slice(1)).toEqual([
    [1, ["a"]],
    [1, ["a"]],
    [expect.any(Number), []],
  ]);
});

it("saves what was taken in when it is closed", async () => {
  const [store, intake] = [open(), new Told()];
  const { follower } = follow(store, intake);
  await apply(store, increment("a"));
  await vi.waitFor(() => expect(intake.cursor).toBe("1"));
  const saves = vi.fn(async () => true);
  intake.saves = saves;
  const before = saves.mock.calls.length;
  await follower.close();
  expect(saves.mock.calls.length).toBeGreaterThan(before);
});

it("begins anew where it knows too many counters, but not amid openings, with which it would begin again", async () => {
  const store = open({ ...DEFAULT_RETENTION, changeLogBytesMax: 1 });
  const intake = new Told();
  intake.takes = async () => true;
  const names = Array.from({ length: 30 }, (_, i) => `n${`${i}`.padStart(2, "0")}`);
  for (const name of names) await apply(store, increment(name));
  while (await store.maintain());
  const take = intake.take.bind(intake);
  intake.take = async (page, met) => {
    const { cursor } = intake;
    const taken = await take(page, met);
    if (page.openings) intake.cursor = cursor; // As stores save it: all of them, or none.
    return taken;
  };
  const { errors } = follow(store, intake, 15);
  const met = () => intake.log.flatMap((each) => (Array.isArray(each) ? each[1] : []));
  await vi.waitFor(() => expect(new Set(met())).toEqual(new Set(names)));
  await vi.waitFor(() => expect(intake.count("begin")).toBe(2));
  await apply(store, increment("last"));
  await vi.waitFor(() => expect(met()).toContain("last"));
  expect(errors).toEqual([]);
});
