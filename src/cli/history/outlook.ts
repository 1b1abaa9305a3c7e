/** When a counter's maximum is met if it goes on as it did. */
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Counter } from "../../../gen/browser/tally/v1/counter_pb.ts";
import { CallError } from "../../client/call-error.ts";
import { RPC, type TallyClient } from "../../client/client.ts";
import { outlookOf, type Pace, paceOf } from "../../core/pace.ts";
import type { View } from "../output.ts";

/**
 * A counter with one more column in a wide table: when it is at its maximum at the pace of the last hour; or day, where
 * nothing moved in that.
 */
export async function withOutlook(
  client: TallyClient,
  view: View | undefined,
  counter: Counter | undefined,
): Promise<View | undefined> {
  if (view === undefined || counter === undefined) return view;
  return { ...view, wide: { ...view.wide, "MAX MET": await outlook(client, counter) } };
}

async function outlook(client: TallyClient, counter: Counter): Promise<string> {
  const { value, max, windowEnd } = counter;
  if (max === undefined) return "-";
  if (value >= max) return "now";
  for (const [of, lengthMs, stepMs] of PACES) {
    const pace = await paceIn(client, counter, lengthMs, stepMs);
    if (pace === undefined || pace.moved === 0n) continue;
    const met = outlookOf(max - value, pace, Date.now(), windowEnd && timestampMs(windowEnd));
    if (met === "not in this window") return met;
    return `${met === "never" ? "not" : new Date(met).toISOString()} (${of})`;
  }
  return "-";
}

/** Undefined where there is no history. */
async function paceIn(
  client: TallyClient,
  { name, createTime }: Counter,
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
    const steps = points.map(({ start, added, removed }) => {
      return { startMs: timestampMs(start!), added: BigInt(added), removed: BigInt(removed) };
    });
    return paceOf(steps, timestampMs(createTime!), now);
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
