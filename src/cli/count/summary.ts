import type { JsonObject } from "@bufbuild/protobuf";
import type { Sent } from "../../client/increment-sender.ts";
import type { View } from "../output.ts";

/** How a run of `tally count` ended. Of the lines read, each is in exactly one of the numbers from `counted` on. */
export interface Summary {
  /** Whether the whole input was read. */
  readonly complete: boolean;
  /** Lines read. */
  readonly lines: number;
  readonly sent: Readonly<Sent>;
  /** Lines without a name. */
  readonly empty: number;
  readonly unmatched: number;
  /** Lines not counted although they have a name, by reason: a name too long, or an ErrorReason of the server. */
  readonly refused: Readonly<Record<string, number>>;
  /** About how many different names. */
  readonly names: number;
  readonly calls: number;
  readonly retries: number;
  readonly ms: number;
}

/** Lines not counted although they have a name. */
export function refusedLines({ refused }: Summary): number {
  return Object.values(refused).reduce((total, lines) => total + lines, 0);
}

/** The summary in one line. */
export function summaryLine(summary: Summary): string {
  const { lines, sent, empty, unmatched, names, calls, retries, ms } = summary;
  const refused = refusedLines(summary);
  const unanswered = sent.unknown + sent.inFlight;
  const parts = [
    `${figure(sent.applied)} of ${counted(lines, "line")} counted`,
    empty > 0 && `${figure(empty)} empty`,
    unmatched > 0 && `${figure(unmatched)} without a match`,
    refused > 0 && `${figure(refused)} refused (${reasonsIn(summary)})`,
    unanswered > 0 && `${figure(unanswered)} unknown`,
    sent.notSent > 0 && `${figure(sent.notSent)} read but not counted`,
  ].filter((part) => part !== false);
  const rate = `${(ms / 1000).toFixed(1)} s, ${figure(perSecond(lines, ms))} lines/s`;
  const work = [
    `about ${counted(names, "name")}`,
    counted(calls, "call"),
    counted(retries, "retry", "retries"),
  ];
  return `${parts.join(", ")}; ${work.join(", ")}, ${rate}`;
}

function reasonsIn({ refused }: Summary): string {
  return Object.entries(refused)
    .map(([reason, lines]) => `${figure(lines)} ${reason}`)
    .join(", ");
}

/** The summary for scripts. Its numbers are counts of lines, far below 2^53, and so JSON numbers. */
export function summaryView(summary: Summary): View {
  const { complete, lines, sent, empty, unmatched, refused, names, calls, retries, ms } = summary;
  const json: JsonObject = {
    complete,
    lines,
    counted: sent.applied,
    skipped: { empty, unmatched },
    refused: { ...refused },
    unknown: sent.unknown + sent.inFlight,
    notSent: sent.notSent,
    names: Number.isFinite(names) ? names : null,
    calls,
    retries,
    seconds: Math.round(ms) / 1000,
  };
  return { json, value: `${sent.applied}`, cells: {} };
}

/** A number as people read it: 1,234,567. */
export function figure(number: number): string {
  return Number.isFinite(number) ? number.toLocaleString("en-US") : "very many";
}

/** So many of something: "1 line", "2 lines". */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${figure(number)} ${number === 1 ? one : many}`;
}

/** A rate as a whole number a second; of no time at all, as of a millisecond. */
export function perSecond(count: number, ms: number): number {
  return Math.round((count / Math.max(ms, 1)) * 1000);
}
