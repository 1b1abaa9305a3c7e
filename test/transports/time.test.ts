/** Windows, refills and idle TTLs as callers see them, at the gRPC door. */
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { CalendarUnit } from "../../gen/tally/v1/counter_pb.ts";
import { open, refusal } from "./door.ts";

const HOUR = 3_600_000;
const DAY_IN_BERLIN = {
  span: { case: "calendar", value: CalendarUnit.DAY } as const,
  timeZone: "Europe/Berlin",
};
const every = (ms: number) => ({ span: { case: "every", value: durationFromMs(ms) } as const });

describe("a quota of five a day in Berlin", () => {
  it.each([
    ["2026-03-28T22:59:59.999Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"],
    ["2026-10-24T21:59:59.999Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
  ])(
    "gives five before %s, five after, and never a sixth, on the day of the change too",
    async (last, start, end) => {
      await using opened = await open();
      const { client, clock } = opened;
      clock.wallMs = Date.parse(last) - 2 * HOUR;
      await client.createCounter({ name: "q", max: 5n, window: DAY_IN_BERLIN });
      const takeFive = async () => {
        for (let n = 1n; n <= 5n; n++) {
          expect((await client.increment({ name: "q" })).outcome).toMatchObject({
            value: n,
            previous: n - 1n,
          });
        }
        return refusal(client.increment({ name: "q" }));
      };
      await takeFive();
      clock.wallMs = Date.parse(last);
      expect(await refusal(client.increment({ name: "q" }))).toMatchObject({
        ...{ status: "OUT_OF_RANGE", reason: "ABOVE_MAX", retryMs: 1 },
      });
      clock.wallMs = Date.parse(start);
      const { counter } = await client.getCounter({ name: "q" });
      expect(counter).toMatchObject({ value: 0n, revision: 7n, window: DAY_IN_BERLIN });
      expect([counter!.windowStart, counter!.windowEnd].map((time) => timestampMs(time!))).toEqual([
        ...[Date.parse(start), Date.parse(end)],
      ]);
      expect(await takeFive()).toMatchObject({ retryMs: Date.parse(end) - Date.parse(start) });
      clock.wallMs = Date.parse(end) - 1;
      expect(await refusal(client.increment({ name: "q" }))).toMatchObject({
        reason: "ABOVE_MAX",
        retryMs: 1,
      });
      clock.wallMs = Date.parse(end);
      await takeFive();
    },
  );
});

describe("settings of time", () => {
  it("are answered as they were given, with where the counter is in time; a replay answers as of then", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    const anchor = timestampFromMs(clock.wallMs - 1_000);
    const window = { ...every(60_000), anchor };
    const request = { name: "w", window, idleTtl: durationFromMs(90_500), requestId: "r" };
    const made = await client.createCounter(request);
    expect(made.counter).toMatchObject({
      ...{ window, idleTtl: durationFromMs(90_500), windowStart: anchor },
      windowEnd: timestampFromMs(clock.wallMs + 59_000),
      expireTime: timestampFromMs(clock.wallMs + 90_500),
    });
    expect(made.counter).not.toHaveProperty("fullTime");
    clock.advance(59_000);
    expect(await client.createCounter(request)).toEqual({ ...made, replayed: true });
    const month = {
      span: { case: "calendar", value: CalendarUnit.MONTH } as const,
      timeZone: "UTC",
      day: 31,
    };
    const { counter } = await client.updateCounter({ name: "w", window: month });
    expect(counter).toMatchObject({ window: month, windowEnd: timestampFromMs(Date.UTC(2026, 0, 31)) });
    const mask = { paths: ["window", "idle_ttl"] };
    const { counter: plain } = await client.updateCounter({ name: "w", updateMask: mask });
    for (const field of ["window", "idleTtl", "windowStart", "windowEnd", "expireTime"]) {
      expect(plain).not.toHaveProperty(field);
    }
  });

  it("a token bucket says when it is full, and the client of a full quota when there is room", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    const refill = { amount: 3n, every: durationFromMs(1_000) };
    await client.createCounter({ name: "b", min: 0n, max: 10n, refill });
    await client.increment({ name: "b", amount: 10n });
    const { counter } = await client.getCounter({ name: "b" });
    expect(counter).toMatchObject({ value: 10n, refill, fullTime: timestampFromMs(clock.wallMs + 3_334) });
    expect(await refusal(client.increment({ name: "b" }))).toMatchObject({
      reason: "ABOVE_MAX",
      retryMs: 334,
    });
    clock.advance(334);
    expect((await client.increment({ name: "b" })).outcome).toMatchObject({ value: 10n, previous: 9n });
  });

  it("an idle counter is gone, and what comes after is another", async () => {
    await using opened = await open();
    const { client, clock } = opened;
    const { counter } = await client.createCounter({ name: "i", value: 4n, idleTtl: durationFromMs(1_000) });
    clock.advance(1_000);
    expect(await refusal(client.getCounter({ name: "i" }))).toMatchObject({ reason: "COUNTER_NOT_FOUND" });
    expect(await client.sumCounters({})).toMatchObject({ count: 0n, sum: "0" });
    const again = await client.createCounter({ name: "i", value: 1n });
    expect(again.counter!.uid).not.toBe(counter!.uid);
  });
});

describe("refused is", () => {
  const zone = { timeZone: "UTC" };
  const day = { case: "calendar", value: CalendarUnit.DAY } as const;
  const bounds = { min: 0n, max: 10n };
  it.each<[string, object, string]>([
    ["a window of nothing", { window: {} }, "window.span"],
    ["half a second", { window: every(500) }, "window.every"],
    ["one and a half", { window: every(1_500) }, "window.every"],
    ["a window of more than 366 days", { window: every(367 * 24 * HOUR) }, "window.every"],
    [
      "a duration that is none",
      { window: { span: { case: "every", value: { seconds: 5n, nanos: 2_000_000_000 } } } },
      "window.every",
    ],
    ["a calendar without a zone", { window: { span: day } }, "window.time_zone"],
    ["a zone without a calendar", { window: { ...every(1_000), ...zone } }, "window.time_zone"],
    ["an offset for a zone", { window: { span: day, timeZone: "+02:00" } }, "window.time_zone"],
    ["a zone that nobody knows", { window: { span: day, timeZone: "Mars/Olympus" } }, "window.time_zone"],
    ["no unit", { window: { span: { case: "calendar", value: 0 }, ...zone } }, "window.calendar"],
    ["an unknown unit", { window: { span: { case: "calendar", value: 99 }, ...zone } }, "window.calendar"],
    [
      "an anchor of a calendar",
      { window: { span: day, ...zone, anchor: timestampFromMs(0) } },
      "window.anchor",
    ],
    [
      "an anchor within a millisecond",
      { window: { ...every(1_000), anchor: { seconds: 0n, nanos: 1 } } },
      "window.anchor",
    ],
    [
      "an anchor out of all time",
      { window: { ...every(1_000), anchor: { seconds: 2n ** 60n, nanos: 0 } } },
      "window.anchor",
    ],
    [
      "a day of a week",
      { window: { span: { case: "calendar", value: CalendarUnit.WEEK }, ...zone, day: 2 } },
      "window.day",
    ],
    [
      "the 32nd",
      { window: { span: { case: "calendar", value: CalendarUnit.MONTH }, ...zone, day: 32 } },
      "window.day",
    ],
    ["a refill of nothing", { ...bounds, refill: { every: durationFromMs(1_000) } }, "refill.amount"],
    ["a refill in no time", { ...bounds, refill: { amount: 1n } }, "refill.every"],
    [
      "a refill within a millisecond",
      { ...bounds, refill: { amount: 1n, every: { seconds: 1n, nanos: 1 } } },
      "refill.every",
    ],
    ["a TTL below a second", { idleTtl: durationFromMs(999) }, "idle_ttl"],
    ["a TTL of more than ten years", { idleTtl: durationFromMs(3_651 * 24 * HOUR) }, "idle_ttl"],
    ["a TTL within a millisecond", { idleTtl: { seconds: 1n, nanos: 500_000 } }, "idle_ttl"],
  ])("%s, when made and when changed, by the name of its field", async (_, settings, field) => {
    await using opened = await open();
    const { client } = opened;
    await client.createCounter({ name: "a", ...bounds });
    for (const call of [
      client.createCounter({ name: "b", ...settings }),
      client.updateCounter({ name: "a", ...settings }),
    ]) {
      const refused = await refusal(call);
      expect(refused).toMatchObject({
        status: "INVALID_ARGUMENT",
        reason: "INVALID_FIELD",
        metadata: { field },
      });
      expect(Buffer.byteLength(refused.message)).toBeLessThanOrEqual(200);
    }
  });

  it("what does not go together", async () => {
    await using opened = await open();
    const refill = { amount: 1n, every: durationFromMs(1_000) };
    const refused = await refusal(opened.client.createCounter({ name: "a", refill }));
    expect(refused).toMatchObject({
      ...{
        status: "FAILED_PRECONDITION",
        reason: "SETTINGS_CONFLICT",
        metadata: { name: "a", field: "refill" },
      },
      message: "refill needs min and max; nothing was changed.",
    });
  });
});

it("a duration or an instant that is refused is shown as JSON has it", async () => {
  await using opened = await open();
  const settings = { window: every(500) };
  expect((await refusal(opened.client.createCounter({ name: "a", ...settings }))).message).toBe(
    'window.every must be 1 second to 366 days, got "0.500s"; nothing was applied.',
  );
  const bucket = { min: 0n, max: 9n, refill: { amount: 1n, every: durationFromMs(367 * 24 * HOUR) } };
  expect((await refusal(opened.client.createCounter({ name: "a", ...bucket }))).message).toBe(
    'refill.every must be 1 millisecond to 366 days, got "31708800s"; nothing was applied.',
  );
  const anchored = { window: { ...every(1_000), anchor: { seconds: 0n, nanos: 1 } } };
  const expected = "window.anchor must be whole milliseconds of the years 1 to 9999, got";
  expect((await refusal(opened.client.createCounter({ name: "a", ...anchored }))).message).toBe(
    `${expected} "1970-01-01T00:00:00.000000001Z"; nothing was applied.`,
  );
  const beyond = { window: { ...every(1_000), anchor: { seconds: -62_135_596_801n, nanos: 0 } } };
  expect((await refusal(opened.client.createCounter({ name: "a", ...beyond }))).message).toBe(
    `${expected} -62135596801 s; nothing was applied.`,
  );
});

it("of what the operations of a group have used up themselves, no time is told when there will be room", async () => {
  await using opened = await open();
  const { client } = opened;
  await client.createCounter({ name: "q", max: 5n, window: every(HOUR) });
  const take = (...amounts: bigint[]) =>
    refusal(
      client.batchApply({
        operations: amounts.map((value) => ({ name: "q", action: { case: "increment", value } })),
        allOrNothing: true,
      }),
    );
  expect(await take(5n, 1n)).toMatchObject({ reason: "ABOVE_MAX", retryMs: undefined });
  await client.increment({ name: "q", amount: 4n });
  expect(await take(2n)).toMatchObject({ reason: "ABOVE_MAX", retryMs: HOUR });
});
