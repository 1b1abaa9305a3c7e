import type { Clock } from "../../core/clock.ts";
import type { Moment } from "./write/running-time.ts";

/** This moment, as it is told to the thread that writes. */
export function momentOf(clock: Clock): Moment {
  return { now: clock.now(), monotonic: clock.monotonic() };
}
