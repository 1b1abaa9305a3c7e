import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { type Generation, planGenerations } from "../../src/core/request-ids.ts";

const RETENTION = { requestIdsKeepMs: 24_000, requestIdsFloorMs: 1_000, requestIdsBytesMax: 800 };

/** One step of a service's life: some time passes, then ids of some bytes are saved, if there is room. */
const steps = fc.array(fc.tuple(fc.nat({ max: 6_000 }), fc.nat({ max: 150 })), {
  minLength: 1,
  maxLength: 200,
});

test.prop([steps])(
  "ids are kept for the promised time while there is room, never less than the floor, and not much longer",
  (life) => {
    let runMs = 0;
    let generations: {
      id: number;
      openedMs: number;
      closedMs: number | undefined;
      bytes: number;
      savedMs: number[];
    }[] = [{ id: 0, openedMs: 0, closedMs: undefined, bytes: 0, savedMs: [] }];
    for (const [pause, bytes] of life) {
      runMs += pause;
      const plan = planGenerations(generations, runMs, RETENTION);
      for (const gone of plan.forget as typeof generations) {
        for (const savedMs of gone.savedMs) {
          const age = runMs - savedMs;
          expect(age).toBeGreaterThanOrEqual(
            plan.early ? RETENTION.requestIdsFloorMs : RETENTION.requestIdsKeepMs,
          );
        }
      }
      generations = generations.filter((generation) => !plan.forget.includes(generation as Generation));
      const total = generations.reduce((sum, generation) => sum + generation.bytes, 0);
      expect(plan.fullForMs !== undefined).toBe(total >= RETENTION.requestIdsBytesMax);
      for (const { savedMs } of generations.slice(0, -1)) {
        for (const saved of savedMs)
          expect(runMs - saved).toBeLessThan(RETENTION.requestIdsKeepMs * 1.5 + 6_000);
      }
      if (plan.fullForMs !== undefined) continue;
      const open = generations.at(-1)!;
      if (plan.rotate) {
        open.closedMs = runMs;
        generations.push({ id: open.id + 1, openedMs: runMs, closedMs: undefined, bytes: 0, savedMs: [] });
      }
      if (bytes > 0) {
        generations.at(-1)!.bytes += bytes;
        generations.at(-1)!.savedMs.push(runMs);
      }
    }
  },
);
