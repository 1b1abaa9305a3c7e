/** Lengths of time and instants, as people write and read them. */
import {
  type Duration,
  durationFromMs,
  durationMs,
  type Timestamp,
  timestampDate,
} from "@bufbuild/protobuf/wkt";
import { CalendarUnit, type Refill, type Window } from "../../gen/browser/tally/v1/counter_pb.ts";
import { formatCount } from "./numbers.ts";

/** What lengths are counted in, the shortest first. */
export const UNITS = [
  { ms: 1, one: "millisecond" },
  { ms: 1_000, one: "second" },
  { ms: 60_000, one: "minute" },
  { ms: 3_600_000, one: "hour" },
  { ms: 86_400_000, one: "day" },
] as const;

/** A length in the largest unit that it is a whole number of. */
export function partsOf(duration: Duration): { count: number; unitMs: number } {
  const ms = durationMs(duration);
  const unit = UNITS.findLast((each) => ms % each.ms === 0)!;
  return { count: ms / unit.ms, unitMs: unit.ms };
}

/** The reverse. */
export function lengthOf(count: number, unitMs: number): Duration {
  return durationFromMs(count * unitMs);
}

/** "hour", "90 minutes". */
function lengthText(duration: Duration): string {
  const { count, unitMs } = partsOf(duration);
  const { one } = UNITS.find(({ ms }) => ms === unitMs)!;
  return count === 1 ? one : `${formatCount(BigInt(count))} ${one}s`;
}

/** "anew each day in Europe/Berlin", "anew every 90 minutes". */
export function windowText({ span, timeZone, day }: Window): string {
  if (span.case !== "calendar") return `anew every ${lengthText(span.value as Duration)}`;
  const from = day === undefined ? "" : `, from day ${day}`;
  return `anew each ${CALENDAR_WORDS[span.value]}${from} in ${timeZone}`;
}

/** What a unit of the calendar is called. */
export const CALENDAR_WORDS: Readonly<Record<CalendarUnit, string>> = {
  [CalendarUnit.UNSPECIFIED]: "",
  [CalendarUnit.DAY]: "day",
  [CalendarUnit.WEEK]: "week",
  [CalendarUnit.MONTH]: "month",
  [CalendarUnit.QUARTER]: "quarter",
  [CalendarUnit.YEAR]: "year",
};

/** "goes back by 3 every second". */
export function refillText({ amount, every }: Refill): string {
  return `goes back by ${formatCount(amount)} every ${lengthText(every!)}`;
}

/** "deleted when idle for 30 days". */
export function idleText(ttl: Duration): string {
  return `deleted when idle for ${lengthText(ttl).replace(/^(?=[a-z])/, "1 ")}`;
}

/** An instant by the clock of whoever reads it, the zone said: "14:03:07 CET" of today, "29 Nov 2026, 00:00 CET" of others. */
export function whenText(instant: Date, now: Date): string {
  return (instant.toDateString() === now.toDateString() ? OF_TODAY : OF_ANY_DAY).format(instant);
}

/** The instant of a timestamp, shown. */
export function timeText(time: Timestamp): string {
  return whenText(timestampDate(time), new Date());
}

/** English as the rest of the page, with days before months and hours up to 24. */
const OF_TODAY = new Intl.DateTimeFormat("en-GB", { timeStyle: "long" });
const OF_ANY_DAY = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});
