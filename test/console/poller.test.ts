/** The page keeps up while somebody looks, and asks less and less while nobody answers. */
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { ErrorInfoSchema } from "../../gen/browser/google/rpc/error_details_pb.ts";
import { Poller } from "../../src/console/poller.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const AWAY = new ConnectError("Failed to fetch", Code.Unknown);

/** A poller, and when it asked, in milliseconds since it was made. */
function polling(answer: () => Promise<void> = async () => {}) {
  const started = performance.now();
  const asked: number[] = [];
  const poller = new Poller({
    ask: async () => {
      asked.push(performance.now() - started);
      await answer();
    },
    everyMs: 2_000,
    awayMs: { first: 1_000, last: 4_000 },
  });
  onTestFinished(() => poller.close());
  return { poller, asked };
}

describe("a poller", () => {
  it("asks at once, and again after each pause", async () => {
    const { poller, asked } = polling();
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(6_000);
    expect(asked).toEqual([0, 2_000, 4_000, 6_000]);
    expect(poller.link.value).toEqual({ kind: "live" });
  });

  it("asks nothing while nobody looks, and at once when somebody does again", async () => {
    const { poller, asked } = polling();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([]);
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(1_000);
    poller.visible = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([60_000]);
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toEqual([60_000, 121_000]);
  });

  it("waits longer and longer while the server is away, and says when it asks again", async () => {
    const { poller, asked } = polling(() => Promise.reject(AWAY));
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(15_000);
    expect(asked).toEqual([0, 1_000, 3_000, 7_000, 11_000, 15_000]);
    expect(poller.link.value).toMatchObject({ kind: "away", retryAt: performance.now() + 4_000 });
  });

  it("recovers, and begins with the short pause the next time", async () => {
    let away = true;
    const { poller, asked } = polling(() => (away ? Promise.reject(AWAY) : Promise.resolve()));
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(1_000);
    away = false;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(poller.link.value).toEqual({ kind: "live" });
    away = true;
    await vi.advanceTimersByTimeAsync(3_000);
    expect(asked).toEqual([0, 1_000, 3_000, 5_000, 6_000]);
  });

  it("asks at once when told to, also in a pause", async () => {
    const { poller, asked } = polling(() => Promise.reject(AWAY));
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(500);
    poller.askNow();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toEqual([0, 500]);
  });

  it("drops the question on its way when it is told to ask anew", async () => {
    const signals: AbortSignal[] = [];
    const poller = new Poller({
      ask: (signal) => {
        signals.push(signal);
        return signals.length === 1
          ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
          : Promise.resolve();
      },
      everyMs: 2_000,
      awayMs: { first: 1_000, last: 4_000 },
    });
    onTestFinished(() => poller.close());
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(100);
    poller.askNow();
    await vi.advanceTimersByTimeAsync(0);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(poller.link.value).toEqual({ kind: "live" });
  });

  it("asks nothing more once nobody is let in, until it is told to or somebody looks again", async () => {
    const refusal = new ConnectError("no credential", Code.Unauthenticated);
    refusal.details = [{ desc: ErrorInfoSchema, value: { domain: "tally", reason: "CREDENTIAL_MISSING" } }];
    const { poller, asked } = polling(() => Promise.reject(refusal));
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([0]);
    expect(poller.link.value).toMatchObject({ kind: "barred" });
    poller.askNow();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([0, 60_000]);
    poller.visible = false;
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toEqual([0, 60_000, 120_000]);
  });

  it("a refusal is an answer: the server is there", async () => {
    const refusal = new ConnectError("prefix is too long", Code.InvalidArgument);
    refusal.details = [{ desc: ErrorInfoSchema, value: { domain: "tally", reason: "INVALID_FIELD" } }];
    const { poller, asked } = polling(() => Promise.reject(refusal));
    poller.visible = true;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(asked).toEqual([0, 2_000]);
    expect(poller.link.value).toMatchObject({ kind: "refused", problem: { reason: "INVALID_FIELD" } });
  });
});
