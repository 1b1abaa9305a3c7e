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

/**
 * An instant by a clock, its zone said: "14:03:07 CET" of today, "29 Nov 2026, 00:00 CET" of others.
 *
 * @param zone  whose clock; that of whoever reads it where there is none, or where the browser does not know it
 */
export function whenText(instant: Date, now: Date, zone?: string): string {
  const { ofToday, ofAnyDay, day } = formatsOf(zone ?? "");
  return (day.format(instant) === day.format(now) ? ofToday : ofAnyDay).format(instant);
}

/** The instant of a timestamp, shown. */
export function timeText(time: Timestamp, zone?: string): string {
  return whenText(timestampDate(time), new Date(), zone);
}

/** English as the rest of the page, with days before months and hours up to 24. */
const OF_ANY_DAY = {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
} as const;

interface Formats {
  readonly ofToday: Intl.DateTimeFormat;
  readonly ofAnyDay: Intl.DateTimeFormat;
  /** The date alone, to be compared. */
  readonly day: Intl.DateTimeFormat;
}

/** By zone, "" for the reader's: each takes a while to be made. */
const FORMATS = new Map<string, Formats>();

function formatsOf(zone: string): Formats {
  const known = FORMATS.get(zone);
  if (known !== undefined) return known;
  const made = newFormats(zone);
  FORMATS.set(zone, made);
  return made;
}

function newFormats(zone: string): Formats {
  const timeZone = zone === "" ? {} : { timeZone: zone };
  try {
    return {
      ofToday: new Intl.DateTimeFormat("en-GB", { timeStyle: "long", ...timeZone }),
      ofAnyDay: new Intl.DateTimeFormat("en-GB", { ...OF_ANY_DAY, ...timeZone }),
      day: new Intl.DateTimeFormat("en-GB", timeZone),
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return newFormats(""); // The browser's zones are older than the server's.
  }
}
