import { type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { durationFromMs, type Timestamp, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Command, InvalidArgumentError } from "commander";
import type { CalendarUnit } from "../../gen/browser/tally/v1/counter_pb.ts";
import {
  HistoryFill,
  type HistoryPoint,
  type QueryHistoryRequestSchema,
  type QueryHistoryResponse,
  QueryHistoryResponseSchema,
} from "../../gen/browser/tally/v1/history_service_pb.ts";
import { RPC } from "../client/client.ts";
import { parseDuration } from "../config/quantity.ts";
import { onServer, type Session } from "./client-command.ts";
import { CommandError, EXIT } from "./exit.ts";
import { notes } from "./help.ts";
import { chartsOf, inColumns, labelWidth } from "./history/chart.ts";
import { momentOf, timeOf, UNITS } from "./time-settings.ts";
import { EVERY_FIELD } from "./views.ts";

/** `tally history`: what became of a counter, a step at a time. */
export function define(command: Command): void {
  command
    .argument("[name]", "the counter, also one that is gone")
    .option(
      "--prefix <prefix>",
      'instead: all whose names begin so, taken together; "" for all that there are',
    )
    .option("--since <when>", "from when on: a time, or how long ago", momentOf)
    .option("--until <when>", "up to when: the same (default: now)", momentOf)
    .option(
      "--step <step>",
      `how long a step is: whole minutes, such as 15m or 1h, or ${UNITS.join(", ")} (default: what fits)`,
      stepOf,
    )
    .option("--zone <name>", "the time zone whose clocks steps go by (default: the one of this machine)")
    .option("--no-fill", "leave out the steps in which nothing was changed")
    .addHelpText("before", EXAMPLES);
  onServer(command, { format: "chart", formats: ["chart", "table", "csv", "json", "yaml"] }, run);
  command.addHelpText("after", notes(ABOUT));
}

interface Options {
  readonly prefix?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly step?: string | number;
  readonly zone?: string;
  readonly fill: boolean;
}

async function run(session: Session, [name]: [string | undefined], options: Options): Promise<void> {
  const { client, output } = session;
  const { prefix, fill, zone = Intl.DateTimeFormat().resolvedOptions().timeZone } = options;
  if ((name === undefined) === (prefix === undefined))
    throw new CommandError(EXIT.USAGE, "Give the name of a counter, or --prefix; one of them.");
  const { since, until } = options; // What is left out is the server's to say, by its clock.
  const lengthMs = since === undefined ? DAY_MS : (until?.getTime() ?? Date.now()) - since.getTime();
  const step = options.step ?? stepFor(lengthMs);
  const answer = await client.call(RPC.queryHistory, {
    subject: name === undefined ? { case: "prefix", value: prefix! } : { case: "name", value: name },
    ...(since && { start: timestampFromDate(since) }),
    ...(until && { end: timestampFromDate(until) }),
    step: stepInit(step),
    timeZone: zone,
    fill: fill ? HistoryFill.LAST : HistoryFill.NONE,
  });
  if (output.format === "chart") await output.text(chartOf(answer, zone));
  else if (output.format === "csv") await output.text(csvOf(answer));
  else if (output.format === "table") {
    const list = output.list();
    await list.add(
      answer.points.map((point) => ({ json: null, value: point.close, cells: cellsOf(point, zone) })),
    );
    await list.end();
  } else
    await output.record({
      json: toJson(QueryHistoryResponseSchema, answer, EVERY_FIELD),
      value: "",
      cells: {},
    });
  tell(answer, session);
}

/** What is not as one would think. */
function tell({ points }: QueryHistoryResponse, { output }: Session): void {
  if (points.length === 0) output.note("Nothing is known of that time.");
  const gaps = points.filter(({ gap }) => gap).length;
  if (gaps > 0)
    output.note(
      `Changes are missing in ${gaps} of ${points.length} steps: history had fallen behind, or was begun anew.`,
    );
}

/** A unit of the calendar, or whole minutes in milliseconds. @throws InvalidArgumentError */
function stepOf(text: string): string | number {
  if (UNITS.includes(text)) return text;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= MINUTE_MS && ms <= 366 * DAY_MS && ms % MINUTE_MS === 0) return ms;
  throw new InvalidArgumentError(
    `Expected one of ${UNITS.join(", ")}, or a duration in whole minutes from 1m to 366d, such as 15m.`,
  );
}

function stepInit(
  step: string | number,
): NonNullable<MessageInitShape<typeof QueryHistoryRequestSchema>["step"]> {
  if (typeof step === "number") return { case: "every", value: durationFromMs(step) };
  return { case: "calendar", value: (UNITS.indexOf(step) + 1) as CalendarUnit };
}

/** The shortest of those that people think in, of which a terminal has room for all. */
function stepFor(lengthMs: number): string | number {
  const minutes = [1, 5, 15, 30, 60, 180, 360, 720].find(
    (each) => lengthMs / (each * MINUTE_MS) <= STEPS_MAX,
  );
  if (minutes !== undefined) return minutes * MINUTE_MS;
  return (
    (Object.keys(DAYS) as (keyof typeof DAYS)[]).find(
      (unit) => lengthMs / (DAYS[unit] * DAY_MS) <= STEPS_MAX,
    ) ?? "year"
  );
}

const STEPS_MAX = 100;
const DAYS = { day: 1, week: 7, month: 30, quarter: 91 };

/** The value and what was added to it, drawn under each other; then all of it in a line. */
function chartOf({ points }: QueryHistoryResponse, zone: string): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return "";
  const width = (process.stdout.columns || 80) - 2;
  const edge = labelWidth(points.flatMap(({ close, added }) => [close, added])) + 2;
  const columns = inColumns(points.map(columnOf), Math.max(width - edge, 10), fold);
  const closes = columns.map(({ close }) => close);
  const lowest = closes.reduce((low, close) => (close < low ? close : low));
  const highest = closes.reduce((high, close) => (close > high ? close : high));
  // Near 0, from 0 on: that shows how much it is.
  const base = lowest < 0n || (lowest < highest && 2n * lowest > highest) ? lowest : 0n;
  const lines = chartsOf([
    { title: "value", values: closes, base, lines: 8 },
    {
      title: "added",
      values: columns.map(({ added }) => (added > 0n ? added : undefined)),
      base: 0n,
      lines: 4,
    },
  ]);
  const [from, to] = [timeIn(zone, first.start), timeIn(zone, last.end)];
  const right = Math.max(from.length + to.length + 2, columns.length);
  lines.push(`${" ".repeat(edge)}${from}${to.padStart(right - from.length)}`, "", summary(points, zone));
  return `${lines.join("\n")}\n`;
}

interface Column {
  readonly close: bigint;
  readonly added: bigint;
}

function columnOf({ close, added }: HistoryPoint): Column {
  return { close: BigInt(close), added: BigInt(added) };
}

function fold(columns: readonly Column[]): Column {
  return { close: columns.at(-1)!.close, added: columns.reduce((sum, { added }) => sum + added, 0n) };
}

function summary(points: readonly HistoryPoint[], zone: string): string {
  const sum = (of: "added" | "removed" | "rolled") =>
    points.reduce((total, point) => total + BigInt(point[of]), 0n);
  const rolled = sum("rolled");
  const parts = [
    `${points[0]!.open} to ${points.at(-1)!.close}`,
    `added ${sum("added")}`,
    `removed ${sum("removed")}`,
    ...(rolled === 0n ? [] : [`by ends of windows ${rolled}`]),
  ];
  return `${parts.join(", ")}; ${points.length} step${points.length === 1 ? "" : "s"}, by the clocks of ${zone}`;
}

function cellsOf(point: HistoryPoint, zone: string) {
  const { start, close, low, high, added, removed, rolled, changes } = point;
  return {
    FROM: timeIn(zone, start),
    VALUE: BigInt(close),
    ...(low !== undefined && { LOW: BigInt(low) }), // Of a prefix there is neither.
    ...(high !== undefined && { HIGH: BigInt(high) }),
    ADDED: BigInt(added),
    REMOVED: BigInt(removed),
    ROLLED: BigInt(rolled),
    CHANGES: changes,
    "": [point.inProgress ? "in progress" : "", point.gap ? "gap" : ""]
      .filter((text) => text !== "")
      .join(", "),
  };
}

/** Every field, times in UTC: for a spreadsheet. */
function csvOf({ points }: QueryHistoryResponse): string {
  const rows = points.map((point) =>
    [
      timeOf(point.start),
      timeOf(point.end),
      ...[point.open, point.close, point.low ?? "", point.high ?? ""],
      ...[point.added, point.removed, point.rolled, point.changes],
      ...[point.inProgress, point.gap],
    ].join(","),
  );
  const headings = "start,end,open,close,low,high,added,removed,rolled,changes,in_progress,gap";
  return `${[headings, ...rows].join("\n")}\n`;
}

/** As the clocks of a zone show it: "2026-03-29 06:00". */
function timeIn(zone: string, time: Timestamp | undefined): string {
  const digits = {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  } as const;
  return new Intl.DateTimeFormat("sv-SE", { timeZone: zone, ...digits }).format(timestampDate(time!));
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const EXAMPLES = `Examples:
  tally history visits                        drawn, the last day
  tally history visits --since 7d --step 1h --zone Europe/Berlin
  tally history --prefix page: --since 30d --step day
  tally history visits --since 2026-03-01 --until 2026-04-01 -o csv > march.csv
`;

const ABOUT = `
Where clocks are put forward or back, a step is shorter or longer, or comes twice.`;
