/**
 * Waits for what is to come end when it comes, and fail only where it never does: Vitest's second is too short for a
 * machine that is busy. `expect.poll` has the same time, from vitest.config.ts.
 */
import { inject, vi } from "vitest";

const timeout = inject("patienceMs");
const { waitFor } = vi;

if (waitFor.name !== "waitPatiently") {
  vi.waitFor = function waitPatiently(callback, options) {
    return waitFor(callback, typeof options === "number" ? options : { timeout, ...options });
  };
}
