import { describe, expect, it } from "vitest";
import type { FullCounter } from "../../src/core/counter.ts";
import { TallyError } from "../../src/core/errors.ts";
import { Reads } from "../../src/service/reads.ts";
import type { Store } from "../../src/service/store.ts";
import type { CallContext } from "../../src/transports/calls/call.ts";
import { HandClock } from "../support/clock.ts";

/** A store whose reads are answered by the test, one after another. */
function heldStore() {
  const asked: { names: readonly string[]; answer: (error?: Error) => void }[] = [];
  const get = (names: readonly string[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<(FullCounter | undefined)[]>();
    const found = names.map((name) => (name === "missing" ? undefined : ({ name } as FullCounter)));
    asked.push({ names, answer: (error) => (error ? reject(error) : resolve(found)) });
    return promise;
  };
  return { store: { get } as unknown as Store, asked };
}

const patient: CallContext = { caller: "", deadline: Number.POSITIVE_INFINITY, cancelled: () => false };
const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("reads of single counters", () => {
  it("share one read with those that come in the same turn", async () => {
    const { store, asked } = heldStore();
    const reads = new Reads(store, new HandClock());
    const found = Promise.all(["a", "missing", "a"].map((name) => reads.get(name, patient)));
    await tick();
    expect(asked.map(({ names }) => names)).toEqual([["a", "missing", "a"]]);
    asked[0]!.answer();
    expect(await found).toEqual([{ name: "a" }, undefined, { name: "a" }]);
  });

  it("wait for the read in flight, and begin theirs after they came", async () => {
    const { store, asked } = heldStore();
    const reads = new Reads(store, new HandClock());
    const first = reads.get("a", patient);
    await tick();
    const later = Promise.all([reads.get("b", patient), reads.get("c", patient)]);
    await tick();
    expect(asked).toHaveLength(1);
    asked[0]!.answer();
    await first;
    expect(asked[1]!.names).toEqual(["b", "c"]);
    asked[1]!.answer();
    expect(await later).toEqual([{ name: "b" }, { name: "c" }]);
  });

  it("are at most 1000 at a time, and what is behind so many in a later turn of the event loop", async () => {
    const { store, asked } = heldStore();
    const reads = new Reads(store, new HandClock());
    const found = Promise.all(Array.from({ length: 1_001 }, (_, i) => reads.get(`c${i}`, patient)));
    await tick();
    expect(asked[0]!.names).toHaveLength(1_000);
    asked[0]!.answer();
    await tick(); // In which the answer is made use of;
    expect(asked).toHaveLength(1);
    await tick(); // what others do comes between, however soon the store answers.
    expect(asked[1]!.names).toEqual(["c1000"]);
    asked[1]!.answer();
    expect((await found).map((counter) => (counter as FullCounter).name)[1_000]).toBe("c1000");
  });

  it("are refused when too many wait, with when to come again", async () => {
    const { store, asked } = heldStore();
    const reads = new Reads(store, new HandClock(), 2);
    const first = reads.get("a", patient);
    await tick();
    const waiting = Promise.all([reads.get("b", patient), reads.get("c", patient)]);
    expect(await reads.get("d", patient)).toEqual({ code: "QUEUE_FULL", retryAfterMs: 100 });
    asked[0]!.answer();
    expect(await first).toEqual({ name: "a" });
    asked[1]!.answer();
    expect(await waiting).toEqual([{ name: "b" }, { name: "c" }]);
  });

  it("are not done for callers who have gone or whose deadline has passed", async () => {
    const { store, asked } = heldStore();
    const clock = new HandClock();
    const reads = new Reads(store, clock);
    const gone = reads.get("gone", { ...patient, cancelled: () => true });
    const late = reads.get("late", { ...patient, deadline: clock.now() });
    expect(await gone).toEqual({ code: "CALL_CANCELLED" });
    expect(await late).toEqual({ code: "DEADLINE_PASSED" });
    expect(asked).toEqual([]);
  });

  it("fail together, and the next one works", async () => {
    const { store, asked } = heldStore();
    const reads = new Reads(store, new HandClock());
    const failing = Promise.allSettled([reads.get("a", patient), reads.get("b", patient)]);
    await tick();
    asked[0]!.answer(new TallyError("STORE_UNAVAILABLE", "away"));
    expect((await failing).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    const next = reads.get("c", patient);
    await tick();
    asked[1]!.answer();
    expect(await next).toEqual({ name: "c" });
  });
});
