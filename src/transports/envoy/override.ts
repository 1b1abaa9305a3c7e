/** The limit that a descriptor brings itself, in the place of one that Tally has. */
import type { RateLimitDescriptor_RateLimitOverride as Override } from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts";
import {
  RateLimitUnit as Unit,
  RateLimitUnitSchema as UnitSchema,
} from "../../../gen/envoy/type/v3/ratelimit_unit_pb.ts";
import { defaultIdleTtlMs } from "../../core/policy.ts";
import { DEFAULTS, type Settings } from "../../core/settings.ts";
import type { Window } from "../../core/window.ts";

/** What is wrong with it, as a clause; undefined: nothing. */
export function overrideFault(override: Override): string | undefined {
  return windowOf(override) === undefined
    ? "must have a unit, and be of at most 366 days; of months and years, of one"
    : undefined;
}

/**
 * As the settings of a counter of its own, and the text that stands for it in the name: "100+MINUTE", "100+30+SECOND". So
 * another limit is another counter. It goes like any that follows a policy: nobody else takes it away.
 */
export function overrideOf(override: Override): { readonly text: string; readonly settings: Settings } {
  const { requestsPerUnit, unit, unitMultiplier = 1 } = override;
  const many = unitMultiplier === 1 ? "" : `${unitMultiplier}+`;
  const settings = { ...DEFAULTS, max: BigInt(requestsPerUnit), window: windowOf(override) };
  const text = `${requestsPerUnit}+${many}${UnitSchema.value[unit]!.name}`;
  return { text, settings: { ...settings, idleTtlMs: defaultIdleTtlMs(settings) } };
}

/** In UTC, as there is no word of a zone. */
function windowOf({ unit, unitMultiplier: count = 1 }: Override): Window | undefined {
  if (count === 1 && unit === Unit.MONTH) return { unit: "month", timeZone: "UTC", day: 1 };
  if (count === 1 && unit === Unit.YEAR) return { unit: "year", timeZone: "UTC", day: 1 };
  const ms = LENGTHS.get(unit);
  if (ms === undefined || count < 1 || count * ms > WINDOW_MS_MAX) return undefined;
  return { everyMs: count * ms, anchorMs: 0 };
}

const LENGTHS: ReadonlyMap<Unit, number> = new Map([
  [Unit.SECOND, 1_000],
  [Unit.MINUTE, 60_000],
  [Unit.HOUR, 3_600_000],
  [Unit.DAY, 86_400_000],
]);

/** See Window.every: 366 days. */
const WINDOW_MS_MAX = 366 * 86_400_000;
