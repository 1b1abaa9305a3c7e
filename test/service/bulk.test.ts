/** What a bulk call owes to others: it goes as fast as its caller may, waits for room, and ends with its caller. */
import { expect, it } from "vitest";
import type { Refusal } from "../../src/core/errors.ts";
import { Verb } from "../../src/core/op.ts";
import { Bulk, type BulkCaller, type BulkReached, type BulkWork } from "../../src/service/bulk.ts";
import { toBatch } from "../../src/service/call.ts";
import { Writer } from "../../src/service/writer.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";
import { CallParts } from "../../src/telemetry/call-parts.ts";
import { apply, create, increment, single } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { openFresh } from "../support/opened.ts";
import { Spans } from "../support/spans.ts";

const WORK = {
  ...{ selection: { prefix: "a.", labels: {} }, after: "", verb: Verb.DELETE, note: undefined },
  ...{ keepHistory: false, dryRun: false, countersMax: Number.POSITIVE_INFINITY },
} as const;

/** A store of ten counters, in slices of four, unless said otherwise. */
async function opened(
  front: (real: Writer) => Pick<Writer, "submit"> = (real) => real,
  { counters = 10, slice = 4 } = {},
) {
  const { store, clock, dispose } = await openFresh(async () => "memory:");
  await store.commit(toBatch(Array.from({ length: counters }, (_, i) => single(increment(`a.${i}`)))));
  const bulk = new Bulk(store, front(new Writer(store, clock)), clock, new ZoneCalendar(() => {}), slice);
  return { store, clock, bulk, [Symbol.asyncDispose]: dispose };
}

const METHOD = { name: "DeleteCounters", parent: { typeName: "tally.v1.BulkService" } };

/** The parts of a call that is recorded, and its spans. */
function followed({ clock }: Awaited<ReturnType<typeof opened>>) {
  const spans = new Spans();
  const parts = new CallParts(spans.tracing(clock, { ratio: 1 }).begin(METHOD, "grpc", () => undefined, 0));
  const named = (name: string) => spans.told.filter((each) => each.name === name).length;
  return { parts, named };
}

async function run(
  bulk: Bulk,
  by: Partial<BulkCaller>,
  work: Partial<BulkWork> = {},
): Promise<{ told: BulkReached[]; ended: Refusal | undefined }> {
  const told: BulkReached[] = [];
  const caller = { caller: "c", signal: new AbortController().signal, charge: () => undefined };
  const slices = bulk.run({ ...WORK, ...work }, { ...caller, ...by });
  for (;;) {
    const next = await slices.next();
    if (next.done) return { told, ended: next.value };
    told.push(next.value);
  }
}

it("no more are looked at than was asked for, and the next call goes on behind them, a slice a slice", async () => {
  await using it_ = await opened();
  const reset = { verb: Verb.RESET, countersMax: 6 };
  const first = await run(it_.bulk, {}, reset);
  const second = await run(it_.bulk, {}, { ...reset, after: "a.5", countersMax: 4 });
  const third = await run(it_.bulk, {}, { ...reset, after: "a.9", countersMax: 4 });
  const told = [first, second, third].map(({ told }) =>
    told.map((each) => [each.done, each.lastName, each.complete]),
  );
  expect(told).toEqual([
    [
      [4, "a.3", false],
      [6, "a.5", false],
    ],
    [[4, "a.9", true]],
    [[0, "a.9", true]],
  ]);
  expect(first.ended).toBeUndefined();
});

it("a dry run judges windows by the store's clock, and not by the process's", async () => {
  await using it_ = await opened(undefined, { counters: 0 });
  const { store, clock } = it_;
  const window = { unit: "day", timeZone: "Europe/Berlin", day: 1 } as const;
  await apply(store, create("a.day", { window }));
  const ahead = new HandClock(clock.now() + 2 * 86_400_000);
  const bulk = new Bulk(store, new Writer(store, ahead), ahead, new ZoneCalendar(() => {}));
  const { told } = await run(bulk, {}, { verb: Verb.RESET, dryRun: true });
  expect(told).toMatchObject([{ lookedAt: 1, done: 1, skipped: new Map(), complete: true }]);
});

it("each operation is counted against the caller's rate, and what is too much for now is waited for", async () => {
  await using it_ = await opened();
  const charged: number[] = [];
  let asked = 0;
  const charge = (operations: number): Refusal | undefined => {
    if (asked++ % 2 === 0) return { code: "RATE_LIMITED", retryAfterMs: 1 };
    charged.push(operations);
    return undefined;
  };
  const { told, ended } = await run(it_.bulk, { charge });
  expect([charged, told.at(-1)?.done, ended]).toEqual([[4, 4, 2], 10, undefined]);
});

it("who may do few at once does few at once; who may do none is told", async () => {
  await using it_ = await opened();
  const charged: number[] = [];
  const denied: Refusal = { code: "PERMISSION_DENIED", expected: "so many at once" };
  const charge = (operations: number): Refusal | undefined => {
    if (operations > 1) return denied;
    charged.push(operations);
    return undefined;
  };
  const { told } = await run(it_.bulk, { charge });
  expect([charged.length, told.at(-1)?.done]).toEqual([10, 10]);
  await using other = await opened();
  expect(await run(other.bulk, { charge: () => denied })).toEqual({ told: [], ended: denied });
  expect((await other.store.sum({ prefix: "", labels: {} })).count).toBe(10);
});

it("what finds no room in the queue is asked for again, each once", async () => {
  let asked = 0;
  await using it_ = await opened((real) => ({
    submit: (call) =>
      asked++ % 3 === 0 ? Promise.resolve({ code: "QUEUE_FULL", retryAfterMs: 1 }) : real.submit(call),
  }));
  const { told, ended } = await run(it_.bulk, {});
  expect([told.at(-1), ended]).toMatchObject([{ lookedAt: 10, done: 10, complete: true }, undefined]);
});

it("ends while it waits when its caller goes, and begins no slice more", async () => {
  await using it_ = await opened();
  const gone = new AbortController();
  let asked = 0;
  const charge = (): Refusal | undefined => {
    if (asked++ === 0) return undefined;
    queueMicrotask(() => gone.abort());
    return { code: "RATE_LIMITED", retryAfterMs: 3_600_000 };
  };
  const { told, ended } = await run(it_.bulk, { signal: gone.signal, charge });
  expect([told.length, ended]).toEqual([1, { code: "CALL_CANCELLED" }]);
  expect((await it_.store.sum({ prefix: "", labels: {} })).count).toBe(6);
});

it("of its slices 128 are recorded, however many there are; all are counted", async () => {
  await using it_ = await opened(undefined, { counters: 200, slice: 1 });
  const { parts, named } = followed(it_);
  await run(it_.bulk, { parts });
  expect([named("queue"), named("commit"), parts.slices?.count]).toEqual([128, 128, 200]);
});

it("a slice of which nothing found room has waited for no commit", async () => {
  let asked = 0;
  await using it_ = await opened(
    (real) => ({
      submit(call) {
        if (asked++ >= 10) return real.submit(call);
        call.parts!.queuedMs = 0; // As the writer has it, before it looks for room.
        return Promise.resolve({ code: "QUEUE_FULL", retryAfterMs: 1 });
      },
    }),
    { slice: 10 },
  );
  const { parts, named } = followed(it_);
  await run(it_.bulk, { parts });
  expect([asked, named("queue"), named("commit"), parts.slices?.count]).toEqual([20, 1, 1, 1]);
});

it("a slice that is committed after its call has ended is in its trace, too", async () => {
  const committing = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  await using it_ = await opened(
    (real) => ({
      async submit(call) {
        const settled = real.submit(call);
        committing.resolve();
        await held.promise;
        return settled;
      },
    }),
    { slice: 10 },
  );
  const { parts, named } = followed(it_);
  const gone = new AbortController();
  const ran = run(it_.bulk, { parts, signal: gone.signal });
  await committing.promise;
  gone.abort();
  parts.span!.end({ method: METHOD, code: 1, reason: "CALL_CANCELLED", endedMs: 1, parts });
  held.resolve();
  await ran;
  expect([named("queue"), named("commit"), parts.slices?.count]).toEqual([1, 1, 1]);
});
