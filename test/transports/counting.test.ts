import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { OnBound } from "../../gen/tally/v1/counter_pb.ts";
import { INT64_MAX, INT64_MIN, UINT64_MAX } from "../../src/core/int64.ts";
import { open, refusal } from "./door.ts";

describe("CounterService over gRPC", () => {
  it("creates a counter with all that it was given, and reads it back", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    const settings = {
      name: "shop.stock",
      initial: -3n,
      min: -10n,
      max: 100n,
      onBound: OnBound.CLAMP,
      monotonic: true,
      labels: { team: "web", "a.b-c_1": "ü" },
      description: "what is left",
    };
    const { counter, replayed } = await client.createCounter({ ...settings, value: 7n });
    expect(replayed).toBe(false);
    expect(counter).toMatchObject({ ...settings, value: 7n, revision: 1n, settingsRevision: 1n });
    expect(timestampMs(counter!.createTime!)).toBe(clock.now());
    expect((await client.getCounter({ name: "shop.stock" })).counter).toEqual(counter);
    expect(counter!.etag).toBe(`${counter!.uid}.1`);
    expect(counter!.settingsEtag).not.toBe(counter!.etag);
  });

  it("starts a counter at its initial value, without bounds, rejecting", async () => {
    await using opened = await open();
    const { counter } = await opened.client.createCounter({ name: "a", initial: 5n });
    expect(counter).toMatchObject({ value: 5n, onBound: OnBound.REJECT, monotonic: false, labels: {} });
    expect(counter!.min).toBeUndefined();
    expect(counter!.max).toBeUndefined();
  });

  it("increments by one, or by an amount, and tells all about it", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    await client.createCounter({ name: "a", max: 100n });
    await client.increment({ name: "a" });
    clock.advance(1_234);
    const { outcome } = await client.increment({ name: "a", amount: 41n });
    const { counter } = await client.getCounter({ name: "a" });
    expect(outcome).toMatchObject({
      name: "a",
      value: 42n,
      previous: 1n,
      revision: 3n,
      etag: counter!.etag,
      headroomUp: 58n,
      headroomDown: 42n - INT64_MIN,
      replayed: false,
    });
    expect(timestampMs(outcome!.time!)).toBe(clock.now());
  });

  it("decrements, sets and resets", async () => {
    await using opened = await open();
    const { client } = opened;
    await client.createCounter({ name: "a", initial: 3n });
    expect((await client.decrement({ name: "a", amount: 5n })).outcome).toMatchObject({
      value: -2n,
      previous: 3n,
    });
    expect((await client.decrement({ name: "a" })).outcome).toMatchObject({ value: -3n, previous: -2n });
    const set = await client.set({ name: "a", value: 99n, note: "stocktaking" });
    expect(set.outcome).toMatchObject({ value: 99n, previous: -3n });
    const { etag } = set.outcome!;
    expect((await client.reset({ name: "a", etag })).outcome).toMatchObject({ value: 3n, revision: 5n });
    expect((await client.set({ name: "a", value: 0n })).outcome).toMatchObject({ value: 0n });
  });

  it("keeps int64 exact to its edges", async () => {
    await using opened = await open();
    const { client } = opened;
    await client.createCounter({
      name: "a",
      min: INT64_MIN,
      max: INT64_MAX,
      value: INT64_MIN,
      initial: INT64_MAX,
    });
    const { counter } = await client.getCounter({ name: "a" });
    expect(counter).toMatchObject({ value: INT64_MIN, min: INT64_MIN, max: INT64_MAX, initial: INT64_MAX });
    const up = await client.increment({ name: "a", amount: INT64_MAX });
    expect(up.outcome).toMatchObject({
      value: -1n,
      previous: INT64_MIN,
      headroomUp: 2n ** 63n,
      headroomDown: INT64_MAX,
    });
    const low = await client.set({ name: "a", value: INT64_MIN });
    expect(low.outcome).toMatchObject({ value: INT64_MIN, headroomUp: UINT64_MAX, headroomDown: 0n });
    const top = await client.reset({ name: "a" });
    expect(top.outcome).toMatchObject({ value: INT64_MAX, headroomUp: 0n, headroomDown: UINT64_MAX });
    expect((await client.set({ name: "a", value: 2n ** 53n + 1n })).outcome?.value).toBe(2n ** 53n + 1n);
  });

  it("answers a request id a second time as the first, and counts nothing", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    const first = await client.increment({ name: "a", requestId: "r" });
    await client.increment({ name: "a" });
    clock.advance(5_000);
    const again = await client.increment({ name: "a", requestId: "r" });
    const { headroomUp: _up, headroomDown: _down, ...same } = first.outcome!;
    expect(again.outcome).toMatchObject({ ...same, replayed: true });
    expect(again.outcome!.headroomUp).toBeUndefined();
    expect((await client.getCounter({ name: "a" })).counter?.value).toBe(2n);
  });

  it("replays a creation as it was then", async () => {
    await using opened = await open();
    const { client } = opened;
    const request = { name: "a", value: 4n, max: 9n, requestId: "r" };
    const first = await client.createCounter(request);
    await client.increment({ name: "a" });
    const again = await client.createCounter(request);
    expect(again).toEqual({ ...first, replayed: true });
  });

  it("applies a batch in order, each operation with its own outcome", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    await client.createCounter({ name: "b", max: 1n });
    const request = {
      operations: [
        { name: "a", action: { case: "increment", value: 5n } },
        { name: "b", action: { case: "increment", value: 2n } },
        { name: "a", action: { case: "decrement", value: 7n } },
        { name: "missing", action: { case: "reset", value: true } },
        { name: "a", action: { case: "set", value: INT64_MIN } },
        { name: "c", action: { case: "increment", value: 1n }, mustExist: true },
      ],
      requestId: "r",
    } as const;
    const response = await client.batchApply(request as never);
    expect(
      response.outcomes.map(({ name, value, previous, revision }) => [name, value, previous, revision]),
    ).toEqual([
      ["a", 5n, 0n, 1n],
      ["b", 0n, 0n, 0n],
      ["a", -2n, 5n, 2n],
      ["missing", 0n, 0n, 0n],
      ["a", INT64_MIN, -2n, 3n],
      ["c", 0n, 0n, 0n],
    ]);
    expect(response.outcomes[1]!.refusal).toMatchObject({
      code: 11,
      reason: "ABOVE_MAX",
      message: "0 + 2 is above the maximum 1; the value stays 0.",
      metadata: { value: "0", max: "1", requested: "2" },
    });
    expect(response.outcomes[3]!.refusal).toMatchObject({
      code: 5,
      reason: "COUNTER_NOT_FOUND",
      metadata: {},
    });
    expect(timestampMs(response.time!)).toBe(clock.now());
    clock.advance(1_000);
    expect(await client.batchApply(request as never)).toEqual({ ...response, replayed: true });
  });

  it("applies nothing of an all_or_nothing batch when one operation is refused, and says which", async () => {
    await using opened = await open();
    const { client } = opened;
    const operations = [
      { name: "a", action: { case: "increment" as const, value: 5n } },
      { name: "b", action: { case: "decrement" as const, value: 1n } },
    ];
    expect(await refusal(client.batchApply({ operations, allOrNothing: true }))).toMatchObject({
      status: "NOT_FOUND",
      reason: "COUNTER_NOT_FOUND",
      metadata: { index: "1", name: "b" },
    });
    expect(await refusal(client.getCounter({ name: "a" }))).toMatchObject({ reason: "COUNTER_NOT_FOUND" });
  });

  it("answers many reads at once, each with its own counter", async () => {
    await using opened = await open();
    const { client } = opened;
    const names = Array.from({ length: 200 }, (_, i) => `c${i}`);
    await client.batchApply({
      operations: names.map((name, i) => ({ name, action: { case: "set", value: BigInt(i) } })),
    });
    const read = await Promise.all(names.map((name) => client.getCounter({ name })));
    expect(read.map(({ counter }) => Number(counter!.value))).toEqual(names.map((_, i) => i));
  });
});
