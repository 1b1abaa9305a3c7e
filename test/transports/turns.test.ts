import { describe, expect, it } from "vitest";
import type { CallContext } from "../../src/transports/calls/call.ts";
import { Turns } from "../../src/transports/calls/turns.ts";
import { HandClock } from "../support/clock.ts";

const patient: CallContext = { caller: "", deadline: Number.POSITIVE_INFINITY, cancelled: () => false };
const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Reads that the test answers. */
function held() {
  const begun: { name: string; end: (error?: Error) => void }[] = [];
  const read = (name: string) => () =>
    new Promise<string>((resolve, reject) => {
      begun.push({ name, end: (error) => (error ? reject(error) : resolve(name)) });
    });
  return { begun, read, names: () => begun.map(({ name }) => name) };
}

describe("reads that take their turns", () => {
  it("run one at a time, in the order that they came", async () => {
    const turns = new Turns(new HandClock(), 10);
    const { begun, read, names } = held();
    const all = Promise.allSettled(["a", "b", "c"].map((name) => turns.take(patient, read(name))));
    await tick();
    expect(names()).toEqual(["a"]);
    begun[0]!.end();
    await tick();
    expect(names()).toEqual(["a", "b"]);
    begun[1]!.end(new Error("broken"));
    await tick();
    expect(names()).toEqual(["a", "b", "c"]);
    begun[2]!.end();
    expect((await all).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    const later = turns.take(patient, read("later"));
    await tick();
    begun[3]!.end();
    expect(await later).toBe("later");
  });

  it("are refused when too many wait, with when to come again", async () => {
    const turns = new Turns(new HandClock(), 2);
    const { begun, read } = held();
    const taken = ["a", "b", "c"].map((name) => turns.take(patient, read(name)));
    expect(await turns.take(patient, read("d"))).toEqual({ code: "QUEUE_FULL", retryAfterMs: 1_000 });
    for (let i = 0; i < 3; i++) {
      await tick();
      begun[i]!.end();
    }
    expect(await Promise.all(taken)).toEqual(["a", "b", "c"]);
  });

  it("are not done for callers who have gone or whose deadline has passed by then", async () => {
    const clock = new HandClock();
    const turns = new Turns(clock, 10);
    const { begun, read, names } = held();
    let gone = false;
    const first = turns.take(patient, read("first"));
    const cancelled = turns.take({ ...patient, cancelled: () => gone }, read("gone"));
    const late = turns.take({ ...patient, deadline: clock.now() + 5 }, read("late"));
    const last = turns.take(patient, read("last"));
    await tick();
    gone = true;
    clock.advance(5);
    begun[0]!.end();
    expect(await Promise.all([first, cancelled, late])).toEqual([
      "first",
      { code: "CALL_CANCELLED" },
      { code: "DEADLINE_PASSED" },
    ]);
    expect(names()).toEqual(["first", "last"]);
    begun[1]!.end();
    expect(await last).toBe("last");
  });
});
