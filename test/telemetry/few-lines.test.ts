/** What callers can have logged is ten lines in any second, and nothing of it goes unsaid. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { FewLines } from "../../src/telemetry/few-lines.ts";
import { HandClock } from "../support/clock.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

it("is ten lines in any second, however they come, and leaves none untold", () => {
  const told: Record<string, unknown>[] = [];
  const atMs: number[] = [];
  const clock = new HandClock();
  const pass = (ms: number) => {
    clock.advance(ms);
    vi.advanceTimersByTime(ms);
  };
  const log = (_: string, fields?: Record<string, unknown>) => {
    told.push(fields!);
    atMs.push(clock.monotonic());
  };
  const lines = new FewLines(clock, log, "call.denied");
  let [added, asked] = [0, 0];
  for (let step = 0; step < 3_000; step++) {
    if (step % 7 < 4) {
      const n = added++;
      lines.add(() => {
        asked++;
        return { n };
      });
    }
    pass((step * 37) % 91);
  }
  pass(1_000);
  expect(atMs.length).toBeGreaterThan(1_000); // Of 1,715 in 135 s.
  for (let n = 10; n < atMs.length; n++) expect(atMs[n]! - atMs[n - 10]!).toBeGreaterThanOrEqual(1_000);
  const own = told.filter(({ n }) => n !== undefined).length;
  const suppressed = told.reduce((sum, each) => sum + ((each.suppressed as number | undefined) ?? 0), 0);
  expect(own + suppressed).toBe(added);
  expect(asked, "of those left out nothing is made").toBe(own);
});
