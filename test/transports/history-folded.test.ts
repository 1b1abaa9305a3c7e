/** What a history says at a door, in steps of any zone, is what the changes come to when they are folded by hand. */

import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { CalendarUnit } from "../../gen/tally/v1/counter_pb.ts";
import { ChangeKind } from "../../src/core/change.ts";
import { type Step, stepsOf } from "../../src/core/history-steps.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";
import { allChanges } from "../stores/conformance/changes.ts";
import { pointsOf } from "../stores/conformance/history-expected.ts";
import { type Opened, open } from "./door.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The night in which clocks are put back in Europe and Casablanca has its own way; and the one of Lord Howe. */
const STARTS = ["2026-10-24T12:00:00Z", "2026-03-28T12:00:00Z", "2026-04-04T06:00:00Z"].map(Date.parse);
const ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Antarctica/Troll"];
const UNITS = { day: CalendarUnit.DAY, week: CalendarUnit.WEEK } as const;

const steps = fc.oneof(
  fc.constantFrom(15, 30, 60, 360, 420, 1440).map((minutes) => ({ everyMs: minutes * MINUTE })),
  fc.constantFrom("day" as const, "week" as const).map((unit) => ({ unit })),
);
const does = fc.record({
  what: fc.constantFrom(
    "increment",
    "increment",
    "decrement",
    "set",
    "reset",
    "delete",
    "delete with its history",
  ),
  name: fc.constantFrom("p:a", "p:b", "q"),
  amount: fc.bigInt({ min: 1n, max: 2n ** 40n }),
  afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3 * HOUR })),
});

interface Act {
  readonly what: string;
  readonly name: string;
  readonly amount: bigint;
  readonly afterMs: number;
}

/** What is refused changes nothing. */
async function act({ client, clock }: Opened, { what, name, amount, afterMs }: Act) {
  clock.advance(afterMs);
  const done = {
    increment: () => client.increment({ name, amount }),
    decrement: () => client.decrement({ name, amount }),
    set: () => client.set({ name, value: amount }),
    reset: () => client.reset({ name }),
    delete: () => client.deleteCounter({ name, keepHistory: true }),
    "delete with its history": () => client.deleteCounter({ name }),
  }[what as "increment"]();
  await done.catch(() => {});
}

test.prop(
  [
    fc.constantFrom(...STARTS),
    fc.array(does, { minLength: 1, maxLength: 30 }),
    fc.constantFrom(...ZONES),
    steps,
  ],
  { numRuns: 30 },
)("histories are the changes, folded by hand", async (start, acts, timeZone, cut) => {
  await using opened = await open();
  const { client, clock, store } = opened;
  clock.advance(start - clock.now());
  await client.createCounter({ name: "p:a", value: 7n });
  for (const each of acts) await act(opened, each);
  const step: Step = { ...cut, timeZone };
  const calendar = new ZoneCalendar(() => {});
  const spans = [...stepsOf(step, start - HOUR, clock.now() + 1, calendar)];
  const edges = Float64Array.from([...spans.map((span) => span.start), spans.at(-1)!.end]);
  const changes = await allChanges(store);
  for (const subject of [
    { case: "name" as const, value: "p:a" },
    { case: "name" as const, value: "q" },
    { case: "prefix" as const, value: "p:" },
    { case: "prefix" as const, value: "" },
  ]) {
    const ofName = subject.case === "name";
    const mine = changes.filter(({ name }) =>
      ofName ? name === subject.value : name.startsWith(subject.value),
    );
    const answer = await client
      .queryHistory({
        subject,
        start: timestampFromMs(start - HOUR),
        timeZone,
        step:
          "unit" in cut
            ? { case: "calendar", value: UNITS[cut.unit] }
            : { case: "every", value: durationFromMs(cut.everyMs) },
      })
      .catch(() => undefined);
    if (answer === undefined) {
      expect(mine.every(({ kind }) => kind === ChangeKind.DELETE)).toBe(true); // Nothing is left of it but that it was deleted.
      continue;
    }
    const {
      opens,
      closes,
      lows,
      highs,
      added,
      removed,
      rolled,
      changes: counts,
    } = pointsOf(mine, edges, ofName);
    const folded = spans.map((span, i) => ({
      ...{ start: span.start, end: span.end },
      ...{
        open: `${opens[i]}`,
        close: `${closes[i]}`,
        low: lows && `${lows[i]}`,
        high: highs && `${highs[i]}`,
      },
      ...{
        added: `${added[i]}`,
        removed: `${removed[i]}`,
        rolled: `${rolled[i]}`,
        changes: BigInt(counts[i]!),
      },
    }));
    const said = answer.points.map((point) => ({
      ...{
        start: timestampMs(point.start!),
        end: timestampMs(point.end!),
        open: point.open,
        close: point.close,
      },
      ...{ low: point.low, high: point.high, added: point.added, removed: point.removed },
      ...{ rolled: point.rolled, changes: point.changes },
    }));
    expect(said).toEqual(folded.slice(folded.length - said.length));
    // What was left out is what was before there was one.
    for (const { close } of folded.slice(0, folded.length - said.length)) expect(close).toBe("0");
    expect(answer.points.at(-1)!.inProgress).toBe(true);
  }
});
