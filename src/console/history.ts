/** The history of a counter as the page asks for it, and what it says. */

import { durationFromMs, timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { type HistoryPoint, HistoryService } from "../../gen/browser/tally/v1/history_service_pb.ts";
import { formatCount } from "./numbers.ts";
import type { Drawn } from "./plot.ts";
import { whenText } from "./times.ts";

/** What can be looked at: so long, in steps of so long. */
export const RANGES = {
  hour: { text: "Last hour", ms: 3_600_000, stepMs: 60_000 },
  day: { text: "Last day", ms: 86_400_000, stepMs: 900_000 },
  week: { text: "Last week", ms: 7 * 86_400_000, stepMs: 3_600_000 },
} as const;
export type Range = keyof typeof RANGES;

/** The points of a range, in order. */
export interface Seen {
  readonly range: Range;
  /** When it was asked for; the range ends there. */
  readonly asOf: Date;
  readonly points: readonly Point[];
}

/** A step of time, and what became of the counter in it. */
export interface Point {
  readonly start: Date;
  readonly end: Date;
  readonly close: bigint;
  readonly added: bigint;
  readonly removed: bigint;
  readonly rolled: bigint;
  /** That it is not over yet, or lacks changes; "" of most. */
  readonly remark: string;
}

/** Asks for histories. */
export class Histories {
  readonly #client: Client<typeof HistoryService>;

  constructor(transport: Transport) {
    this.#client = createClient(HistoryService, transport);
  }

  /** What became of a counter up to now; steps go by the clocks of the person who looks. */
  async read(name: string, range: Range, signal: AbortSignal): Promise<Seen> {
    const { ms, stepMs } = RANGES[range];
    const asOf = new Date();
    const request = {
      subject: { case: "name" as const, value: name },
      start: timestampFromMs(asOf.getTime() - ms),
      step: { case: "every" as const, value: durationFromMs(stepMs) },
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    };
    const { points } = await this.#client.queryHistory(request, { signal, timeoutMs: 10_000 });
    return { range, asOf, points: points.map(toPoint) };
  }
}

function toPoint({ start, end, close, added, removed, rolled, inProgress, gap }: HistoryPoint): Point {
  const remarks = [inProgress ? "not over yet" : "", gap ? "changes are missing" : ""];
  return {
    start: timestampDate(start!),
    end: timestampDate(end!),
    close: BigInt(close),
    added: BigInt(added),
    removed: BigInt(removed),
    rolled: BigInt(rolled),
    remark: remarks.filter((remark) => remark !== "").join(", "),
  };
}

/** @param seen  with at least one point */
export function drawnOf({ range, asOf, points }: Seen): Drawn {
  const [first, last] = [points[0]!.start.getTime(), points.at(-1)!.end.getTime()];
  const from = asOf.getTime() - RANGES[range].ms;
  return {
    times: points.map(({ start }) => start.getTime() / 1_000),
    values: points.map(({ close }) => Number(close)),
    added: points.map(({ added }) => Number(added) || null),
    removed: points.map(({ removed }) => -Number(removed) || null),
    end: last / 1_000,
    span: [Math.min(from, first) / 1_000, Math.max(asOf.getTime(), last) / 1_000],
  };
}

/** What a point says, in words. */
export function pointText({ start, end, close, added, removed, rolled, remark }: Point, now: Date): string {
  const moves = [
    added === 0n ? "" : `${formatCount(added)} added`,
    removed === 0n ? "" : `${formatCount(removed)} removed`,
    rolled === 0n ? "" : `${formatCount(rolled)} by an end of its window or its own`,
    remark,
  ];
  const said = moves.filter((move) => move !== "").join(", ");
  return `${whenText(start, now)} to ${clockText(end)}: ${formatCount(close)}${said === "" ? "" : ` (${said})`}`;
}

/** "14:05", by the clock of whoever reads it. */
export function clockText(time: Date): string {
  return CLOCK.format(time);
}

/** Below the plots: the hour of a day, the day of a week. */
export function axisText(range: Range, seconds: number): string {
  return (range === "week" ? DAY : CLOCK).format(seconds * 1_000);
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
