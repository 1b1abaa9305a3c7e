import { expect, it } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import { ServerState } from "../../src/service/server-state.ts";
import type { StoreSize } from "../../src/service/store-size.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { Recent } from "../../src/telemetry/recent.ts";
import { warningsOf } from "../../src/telemetry/warnings.ts";
import { HandClock } from "../support/clock.ts";

const SIZE: StoreSize = { counters: 3, bytes: 4_096, roomBytes: undefined };

it("who asks within a second of each other is told the same size; one that the store no longer tells is not", async () => {
  const clock = new HandClock();
  let asked = 0;
  let size = async () => SIZE;
  const store = {
    size() {
      asked++;
      return size();
    },
  };
  const state = new ServerState(store, new Metrics(), clock);
  const [first] = await Promise.all([state.now(), state.now(), state.now()]);
  expect([first.size, asked]).toEqual([SIZE, 1]);
  expect(first.instance).toMatch(new RegExp(`:${process.pid}$`));
  size = () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "away"));
  clock.advance(1_000);
  expect([(await state.now()).size, asked]).toEqual([undefined, 2]);
  size = () => new Promise(() => {});
  clock.advance(1_000);
  expect((await state.now()).size).toBeUndefined(); // Nobody waits for it without an end.
  state.close();
});

it("what was done is told of the last minute, and of less while there is no more", () => {
  const [clock, metrics] = [new HandClock(), new Metrics()];
  const recent = new Recent(metrics, () => clock.monotonic());
  const applied = metrics.placeOf("operations", { verb: "increment", outcome: "applied" });
  const calls = metrics.placeOf("calls", { rpc: "Increment", door: "rest", code: "OK" });
  const refused = metrics.placeOf("refusals", { reason: "QUEUE_FULL" });
  for (let second = 0; second < 150; second += 5) {
    metrics.numbers[applied]! += 50;
    metrics.numbers[calls]! += second < 75 ? 10 : 20;
    metrics.numbers[refused]!++;
    clock.advance(5_000);
    recent.look();
    if (second === 15) expect(recent.lastMinute).toMatchObject({ seconds: 20, operations: 200, calls: 40 });
  }
  expect(recent.lastMinute).toEqual({
    seconds: 60,
    operations: 600,
    calls: 240,
    refusedCalls: 12,
    commits: 0,
  });
});

it("threads are those that are known, each with which part of the time it was busy", () => {
  const [clock, metrics] = [new HandClock(), new Metrics()];
  const recent = new Recent(metrics, () => clock.monotonic());
  const thread = { thread: "write" } as const;
  metrics.numbers[metrics.know("heapBytes", thread)] = 7;
  metrics.numbers[metrics.know("eventLoopActiveSeconds", thread)] = 2.5;
  clock.advance(10_000);
  expect(recent.threads).toEqual([{ name: "write", busyPercent: 25, heapBytes: 7 }]);
});

it("warns of what is measured and is not as it should be, and of nothing that is not known", () => {
  const metrics = new Metrics();
  const now = Date.UTC(2026, 0, 1);
  expect(warningsOf(metrics, now)).toEqual([]);
  const set = (key: Parameters<Metrics["know"]>[0], value: number) => {
    metrics.numbers[metrics.know(key, {} as never)] = value;
  };
  set("storeRoomBytes", 2 ** 31);
  set("historyLagSeconds", 3);
  set("requestIdsForgottenEarly", 0);
  set("catalogueAgeSeconds", 2);
  set("certificateEnds", now / 1_000 + 60 * 86_400);
  expect(warningsOf(metrics, now)).toEqual([]);
  set("storeRoomBytes", 5 * 2 ** 20);
  set("historyLagSeconds", 90);
  set("requestIdsForgottenEarly", 1);
  set("catalogueAgeSeconds", Number.POSITIVE_INFINITY);
  set("certificateEnds", now / 1_000 + 3.5 * 86_400);
  expect(warningsOf(metrics, now)).toEqual([
    "The disk of the data file has 5 MiB left; from one on no change is taken.",
    "History is 90 s behind; while the change log has room nothing of it is lost.",
    "Request ids are forgotten before request-ids-keep has passed: request-ids-bytes-max is used up.",
    "Who may call cannot be read from the store: nobody is let in until it can.",
    "The certificate ends in 3 days.",
  ]);
  set("certificateEnds", now / 1_000 - 1);
  expect(warningsOf(metrics, now).at(-1)).toBe("The certificate has ended: callers that check it hang up.");
});
