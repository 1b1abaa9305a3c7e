import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Counter } from "../../gen/browser/tally/v1/counter_pb.ts";
import { outlookOf, paceOf } from "../core/pace.ts";
import { formatCount } from "./numbers.ts";
import { whenText } from "./times.ts";

/** What became of a counter up to now, and how long that was: "day". */
interface PacedRange {
  readonly range: string;
  readonly points: readonly { readonly start: Date; readonly added: bigint; readonly removed: bigint }[];
}

/** When a counter's maximum is met if it goes on as in a range, as `tally get -o wide` has it; "" without one. */
export function outlookText(
  { max, value, windowEnd, createTime }: Counter,
  { range, points }: PacedRange,
  now: Date,
): string {
  if (max === undefined || value >= max) return "";
  const steps = points.map(({ start, added, removed }) => ({ startMs: start.getTime(), added, removed }));
  const pace = paceOf(steps, timestampMs(createTime!), now.getTime());
  if (pace === undefined) return "";
  const met = outlookOf(max - value, pace, now.getTime(), windowEnd && timestampMs(windowEnd));
  const said = `At the pace of the last ${range}, its maximum of ${formatCount(max)} is `;
  if (met === "never") return `${said}not met.`;
  if (met === "not in this window") return `${said}not met before its window ends.`;
  return `${said}met at ${whenText(new Date(met), now)}.`;
}
