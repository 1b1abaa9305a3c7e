/** What is measured of commits, held against what their callers were told. */
import { describe, expect, it, vi } from "vitest";
import { newOutcomes, type Outcomes } from "../../src/core/columns.ts";
import { TallyError } from "../../src/core/errors.ts";
import { Verb } from "../../src/core/op.ts";
import { CommitMeter, commitsTold } from "../../src/service/commits-told.ts";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import { Writer } from "../../src/service/writer.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { VERBS } from "../../src/telemetry/series.ts";
import { type Asked, batch, create, increment, remove, single, take } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { sampleIn, samplesIn } from "../support/exposition.ts";

/** A writer on a store in memory, and what is measured of it. */
function setUp(commit?: () => Promise<Outcomes>) {
  const clock = new HandClock();
  const metrics = new Metrics();
  const real = new MemoryStore({
    ...{ clock, newUid: () => "00000000-0000-7000-8000-000000000000", retention: DEFAULT_RETENTION },
    ...{ cachedCountersMax: 100, warn: () => {} },
  });
  const meter = new CommitMeter(metrics);
  const store = commit === undefined ? real : { traits: real.traits, commit };
  const writer = new Writer(store, clock, undefined, meter);
  const unwatch = meter.watch(writer);
  const submit = (asked: Asked) => writer.submit({ ...asked, deadline: Infinity, cancelled: () => false });
  const operations = () =>
    Object.fromEntries(
      samplesIn(metrics.read(), "tally_operations_total").map(({ labels: { verb, outcome }, value }) => [
        `${verb} ${outcome}`,
        value,
      ]),
    );
  return { clock, metrics, writer, submit, operations, unwatch };
}

describe("what is measured of commits", () => {
  it("has each verb under its name", () => {
    expect(VERBS).toEqual(Object.keys(Verb).map((verb) => verb.toLowerCase()));
    expect(VERBS.map((_, number) => number)).toEqual(Object.values(Verb));
  });

  it("has each operation once, by what became of it", async () => {
    const { submit, operations, metrics } = setUp();
    await submit(single(create("a", { max: 2n })));
    await submit(single(increment("a"), { id: "one" }));
    await submit(single(increment("a"), { id: "one" }));
    await submit(single(increment("a", 7n)));
    await submit(batch([increment("a"), increment("a"), remove("b")], { id: "two" }));
    await submit(batch([increment("a"), increment("a"), remove("b")], { id: "two" }));
    await submit(batch([increment("c"), increment("a")], { allOrNothing: true }));
    await submit(single(take("a")));
    await submit(single(remove("a")));
    expect(operations()).toEqual({
      "create applied": 1,
      "increment applied": 2,
      "increment not_applied": 4, // Above the maximum twice; and the one that was undone with it.
      "increment replayed": 3,
      "delete not_applied": 1,
      "delete replayed": 1,
      "take not_applied": 1,
      "delete applied": 1,
    });
    const told = metrics.read();
    expect(sampleIn(told, "tally_commits_total", { outcome: "committed" })).toBe(9);
    expect(sampleIn(told, "tally_commit_calls_total")).toBe(9);
    expect(sampleIn(told, "tally_commit_operations_sum")).toBe(14);
    expect(sampleIn(told, "tally_commit_operations_bucket", { le: "1" })).toBe(6);
  });

  it("has what waits, for how long, and how long it had waited", async () => {
    let end = (_: Outcomes) => {};
    const { submit, clock, metrics, unwatch } = setUp(
      () =>
        new Promise((resolve) => {
          end = resolve;
        }),
    );
    const first = submit(single(increment("a")));
    await vi.waitFor(() => expect(sampleIn(metrics.read(), "tally_commits_in_flight")).toBe(1));
    const second = submit(batch([increment("b"), increment("c")]));
    clock.advance(250);
    const third = submit(single(increment("d")));
    clock.advance(250);
    const told = metrics.read();
    expect(sampleIn(told, "tally_queue_operations")).toBe(3);
    expect(sampleIn(told, "tally_queue_bytes")).toBe(2 * 200 + 3);
    expect(sampleIn(told, "tally_queue_oldest_seconds")).toBe(0.5);
    end({ ...newOutcomes(1, 1), timings: { loadMs: 1, decideMs: 2, saveMs: 3, syncMs: 4 } });
    await first;
    end({ ...newOutcomes(3, 2), timings: { loadMs: 10 } });
    await Promise.all([second, third]);
    const sum = (phase: string) => sampleIn(metrics.read(), "tally_commit_seconds_sum", { phase });
    expect(["wait", "load", "decide", "save", "commit"].map(sum)).toEqual([0.5, 0.011, 0.002, 0.003, 0.004]);
    expect(sampleIn(metrics.read(), "tally_commit_seconds_count", { phase: "save" })).toBe(1);
    expect(sampleIn(metrics.read(), "tally_queue_operations")).toBe(0);
    expect(sampleIn(metrics.read(), "tally_queue_oldest_seconds")).toBe(0);
    unwatch();
  });

  it.each([
    ["not_applied", new TallyError("STORE_UNAVAILABLE", "away")],
    ["unknown", new TallyError("OUTCOME_UNKNOWN", "it broke")],
    ["unknown", new TypeError("a defect")],
  ])("has one that fails as %s, of %s", async (outcome, error) => {
    const { submit, metrics, operations } = setUp(() => Promise.reject(error));
    await expect(submit(single(increment("a")))).rejects.toBe(error);
    expect(sampleIn(metrics.read(), "tally_commits_total", { outcome })).toBe(1);
    expect(sampleIn(metrics.read(), "tally_commits_total", { outcome: "committed" })).toBe(0);
    expect(operations()).toEqual({});
  });
});

describe("who is told of commits", () => {
  function watched() {
    const heard: unknown[] = [];
    const told = commitsTold((event) => heard.push(event), new HandClock(), {
      meter: new CommitMeter(new Metrics()),
      readiness: { good: () => heard.push("good"), failed: (error) => heard.push(error) },
      damage: { refused: () => heard.push("refused"), failed: (error) => heard.push(error) },
      wake: () => heard.push("woken"),
      each: { isOn: false },
    });
    return { told, heard };
  }

  it("those who watch whether the store is ready; of what was refused, who tells of damage", () => {
    const { told, heard } = watched();
    told.committed!([], newOutcomes(1, 1), 0);
    expect(heard.splice(0)).toEqual(["good", "woken"]);
    const outcomes = newOutcomes(1, 1);
    outcomes.refusals.set(0, { code: "ABOVE_MAX" });
    told.committed!([], outcomes, 0);
    expect(heard.splice(0)).toEqual(["good", "refused", "woken"]);
    const other = newOutcomes(1, 1);
    other.callRefusals.set(0, { code: "ABOVE_MAX" });
    told.committed!([], other, 0);
    expect(heard).toContain("refused");
  });

  it("both, and the log, of one that fails", () => {
    const { told, heard } = watched();
    const error = new TallyError("STORE_UNAVAILABLE", "away");
    told.failed!(error);
    expect(heard).toEqual([error, error, "store.commit_failed"]);
  });
});
