import type { Clock } from "./core/clock.ts";

/** Time as the system tells it. */
export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
