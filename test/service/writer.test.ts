import { fc } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import {
  type Batch,
  type CommitTimings,
  callAt,
  nameReader,
  newOutcomes,
  type Outcomes,
  whoseIs,
} from "../../src/core/columns.ts";
import { TallyError } from "../../src/core/errors.ts";
import { Verb } from "../../src/core/op.ts";
import { DEFAULT_WRITER_LIMITS, Writer, type WriterLimits } from "../../src/service/writer.ts";
import { CallParts } from "../../src/telemetry/call-parts.ts";
import type { CallSpan, TracedCommit } from "../../src/telemetry/tracing.ts";
import { type Asked, batch, increment, remove, single } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";

/** A store whose commits end when the test says so. */
class SlowStore {
  readonly traits: { readonly commitsInFlight: number };
  readonly commits: {
    batch: Batch;
    end(timings?: CommitTimings, replayed?: readonly number[]): void;
    fail(error: Error): void;
  }[] = [];
  #arrived = Promise.withResolvers<void>();

  constructor(commitsInFlight: number) {
    this.traits = { commitsInFlight };
  }

  commit(batch: Batch): Promise<Outcomes> {
    const { promise, resolve, reject } = Promise.withResolvers<Outcomes>();
    const end = (timings: CommitTimings = {}, replayed: readonly number[] = []) => {
      const outcomes = newOutcomes(batch.ops.count, batch.calls.count);
      outcomes.replayed.set(replayed);
      resolve({ ...outcomes, timings });
    };
    this.commits.push({ batch, end, fail: reject });
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
    return promise;
  }

  /** The next commit to arrive, or one that has. */
  async commitNumber(n: number) {
    while (this.commits.length < n) await this.#arrived.promise;
    return this.commits[n - 1]!;
  }
}

function setUp(limits: Partial<WriterLimits> = {}, commitsInFlight = 1) {
  const store = new SlowStore(commitsInFlight);
  const clock = new HandClock();
  const told: string[] = [];
  const writer = new Writer(
    store as never,
    clock,
    { ...DEFAULT_WRITER_LIMITS, ...limits },
    {
      committed: (calls, { values, timings }) =>
        told.push(`${calls.length} ${values.length} ${timings.syncMs}`),
      failed: (error) => told.push((error as Error).message),
    },
  );
  const submit = (
    asked: Asked,
    {
      deadline = Infinity,
      cancelled = () => false,
      parts,
    }: { deadline?: number; cancelled?(): boolean; parts?: CallParts } = {},
  ) => writer.submit({ ...asked, deadline, cancelled, parts });
  return { store, clock, writer, submit, told };
}

describe("the writer", () => {
  it("neighbours share the first batch; what comes meanwhile leaves together when the commit ends", async () => {
    const { store, submit } = setUp();
    const first = [submit(single(increment("a"))), submit(single(increment("b")))];
    const one = await store.commitNumber(1);
    expect(one.batch.calls.count).toBe(2);
    const second = [
      submit(single(increment("c"))),
      submit(batch([increment("d"), increment("e")])),
      submit(single(increment("f"))),
    ];
    expect(store.commits).toHaveLength(1);
    one.end();
    const two = await store.commitNumber(2);
    expect([...two.batch.calls.ends]).toEqual([1, 3, 4]);
    two.end();
    expect(
      (await Promise.all(first)).map((settled) => "c" in settled && [settled.c, settled.first, settled.end]),
    ).toEqual([
      [0, 0, 1],
      [1, 1, 2],
    ]);
    expect(
      (await Promise.all(second)).map((settled) => "c" in settled && [settled.c, settled.first, settled.end]),
    ).toEqual([
      [0, 0, 1],
      [1, 1, 3],
      [2, 3, 4],
    ]);
  });

  it("cuts at the limits, and never splits a call", async () => {
    const { store, submit } = setUp({ batchOpsMax: 5 });
    const answers = [
      submit(single(increment("a"))),
      submit(batch([increment("b"), increment("c"), increment("d")])),
      submit(batch([increment("e"), increment("f")])),
      submit(batch(Array.from({ length: 9 }, () => increment("g")))),
    ];
    for (const [n, ops] of [
      [1, 4],
      [2, 2],
      [3, 9],
    ] as const) {
      const commit = await store.commitNumber(n);
      expect(commit.batch.ops.count).toBe(ops);
      commit.end();
    }
    await Promise.all(answers);
  });

  it("what names a counter after its deletion leaves in the same batch, in its place", async () => {
    const { store, submit } = setUp();
    const calls = [
      single(remove("a")),
      batch([increment("b"), increment("a")]),
      single(remove("a")),
      single(increment("a")),
    ];
    const answers = calls.map((asked) => submit(asked));
    const { batch: cut, end } = await store.commitNumber(1);
    expect([...cut.calls.ends]).toEqual([1, 3, 4, 5]);
    const { INCREMENT, DELETE } = Verb;
    expect([...cut.ops.verbs]).toEqual([DELETE, INCREMENT, INCREMENT, DELETE, INCREMENT]);
    end();
    await Promise.all(answers);
    expect(store.commits).toHaveLength(1);
  });

  it("beyond the queue's bounds a call is refused at once and does not reach the store", async () => {
    const { store, submit, writer } = setUp({ queueOpsMax: 3 });
    const taken = [submit(single(increment("a"))), submit(batch([increment("b"), increment("c")]))];
    expect(await submit(single(increment("d")))).toEqual({ code: "QUEUE_FULL", retryAfterMs: 100 });
    expect(writer.queuedOps).toBe(3);
    (await store.commitNumber(1)).end();
    await Promise.all(taken);
    const later = submit(single(increment("e")));
    (await store.commitNumber(2)).end();
    expect(await later).toMatchObject({ c: 0 });
    expect(store.commits.map(({ batch }) => batch.ops.count)).toEqual([3, 1]);
  });

  it("bytes are bounded too", async () => {
    const { store, submit } = setUp({ queueBytesMax: 1_000 });
    const long = single(increment("x".repeat(200))); // 400 bytes with what a queued call takes by itself.
    const taken = [submit(long), submit(long)];
    expect(await submit(long)).toMatchObject({ code: "QUEUE_FULL" });
    (await store.commitNumber(1)).end();
    await Promise.all(taken);
  });

  it("what is late or cancelled when its batch is cut is not applied; after that it is", async () => {
    const { store, clock, submit } = setUp();
    let gone = false;
    const first = submit(single(increment("a")), { deadline: clock.now() + 10, cancelled: () => gone });
    const one = await store.commitNumber(1);
    gone = true;
    const waiting = [
      submit(single(increment("late")), { deadline: clock.now() + 10 }),
      submit(single(increment("gone")), { cancelled: () => gone }),
      submit(single(increment("b"))),
    ];
    clock.advance(10);
    one.end();
    expect(await first).toMatchObject({ c: 0 });
    expect(await waiting[0]).toEqual({ code: "DEADLINE_PASSED" });
    expect(await waiting[1]).toEqual({ code: "CALL_CANCELLED" });
    const two = await store.commitNumber(2);
    expect(two.batch.calls.count).toBe(1);
    two.end();
    expect(await waiting[2]).toMatchObject({ c: 0 });
  });

  it("a failed commit fails its calls with what the store says, and the next goes on", async () => {
    const { store, submit } = setUp();
    const failed = submit(single(increment("a")));
    (await store.commitNumber(1)).fail(new TallyError("OUTCOME_UNKNOWN", "disk"));
    await expect(failed).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    const next = submit(single(increment("b")));
    (await store.commitNumber(2)).end();
    expect(await next).toMatchObject({ c: 0 });
  });

  it("knows how long a commit takes at least, of those that wrote, and notices a disk that has become slower", async () => {
    const { store, writer, submit } = setUp();
    expect(writer.quickestCommitMs).toBe(0);
    const commit = async (timings: CommitTimings) => {
      const settled = submit(single(increment("a")));
      (await store.commitNumber(store.commits.length + 1)).end(timings);
      await settled;
    };
    await commit({ loadMs: 1, decideMs: 1, saveMs: 3, syncMs: 25 });
    expect(writer.quickestCommitMs).toBe(30);
    await commit({ loadMs: 1, decideMs: 1 }); // Nothing was written.
    await commit({ loadMs: 1, syncMs: 400 });
    expect(writer.quickestCommitMs).toBeCloseTo(30.6, 1);
    await commit({ saveMs: 1, syncMs: 9 });
    expect(writer.quickestCommitMs).toBe(10);
    for (let n = 0; n < 200; n++) await commit({ syncMs: 100 });
    expect(writer.quickestCommitMs).toBe(100);
  });

  it("tells of each commit, with its timings, and of each that failed", async () => {
    const { store, submit, told } = setUp();
    const first = submit(batch([increment("a"), increment("b")]));
    const one = await store.commitNumber(1);
    const second = submit(single(increment("c")));
    one.end({ syncMs: 3 });
    await first;
    (await store.commitNumber(2)).fail(new TallyError("STORE_UNAVAILABLE", "away"));
    await expect(second).rejects.toThrow("away");
    expect(told).toEqual(["1 2 3", "away"]);
  });

  it("draining answers all that was taken, and takes no more", async () => {
    const { store, submit, writer } = setUp();
    const first = submit(single(increment("a")));
    const one = await store.commitNumber(1);
    const second = submit(single(increment("b")));
    let drained = false;
    const draining = writer.drain().then(() => {
      drained = true;
    });
    expect(await submit(single(increment("c")))).toEqual({ code: "DRAINING" });
    one.end();
    await first;
    expect(drained).toBe(false);
    (await store.commitNumber(2)).end();
    await second;
    await draining;
    await writer.drain();
  });

  describe("on a store that runs several commits at once", () => {
    it("calls on other counters go at once; those on the same gather until its commit has ended", async () => {
      const { store, submit } = setUp({}, 3);
      submit(batch([increment("a"), increment("b")]));
      await store.commitNumber(1);
      submit(single(increment("c")));
      expect(namesOf(await store.commitNumber(2))).toEqual(["c"]);
      submit(single(increment("a")));
      submit(batch([increment("b"), increment("d")]));
      submit(single(increment("d"))); // Behind the one before, though nobody is at d yet.
      submit(single(increment("e")));
      expect(namesOf(await store.commitNumber(3))).toEqual(["e"]);
      store.commits[1]!.end();
      await turn();
      expect(store.commits).toHaveLength(3);
      store.commits[0]!.end();
      expect(namesOf(await store.commitNumber(4))).toEqual(["a", "b", "d", "d"]);
    });

    it("never more commits than the store takes, and what was deleted is named in a later one", async () => {
      const { store, submit } = setUp({ batchOpsMax: 1 }, 2);
      submit(single(remove("a")));
      for (const name of ["a", "b", "c"]) submit(single(increment(name)));
      await store.commitNumber(2);
      expect(store.commits.map(namesOf)).toEqual([["a"], ["b"]]);
      store.commits[0]!.end();
      expect(namesOf(await store.commitNumber(3))).toEqual(["a"]);
    });

    it("a failed commit frees its counters, and draining waits for all", async () => {
      const { store, writer, submit } = setUp({}, 2);
      const failed = submit(single(increment("a")));
      const one = await store.commitNumber(1);
      const held = submit(single(increment("a")));
      let drained = false;
      const draining = writer.drain().then(() => (drained = true));
      one.fail(new TallyError("OUTCOME_UNKNOWN", "gone"));
      await expect(failed).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
      const two = await store.commitNumber(2);
      expect(drained).toBe(false);
      two.end();
      expect(await held).toMatchObject({ c: 0 });
      await draining;
    });

    it("commits in flight share no counter, and calls on a counter keep their order, whatever ends when", async () => {
      const name = fc.constantFrom("a", "b", "c", "d", "e");
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(name, { minLength: 1, maxLength: 3 }), { maxLength: 30 }),
          fc.array(fc.nat(), { maxLength: 60 }),
          fc.integer({ min: 2, max: 4 }),
          async (calls, choices, commitsInFlight) => {
            const { store, submit } = setUp({ batchOpsMax: 6 }, commitsInFlight);
            const answers = calls.map((names, k) =>
              submit(batch(names.map((each) => increment(each, BigInt(k + 1))))),
            );
            const open: SlowStore["commits"] = [];
            const seen = new Map<string, bigint>();
            for (let began = 0, step = 0; ; step++) {
              await turn();
              for (; began < store.commits.length; began++) {
                const commit = store.commits[began]!;
                const taken = new Set(open.flatMap(namesOf));
                for (const [i, each] of namesOf(commit).entries()) {
                  expect(taken).not.toContain(each);
                  const amount = commit.batch.ops.amounts[i]!;
                  expect(amount).toBeGreaterThanOrEqual(seen.get(each) ?? 0n);
                  seen.set(each, amount);
                }
                open.push(commit);
              }
              expect(open.length).toBeLessThanOrEqual(commitsInFlight);
              if (open.length === 0) break;
              open.splice((choices[step] ?? 0) % open.length, 1)[0]!.end();
            }
            expect(await Promise.all(answers)).toHaveLength(calls.length);
          },
        ),
        { numRuns: 200, verbose: 1 }, // On failure fast-check prints the seed and the smallest case.
      );
    });
  });
});

/**
 * Whatever comes, goes, is late, is refused and fails: each call is answered once; what was applied was asked for and is
 * told as applied, and what is told as not applied is in no commit.
 */
it.each([1, 3])("no call is lost, doubled or invented, with %s commits at once", async (commitsInFlight) => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("submit" as const),
      names: fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 }),
      lasts: fc.constantFrom(2, Infinity),
      removes: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("leave" as const), which: fc.nat(30) }),
    fc.constant({ kind: "wait" as const }),
    fc.record({ kind: fc.constant("end" as const), which: fc.nat(2), fails: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { store, clock, writer, submit } = setUp({ batchOpsMax: 5, queueOpsMax: 12 }, commitsInFlight);
      const gone = new Set<number>();
      const answers: Promise<string>[] = [];
      const open: SlowStore["commits"] = [];
      const applied = new Map<number, string>(); // By call, whose number is its amount: once each, or this says "twice".
      let began = 0;
      const look = async () => {
        await turn();
        for (; began < store.commits.length; began++) {
          const commit = store.commits[began]!;
          const { calls, ops } = commit.batch;
          for (let c = 0, first = 0; c < calls.count; first = calls.ends[c++]!) {
            const n = Number(callAt(calls, c).caller);
            const whole = ops.amounts.subarray(first, calls.ends[c]!).every((amount) => amount === BigInt(n));
            applied.set(n, applied.has(n) || !whole ? "twice" : "applied");
          }
          open.push(commit);
        }
        expect(open.length).toBeLessThanOrEqual(commitsInFlight);
      };
      for (const each of steps) {
        if (each.kind === "submit") {
          const n = answers.length;
          const ops = each.names.map((name) => increment(name, BigInt(n)));
          const removal = { ...remove(each.names[0]!), amount: BigInt(n) };
          const asked = each.removes ? single(removal) : ops.length === 1 ? single(ops[0]!) : batch(ops);
          const limits = { deadline: clock.now() + each.lasts, cancelled: () => gone.has(n) };
          const answer = submit({ ...asked, caller: `${n}` }, limits);
          answers.push(
            answer.then(
              (settled) => ("code" in settled ? settled.code : "applied"),
              () => "applied",
            ),
          );
        } else if (each.kind === "leave") gone.add(each.which);
        else if (each.kind === "wait") clock.advance(1);
        else {
          await look();
          const [commit] = open.splice(each.which % Math.max(1, open.length), 1);
          if (each.fails) commit?.fail(new TallyError("OUTCOME_UNKNOWN", "for a test"));
          else commit?.end();
        }
      }
      const drained = writer.drain();
      for (await look(); open.length > 0; await look()) open.shift()!.end();
      await drained;
      const told = await Promise.all(answers);
      for (const [n, outcome] of told.entries()) {
        if (outcome === "applied") expect([n, applied.get(n)]).toEqual([n, "applied"]);
        else {
          expect(["QUEUE_FULL", "CALL_CANCELLED", "DEADLINE_PASSED"]).toContain(outcome);
          expect([n, applied.get(n)]).toEqual([n, undefined]);
        }
      }
    }),
    { numRuns: 300, verbose: 1 },
  );
});

it("a caller's name that is longer than the change log takes is refused, in bytes and not in letters", () => {
  const { submit } = setUp();
  const named = (callerName: string) => single(increment("a"), { callerName });
  expect(() => submit(named("é".repeat(81)))).toThrow(
    new TypeError("expected a caller's name of at most 160 bytes, got 162"),
  );
  expect(() => submit(named("é".repeat(80)))).not.toThrow();
});

it("calls have nothing beside them that none of them says, and each its own where one does", async () => {
  const { store, submit } = setUp();
  void submit(single(increment("a")));
  void submit(batch([increment("b"), increment("c")]));
  const plain = (await store.commitNumber(1)).batch;
  expect(plain.ops.mayNotCreate).toBeUndefined();
  const none = { callerName: undefined, formerCaller: undefined };
  expect(plain.calls).toMatchObject({ callers: [{ caller: "", ...none }], callerOf: undefined });
  void submit(single(increment("d")));
  void submit(batch([increment("e"), increment("f", 1n, { mayCreate: false })], { callerName: "ada" }));
  void submit(single(increment("g", 1n, { mayCreate: false }), { caller: "id", formerCaller: "" }));
  (await store.commitNumber(1)).end();
  const { ops, calls } = (await store.commitNumber(2)).batch;
  expect([...ops.mayNotCreate!]).toEqual([0, 0, 1, 1]);
  expect([0, 1, 2].map((c) => whoseIs(calls, c))).toEqual([
    { caller: "", ...none },
    { caller: "", ...none, callerName: "ada" },
    { caller: "id", ...none, formerCaller: "" },
  ]);
});

describe("a call that is followed", () => {
  /** A span that notes which commits it was told of, and with whom. */
  class Noted implements CallSpan {
    readonly traceId = "";
    readonly told: (readonly [others: readonly CallSpan[], commit: TracedCommit])[] = [];
    committed(others: readonly CallSpan[], commit: TracedCommit): void {
      this.told.push([others, commit]);
    }
    queued(): void {}
    end(): void {}
  }

  it("is told when it began to wait, when its commit began, what that took, and whether it is a replay", async () => {
    const { store, clock, submit } = setUp();
    const parts = [new CallParts(undefined), new CallParts(undefined)];
    const first = submit(single(increment("a")));
    const one = await store.commitNumber(1);
    const second = [submit(single(increment("b")), { parts: parts[0] }), submit(single(increment("c")))];
    clock.advance(2);
    second.push(submit(single(increment("d")), { parts: parts[1] }));
    clock.advance(3);
    one.end();
    const two = await store.commitNumber(2);
    clock.advance(7);
    two.end({ loadMs: 1, syncMs: 4.0004 }, [0, 0, 1]);
    await Promise.all([first, ...second]);
    const common = { cutMs: 5, committedMs: 12, timings: { loadMs: 1, syncMs: 4.0004 } };
    expect(parts).toEqual([
      { span: undefined, queuedMs: 0, ...common, isReplayed: false },
      { span: undefined, queuedMs: 2, ...common, isReplayed: true },
    ]);
    expect(parts[1]!.times(20)).toEqual({ queue_ms: 3, commit_ms: 7, load_ms: 1, sync_ms: 4 });
  });

  it("and was not committed, has waited until it was answered", async () => {
    const { store, clock, submit } = setUp();
    const parts = new CallParts(undefined);
    void submit(single(increment("a")));
    const { end } = await store.commitNumber(1);
    const late = submit(single(increment("b")), { parts, deadline: clock.now() + 5 });
    clock.advance(8);
    end();
    expect(await late).toEqual({ code: "DEADLINE_PASSED" });
    expect(parts.times(clock.monotonic())).toEqual({ queue_ms: 8 });
  });

  it("and recorded, tells of its commit once for all that are, each of them once", async () => {
    const { store, clock, submit } = setUp();
    const spans = [new Noted(), new Noted()];
    const parts = spans.map((span) => new CallParts(span));
    const answers = [
      submit(single(increment("a"))),
      submit(batch([increment("b"), increment("c")]), { parts: parts[0]! }),
      submit(single(increment("d")), { parts: parts[1]! }),
      submit(single(increment("e")), { parts: parts[1]! }), // Of the same call.
    ];
    const { end } = await store.commitNumber(1);
    clock.advance(7);
    end({ decideMs: 1 });
    await Promise.all(answers);
    const commit = { beganMs: 0, endedMs: 7, calls: 4, operations: 5, parts: { decide_ms: 1 } };
    expect(spans[0]!.told).toEqual([[[spans[1]], { ...commit, failed: undefined }]]);
    expect(spans[1]!.told).toEqual([]);
  });

  it("is told of a commit that failed", async () => {
    const { store, clock, submit } = setUp();
    const span = new Noted();
    const parts = new CallParts(span);
    const answer = submit(single(increment("a")), { parts });
    const { fail } = await store.commitNumber(1);
    clock.advance(7);
    fail(new TallyError("STORE_UNAVAILABLE", "for a test"));
    await expect(answer).rejects.toThrow("for a test");
    expect(parts.times(9)).toEqual({ queue_ms: 0, commit_ms: 7 });
    expect(span.told).toMatchObject([[[], { calls: 1, parts: {}, failed: "STORE_UNAVAILABLE" }]]);
  });
});

/** The counters of a commit, in the order of its operations. */
function namesOf({ batch: { ops } }: { batch: Batch }): string[] {
  const nameAt = nameReader(ops);
  return Array.from({ length: ops.count }, (_, i) => nameAt(i));
}

/** Until what is due has been done. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
