import type { JsonObject } from "@bufbuild/protobuf";
import { formatDuration } from "../../config/quantity.ts";
import type { Seen, Watched } from "./watched.ts";

/** The counters as a terminal shows them at a time: a line each, in columns. */
export function liveLines(counters: readonly Watched[], now: Date): string[] {
  const nameWidth = Math.max(...counters.map(({ name }) => name.length));
  const values = counters.map(({ seen }) => stateOf(seen));
  const valueWidth = Math.max(...values.map((value) => value.length));
  const times = counters.map(({ seen }) => timesText(seen, now));
  const timesWidth = Math.max(...times.map((text) => text.length));
  return counters.map(({ name, rates }, i) => {
    const rate =
      rates.length === 0 ? "" : `  ${perSecond(rates.at(-1)!).padStart(RATE_WIDTH)}  ${sparkline(rates)}`;
    const timed = timesWidth === 0 ? "" : `  ${times[i]!.padEnd(timesWidth)}`;
    return `${name.padEnd(nameWidth)}  ${values[i]!.padStart(valueWidth)}${timed}${rate}`.trimEnd();
  });
}

/** What is new of a counter, as a line of text. */
export function changeLine(time: Date, { name, seen }: Watched, moved: bigint): string {
  const by = moved === 0n ? "" : `  ${signed(moved)}`;
  return `${time.toISOString()}  ${name}  ${stateOf(seen)}${by}`;
}

/** The same for scripts; the value is null when there is none, and then `reason` says why. */
export function changeJson(time: Date, { name, seen, rates }: Watched, moved: bigint): JsonObject {
  const at = { time: time.toISOString(), name };
  if (seen === undefined || "reason" in seen) return { ...at, value: null, reason: seen?.reason ?? "" };
  const { value, windowEnd, fullTime, expireTime } = seen;
  const times = Object.entries({ windowEnd, fullTime, expireTime }).filter(([, time]) => time !== undefined);
  return {
    ...at,
    value: `${value}`,
    change: `${moved}`,
    perSecond: rates.at(-1) ?? null,
    ...Object.fromEntries(times.map(([key, time]) => [key, time!.toISOString()])),
  };
}

/** "window ends in 3h12m", "full in 4s, gone in 30d". */
function timesText(seen: Seen | undefined, now: Date): string {
  if (seen === undefined || "reason" in seen) return "";
  const { windowEnd, fullTime, expireTime } = seen;
  return Object.entries({ "window ends": windowEnd, full: fullTime, gone: expireTime })
    .filter(([, time]) => time !== undefined)
    .map(([what, time]) => `${what} in ${leftText(time!.getTime() - now.getTime())}`)
    .join(", ");
}

/** The two largest units, of whole seconds; never below 0, whatever the clocks of two machines say. */
function leftText(ms: number): string {
  const whole = formatDuration(Math.max(0, Math.ceil(ms / 1_000)) * 1_000);
  return whole
    .match(/\d+[a-z]+/g)!
    .slice(0, 2)
    .join("");
}

/** "-" for lower, "+" for higher. */
function signed(moved: bigint): string {
  return moved > 0n ? `+${moved}` : `${moved}`;
}

function stateOf(seen: Seen | undefined): string {
  if (seen === undefined) return "";
  if ("value" in seen) return `${seen.value}`;
  return STATES[seen.reason] ?? seen.reason;
}

const STATES: Readonly<Record<string, string>> = {
  COUNTER_NOT_FOUND: "no such counter yet",
  ROW_CORRUPT: "damaged on disk: restore it from a backup",
};

/** "+1,234.5/s" */
function perSecond(rate: number): string {
  const digits = Math.abs(rate) < 100 ? 1 : 0;
  const number = rate.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${rate > 0 ? "+" : ""}${number}/s`;
}

const RATE_WIDTH = 10;

/** One bar a number, the highest being the highest there is; what is not above 0 has the lowest. */
export function sparkline(numbers: readonly number[]): string {
  const highest = Math.max(...numbers);
  return numbers
    .map((number) => BARS[number <= 0 ? 0 : Math.ceil((number / highest) * (BARS.length - 1))])
    .join("");
}

const BARS = "▁▂▃▄▅▆▇█";
