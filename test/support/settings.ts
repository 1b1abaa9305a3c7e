import type { Settings, TIME_KEYS } from "../../src/core/settings.ts";

/**
 * Settings of which none is what it is by default, all but those of time: what keeps, copies or tells settings is tested
 * with these, so that a new one is. It does not compile while one is missing.
 */
export const UNLIKE_DEFAULTS: Omit<Settings, (typeof TIME_KEYS)[number]> = {
  initial: 1n,
  min: -9n,
  max: 9n,
  clamp: true,
  monotonic: true,
  labels: { team: "a", tier: "1" },
  description: "old",
  history: false,
};
