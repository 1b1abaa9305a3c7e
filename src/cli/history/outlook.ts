/** When a counter's maximum is met if it goes on as it did. */
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Counter } from "../../../gen/browser/tally/v1/counter_pb.ts";
import { CallError } from "../../client/call-error.ts";
import { RPC, type TallyClient } from "../../client/client.ts";
import { msUntilMet, type Pace } from "../../core/pace.ts";
import type { View } from "../output.ts";

/** A counter with one more column in a wide table: when it is at its maximum at the pace of the last hour, or else day. */
export async function withOutlook(
  client: TallyClient,
  view: View | undefined,
  counter: Counter | undefined,
): Promise<View | undefined> {
  if (view === undefined || counter === undefined) return view;
  return { ...view, wide: { ...view.wide, "MAX MET": await outlook(client, counter) } };
}

async function outlook(client: TallyClient, counter: Counter): Promise<string> {
  const { name, value, max, windowEnd } = counter;
  if (max === undefined) return "-";
  if (value >= max) return "now";
  for (const [of, lengthMs, stepMs] of PACES) {
    const pace = await paceOf(client, name, lengthMs, stepMs);
    const left = pace && msUntilMet(max - value, pace);
    if (left === undefined) continue;
    const met = Date.now() + left;
    if (windowEnd !== undefined && timestampMs(windowEnd) <= met) return "not in this window";
    return met > YEAR_9999 ? "-" : `${new Date(met).toISOString()} (${of})`;
  }
  return "-";
}

/** Undefined where there is no history. */
async function paceOf(
  client: TallyClient,
  name: string,
  lengthMs: number,
  stepMs: number,
): Promise<Pace | undefined> {
  const now = Date.now();
  try {
    const { points } = await client.call(RPC.queryHistory, {
      subject: { case: "name", value: name },
      start: timestampFromMs(now - lengthMs),
      step: { case: "every", value: durationFromMs(stepMs) },
    });
    const moved = points.reduce((sum, { added, removed }) => sum + BigInt(added) - BigInt(removed), 0n);
    const [first] = points;
    return first && { moved, ms: Math.max(now - timestampMs(first.start!), 1) };
  } catch (error) {
    if (error instanceof CallError && HAS_NONE.has(error.status)) return undefined;
    throw error;
  }
}

/** That there is no history, of this counter or at all; also of a server that is older than histories. */
const HAS_NONE: ReadonlySet<string> = new Set([
  "FAILED_PRECONDITION",
  "NOT_FOUND",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
]);

const PACES = [
  ["last hour", 3_600_000, 60_000],
  ["last day", 86_400_000, 900_000],
] as const;

const YEAR_9999 = Date.UTC(9999, 11, 31);
