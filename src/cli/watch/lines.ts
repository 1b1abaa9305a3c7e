import type { JsonObject } from "@bufbuild/protobuf";
import type { Seen, Watched } from "./watched.ts";

/** The counters as a terminal shows them: a line each, in columns. */
export function liveLines(counters: readonly Watched[]): string[] {
  const nameWidth = Math.max(...counters.map(({ name }) => name.length));
  const values = counters.map(({ seen }) => stateOf(seen));
  const valueWidth = Math.max(...values.map((value) => value.length));
  return counters.map(({ name, rates }, i) => {
    const rate =
      rates.length === 0 ? "" : `  ${perSecond(rates.at(-1)!).padStart(RATE_WIDTH)}  ${sparkline(rates)}`;
    return `${name.padEnd(nameWidth)}  ${values[i]!.padStart(valueWidth)}${rate}`;
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
  return { ...at, value: `${seen.value}`, change: `${moved}`, perSecond: rates.at(-1) ?? null };
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
