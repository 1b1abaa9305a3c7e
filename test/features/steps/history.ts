/** What became of counters, what they were, and who changed them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect } from "vitest";
import { CalendarUnit } from "../../../gen/tally/v1/counter_pb.ts";
import {
  ChangeKind,
  HistoryFill,
  type HistoryPoint,
  HistoryService,
  type QueryHistoryRequestSchema,
} from "../../../gen/tally/v1/history_service_pb.ts";
import { step } from "../steps.ts";
import { RPC, type World } from "../world.ts";
import { msIn } from "./counters.ts";

const { queryHistory, listChanges } = HistoryService.method;

step("I ask for the history of {string} by {string} in {string}", (world, name, by, zone) =>
  ask(world, by, zone, { subject: { case: "name", value: name } }),
);

step("I ask for the changes in the history of {string} by {string} in {string}", (world, name, by, zone) =>
  ask(world, by, zone, { subject: { case: "name", value: name }, fill: HistoryFill.NONE }),
);

step(
  "I ask for the history of {string} since {string} by {string} in {string}",
  (world, name, since, by, zone) =>
    ask(world, by, zone, {
      subject: { case: "name", value: name },
      start: timestampFromMs(Date.parse(since)),
    }),
);

step(
  "I ask for the history of all that begin with {string} by {string} in {string}",
  (world, prefix, by, zone) =>
    ask(world, by, zone, { subject: { case: "prefix", value: prefix }, fill: HistoryFill.NONE }),
);

step("its points are", (world, [head, ...rows]) => {
  const { points } = world.answerTo(queryHistory);
  expect(points.map((point) => head!.map((column) => cell(point, column, world.zone)))).toEqual(rows);
});

step("it has {int} points", (world, count) => {
  expect(world.answerTo(queryHistory).points).toHaveLength(count);
});

step("only the last of them is in progress", (world) => {
  const { points } = world.answerTo(queryHistory);
  expect(points.findIndex(({ inProgress }) => inProgress)).toBe(points.length - 1);
});

step("{string} was {number} at {string}, as of {string}", async (world, name, value, at, time) => {
  const asOf = timestampFromMs(Date.parse(at));
  const { past } = await world.call(RPC.getCounter, { name, asOf });
  expect([past!.value, timestampDate(past!.time!)]).toEqual([value, new Date(time)]);
});

step("I ask who changed {string}", (world, name) => world.attempt(listChanges, { name }));

step("the changes are", (world, [head, ...rows]) => {
  expect(head).toEqual(["what", "value", "by"]);
  const { changes } = world.answerTo(listChanges);
  const shown = changes.map(({ kind, value, added, removed }) => {
    const [what] = Object.entries(ChangeKind).find(([, each]) => each === kind)!;
    return [what.toLowerCase(), `${value}`, `${BigInt(added) - BigInt(removed)}`];
  });
  expect(shown).toEqual(rows);
});

/** @param by  "1 hour", or a unit of the calendar: "day" */
function ask(
  world: World,
  by: string,
  zone: string,
  request: MessageInitShape<typeof QueryHistoryRequestSchema>,
): Promise<void> {
  world.zone = zone;
  const unit = CalendarUnit[by.toUpperCase() as keyof typeof CalendarUnit];
  return world.attempt(queryHistory, {
    start: timestampFromMs(world.now - 40 * 3_600_000), // Of which there are minutes too.
    step:
      unit === undefined
        ? { case: "every", value: durationFromMs(msIn(by)) }
        : { case: "calendar", value: unit },
    timeZone: zone,
    ...request,
  });
}

function cell(point: HistoryPoint, column: string, zone: string): string {
  if (column === "from") return clockText(timestampDate(point.start!), zone);
  const text = { value: point.close, added: point.added, removed: point.removed, rolled: point.rolled }[
    column
  ];
  if (text === undefined) throw new Error(`expected from, value, added, removed or rolled, got ${column}`);
  return text;
}

/** What the clocks of a zone show: "2026-03-29 00:00". */
function clockText(time: Date, timeZone: string): string {
  const digits = {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  } as const;
  return new Intl.DateTimeFormat("sv-SE", { timeZone, ...digits }).format(time);
}
