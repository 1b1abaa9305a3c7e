import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import { SerialReads } from "../../src/service/serial-reads.ts";
import type { CallContext } from "../../src/transports/calls/call.ts";
import { HandClock } from "../support/clock.ts";

const patient: CallContext = { caller: "", deadline: Number.POSITIVE_INFINITY, cancelled: () => false };
let gone = false;
const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
/** A read has ended, and the next has begun. */
const next = () => tick().then(tick);

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
    const reads = new SerialReads(new HandClock(), 10);
    const { begun, read, names } = held();
    const all = Promise.allSettled(["a", "b", "c"].map((name) => reads.run(patient, read(name))));
    await tick();
    expect(names()).toEqual(["a"]);
    begun[0]!.end();
    await next();
    expect(names()).toEqual(["a", "b"]);
    begun[1]!.end(new Error("broken"));
    await next();
    expect(names()).toEqual(["a", "b", "c"]);
    begun[2]!.end();
    expect((await all).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    const later = reads.run(patient, read("later"));
    await tick();
    begun[3]!.end();
    expect(await later).toBe("later");
  });

  it("leave others their turn between an answer and the next read, however soon that is answered", async () => {
    const reads = new SerialReads(new HandClock(), 10);
    const turns: string[] = [];
    const read = (name: string) => async () => void turns.push(name); // As of a thread that has the answer by then.
    const all = ["a", "b", "c"].map((name) => reads.run(patient, read(name)));
    for (let turn = 1; turn <= 3; turn++) {
      await tick();
      turns.push("others");
    }
    await Promise.all(all);
    expect(turns).toEqual(["a", "others", "b", "others", "c", "others"]);
  });

  it("are made use of one at a time, while the next one is read and no other", async () => {
    const reads = new SerialReads(new HandClock(), 10);
    const { begun, read, names } = held();
    const used = held();
    const all = Promise.allSettled(
      ["a", "b", "c"].map((name) => reads.run(patient, read(name), (found) => used.read(`${found}!`)())),
    );
    begun[0]!.end();
    await next();
    expect([names(), used.names()]).toEqual([["a", "b"], ["a!"]]);
    begun[1]!.end();
    await next();
    expect([names(), used.names()]).toEqual([["a", "b"], ["a!"]]);
    used.begun[0]!.end(new Error("broken"));
    await next();
    expect([names(), used.names()]).toEqual([
      ["a", "b", "c"],
      ["a!", "b!"],
    ]);
    used.begun[1]!.end();
    begun[2]!.end(new Error("not read"));
    await next();
    expect(used.names()).toEqual(["a!", "b!"]);
    expect(
      (await all).map((each) => (each.status === "fulfilled" ? each.value : each.reason.message)),
    ).toEqual(["broken", "b!", "not read"]);
    expect(await reads.run(patient, async () => "later")).toBe("later");
  });

  it("are asked for before what was read is made use of, and others have their turn between", async () => {
    const reads = new SerialReads(new HandClock(), 10);
    const turns: string[] = [];
    const all = ["a", "b", "c"].map((name) =>
      reads.run(
        patient,
        async () => void turns.push(name),
        () => void turns.push(`${name}!`),
      ),
    );
    for (let turn = 1; turn <= 3; turn++) {
      await tick();
      turns.push("others");
    }
    await Promise.all(all);
    expect(turns).toEqual(["a", "others", "b", "a!", "others", "c", "b!", "others", "c!"]);
  });

  it("are refused when too many wait, with when to come again", async () => {
    const reads = new SerialReads(new HandClock(), 2);
    const { begun, read } = held();
    const taken = ["a", "b", "c"].map((name) => reads.run(patient, read(name)));
    expect(await reads.run(patient, read("d"))).toEqual({ code: "QUEUE_FULL", retryAfterMs: 1_000 });
    for (let i = 0; i < 3; i++) {
      await next();
      begun[i]!.end();
    }
    expect(await Promise.all(taken)).toEqual(["a", "b", "c"]);
  });

  it("are not done for callers who have gone or whose deadline has passed by then", async () => {
    const clock = new HandClock();
    const reads = new SerialReads(clock, 10);
    const { begun, read, names } = held();
    let gone = false;
    const first = reads.run(patient, read("first"));
    const cancelled = reads.run({ ...patient, cancelled: () => gone }, read("gone"));
    const late = reads.run({ ...patient, deadline: clock.now() + 5 }, read("late"));
    const last = reads.run(patient, read("last"));
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

  it.each<[string, (clock: HandClock) => CallContext, (clock: HandClock) => void, string]>([
    ["the caller goes", () => ({ ...patient, cancelled: () => gone }), () => (gone = true), "CALL_CANCELLED"],
    [
      "the deadline passes",
      (clock) => ({ ...patient, deadline: clock.now() + 5 }),
      (clock) => clock.advance(5),
      "DEADLINE_PASSED",
    ],
  ])("are told when %s meanwhile, and the next has its turn", async (_, context, happens, code) => {
    gone = false;
    const clock = new HandClock();
    const reads = new SerialReads(clock, 10);
    const taken = reads.run(context(clock), async (signal) => {
      await once(signal, "abort");
      throw new TallyError("CALL_CANCELLED", "stopped, for a test");
    });
    const next = reads.run(patient, async (signal) => signal.aborted);
    await tick();
    happens(clock);
    expect(await taken).toEqual({ code });
    expect(await next).toBe(false);
  });

  it("that end before they notice are answered, and what fails meanwhile is a failure", async () => {
    gone = false;
    const reads = new SerialReads(new HandClock(), 10);
    const leaving = { ...patient, cancelled: () => gone };
    const read = reads.run(leaving, async (signal) => {
      gone = true;
      await once(signal, "abort");
      return "read";
    });
    expect(await read).toBe("read");
    gone = false;
    const failing = reads.run(leaving, async (signal) => {
      gone = true;
      await once(signal, "abort");
      throw new TallyError("STORE_UNAVAILABLE", "broken, for a test");
    });
    await expect(failing).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});
