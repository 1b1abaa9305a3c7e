import { describe, expect, it, onTestFinished } from "vitest";
import { startMaintenance } from "../../src/service/maintenance.ts";

describe("maintenance", () => {
  it("does slices until nothing is left, then again after the pause, others' turns in between", async () => {
    const order: string[] = [];
    const rounds = Promise.withResolvers<void>();
    const left = [true, true, false, false];
    start(async () => {
      order.push("slice");
      if (order.length === 1) setImmediate(() => order.push("another's turn"));
      const more = left.shift();
      if (left.length === 0) rounds.resolve();
      return more ?? false;
    });
    await rounds.promise;
    expect(order).toEqual(["slice", "another's turn", "slice", "slice", "slice"]);
  });

  it("tells of a slice that failed, and tries again", async () => {
    const errors: unknown[] = [];
    const again = Promise.withResolvers<void>();
    let slices = 0;
    start(
      async () => {
        slices++;
        if (slices === 1) throw new Error("disk full");
        again.resolve();
        return false;
      },
      (error) => errors.push(error),
    );
    await again.promise;
    expect(errors).toEqual([new Error("disk full")]);
  });

  it("close waits for the slice in flight, and there is none after it", async () => {
    const started = Promise.withResolvers<void>();
    const slice = Promise.withResolvers<boolean>();
    let slices = 0;
    const maintenance = start(() => {
      slices++;
      started.resolve();
      return slice.promise;
    });
    await started.promise;
    let closed = false;
    const closing = maintenance.close().then(() => {
      closed = true;
    });
    await new Promise(setImmediate);
    expect(closed).toBe(false);
    slice.resolve(true);
    await closing;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(slices).toBe(1);
  });

  it("closed before its first round does nothing", async () => {
    let slices = 0;
    await start(async () => {
      slices++;
      return false;
    }).close();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(slices).toBe(0);
  });
});

function start(
  maintain: () => Promise<boolean>,
  onError: (error: unknown) => void = (error) => expect.fail(`${error}`),
) {
  const maintenance = startMaintenance({ maintain }, { everyMs: 1, onError });
  onTestFinished(() => maintenance.close());
  return maintenance;
}
