/** How a limit stands, as people are shown it. */
import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { type LimitStatus, LimitStatusSchema } from "../../gen/browser/tally/v1/limit_service_pb.ts";
import { formatDuration } from "../config/quantity.ts";
import type { View } from "./output.ts";
import { durationText, timeOf } from "./time-settings.ts";

/**
 * @param replayed   there is then nothing to tell of how it stands
 * @param givenBack  of what gave back: how much
 */
export function limitView(status: LimitStatus, replayed: boolean, givenBack?: bigint): View {
  const { name, allowed, max, remaining, quota, period, resetTime, policy } = status;
  return {
    json: toJson(LimitStatusSchema, status, { alwaysEmitImplicit: true }),
    value: `${remaining ?? ""}`,
    name,
    cells: {
      NAME: name,
      ...(givenBack === undefined ? { ALLOWED: allowed ? "yes" : "no" } : { "GIVEN BACK": givenBack }),
      ...(remaining !== undefined && { LEFT: remaining }),
      ...(quota !== undefined && { QUOTA: quota }),
      ...(max !== undefined && { MAX: max }),
      ...(period && { IN: durationText(period) }),
      ...(resetTime && { "ALL BACK AT": timeOf(resetTime) }),
      ...(policy !== undefined && { POLICY: policy }),
      ...(replayed && { REPLAYED: "yes: answered before under this request id" }),
    },
  };
}

/** Why there was no room, and when there will be. */
export function roomSentence({ name, remaining = 0n, retryAfter }: LimitStatus, asked: bigint): string {
  const ms = retryAfter === undefined ? undefined : Math.ceil(durationMs(retryAfter) / 1_000) * 1_000;
  const when = ms === undefined ? "Waiting does not help." : `There will be room in ${formatDuration(ms)}.`;
  return `${name}: there is no room for ${asked || 1n}, ${remaining} left; nothing was taken. ${when}`;
}
