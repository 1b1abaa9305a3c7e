/** Windows, refills and idle TTLs as people write them, and as they are shown. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type Duration,
  durationFromMs,
  durationMs,
  type Timestamp,
  timestampDate,
  timestampFromDate,
} from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError } from "commander";
import type {
  CalendarUnit,
  Refill,
  RefillSchema,
  Window,
  WindowSchema,
} from "../../gen/browser/tally/v1/counter_pb.ts";
import { formatDuration, parseDuration } from "../config/quantity.ts";
import { CommandError, EXIT } from "./exit.ts";
import { amount } from "./values.ts";

/** What --window can be beside a duration. */
export const UNITS: readonly string[] = ["day", "week", "month", "quarter", "year"];

/** What goes with --window, as it was given. */
export interface WindowOptions {
  readonly zone?: string;
  readonly day?: number;
  readonly anchor?: Date;
}

/** A unit of the calendar, or a duration in milliseconds. @throws InvalidArgumentError */
export function spanOf(text: string): string | number {
  if (UNITS.includes(text)) return text;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 1_000 && ms <= YEAR_MS && ms % 1_000 === 0) return ms;
  throw new InvalidArgumentError(
    `Expected one of ${UNITS.join(", ")}, or a duration in whole seconds from 1s to 366d, such as 1h30m.`,
  );
}

/** An instant. @throws InvalidArgumentError */
export function instantOf(text: string): Date {
  const [, date] = INSTANT.exec(text) ?? [];
  const instant = new Date(text);
  if (date !== undefined && !Number.isNaN(instant.getTime())) {
    const day = new Date(`${date}T00:00:00Z`).toISOString(); // Of 30 February it is 2 March.
    if (day.startsWith(date)) return instant;
  }
  throw new InvalidArgumentError("Expected an instant such as 2026-03-01 or 2026-03-01T06:00:00+01:00.");
}

/** An instant, as such or as how long ago. @throws InvalidArgumentError */
export function momentOf(text: string): Date {
  const ms = parseDuration(text);
  return ms === undefined ? instantOf(text) : new Date(Date.now() - ms);
}

const INSTANT = /^(\d{4}-\d\d-\d\d)(?:T(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/;

/** The window that the options come to. @throws CommandError  when they do not go together */
export function windowIn(
  span: string | number,
  { zone, day, anchor }: WindowOptions,
): MessageInitShape<typeof WindowSchema> {
  if (typeof span === "number") {
    if (zone !== undefined || day !== undefined)
      throw usage(`--${zone === undefined ? "day" : "zone"}`, CALENDAR);
    const every = { span: { case: "every" as const, value: durationFromMs(span) } };
    return { ...every, ...(anchor && { anchor: timestampFromDate(anchor) }) };
  }
  if (zone === undefined) {
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    throw new CommandError(
      EXIT.USAGE,
      `A ${span} begins at midnight somewhere: say where with --zone, such as --zone ${here}.`,
    );
  }
  if (anchor !== undefined) throw usage("--anchor", "--window with a duration, such as --window 1h");
  if (day !== undefined && span !== "month") throw usage("--day", "--window month");
  const value = (UNITS.indexOf(span) + 1) as CalendarUnit;
  return { span: { case: "calendar", value }, timeZone: zone, ...(day !== undefined && { day }) };
}

/** @throws CommandError  when something is given that goes with --window alone */
export function expectNoWindowOptions(options: WindowOptions): void {
  for (const name of ["zone", "day", "anchor"] as const) {
    if (options[name] !== undefined) throw usage(`--${name}`, "--window");
  }
}

function usage(option: string, ofWhat: string): CommandError {
  return new CommandError(EXIT.USAGE, `${option} goes with ${ofWhat}.`);
}

const CALENDAR = `--window ${UNITS.join("|")}`;

/** "3/1s". @throws InvalidArgumentError */
export function refillOf(text: string): MessageInitShape<typeof RefillSchema> {
  const [, units, every] = /^(\d+)\/(.+)$/.exec(text) ?? [];
  const ms = every === undefined ? undefined : parseDuration(/^\d/.test(every) ? every : `1${every}`);
  if (ms === undefined || ms < 1 || ms > YEAR_MS)
    throw new InvalidArgumentError("Expected AMOUNT/DURATION, such as 3/1s or 100/1h30m.");
  return { amount: amount(units!), every: durationFromMs(ms) };
}

/** How a window is shown: "day in Europe/Berlin", "month from day 31 in UTC", "1h". */
export function windowText({ span, anchor, timeZone, day }: Window): string {
  if (span.case === "calendar") {
    const from = day === undefined ? "" : ` from day ${day}`;
    return `${UNITS[span.value - 1]}${from} in ${timeZone}`;
  }
  const from = anchor === undefined ? "" : ` from ${timeOf(anchor)}`;
  return `${durationText(span.value as Duration)}${from}`;
}

/** As --refill takes it. */
export function refillText({ amount: units, every }: Refill): string {
  return `${units}/${durationText(every!)}`;
}

/** As options take it. */
export function durationText(duration: Duration): string {
  return formatDuration(durationMs(duration));
}

/** A time in ISO 8601, UTC; "-" when there is none. */
export function timeOf(time: Timestamp | undefined): string {
  return time === undefined ? "-" : timestampDate(time).toISOString();
}

const YEAR_MS = 366 * 86_400_000;
