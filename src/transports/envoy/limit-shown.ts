import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  RateLimitResponse_Code as Code,
  type RateLimitResponse_DescriptorStatus as DescriptorStatus,
  RateLimitResponse_DescriptorStatusSchema as DescriptorStatusSchema,
  RateLimitResponse_RateLimit_Unit as Unit,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import type { Verdict } from "../../core/limits.ts";
import { isCalendar, type Window } from "../../core/window.ts";

/** What Envoy is told of one descriptor. Whoever asked Envoy may see it, so that it names no counter. */
export function statusOf({ allowed, limit }: Verdict): DescriptorStatus {
  const code = allowed ? Code.OK : Code.OVER_LIMIT;
  if (limit === undefined) return create(DescriptorStatusSchema, { code });
  const { quota, remaining, moreAfterMs, window } = limit;
  const [unit, multiplier] = window === undefined ? [Unit.UNKNOWN, 1] : unitOf(window);
  return create(DescriptorStatusSchema, {
    code,
    currentLimit: {
      requestsPerUnit: atMost32(quota),
      unit,
      ...(multiplier !== 1 && { unitMultiplier: multiplier }),
    },
    limitRemaining: atMost32(remaining),
    ...(moreAfterMs !== undefined && { durationUntilReset: durationFromMs(moreAfterMs) }),
  });
}

function atMost32(amount: bigint): number {
  return amount < 2n ** 32n ? Number(amount) : 2 ** 32 - 1;
}

/** A window as so many units of Envoy's. */
function unitOf(window: Window): readonly [unit: Unit, multiplier: number] {
  if (isCalendar(window)) return CALENDAR[window.unit];
  const { everyMs } = window;
  const [unit, ms] = LENGTHS.find(([, ms]) => everyMs % ms === 0)!; // Windows are whole seconds.
  return [unit, everyMs / ms];
}

const CALENDAR = {
  day: [Unit.DAY, 1],
  week: [Unit.WEEK, 1],
  month: [Unit.MONTH, 1],
  quarter: [Unit.MONTH, 3],
  year: [Unit.YEAR, 1],
} as const;

const LENGTHS = [
  [Unit.WEEK, 604_800_000],
  [Unit.DAY, 86_400_000],
  [Unit.HOUR, 3_600_000],
  [Unit.MINUTE, 60_000],
  [Unit.SECOND, 1_000],
] as const;
