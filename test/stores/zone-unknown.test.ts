import { v7 } from "uuid";
import { expect, it } from "vitest";
import type { Calendar } from "../../src/core/window.ts";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import { MemoryStore } from "../../src/stores/memory/store.ts";
import { ZoneCalendar } from "../../src/stores/shared/calendar.ts";
import { apply, create, increment, remove, reset, update } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";

const DAY = 24 * 3_600_000;
const window = { unit: "day", timeZone: "Europe/Berlin", day: 1 } as const;

it("a window whose time zone is not known any more stays, and after its end nothing is counted in it", async () => {
  const clock = new HandClock();
  const zones = new ZoneCalendar(() => {});
  let known = true;
  const calendar: Calendar = {
    windowAt: (of, now) => (known ? zones.windowAt(of, now) : undefined),
    offsetAt: (timeZone, now) => (known ? zones.offsetAt(timeZone, now) : undefined),
  };
  const options = {
    clock,
    newUid: () => v7(),
    retention: DEFAULT_RETENTION,
    cachedCountersMax: 9,
    warn: () => {},
  };
  const store = new MemoryStore(options, undefined, calendar);
  for (const name of ["a", "b", "c"]) await apply(store, create(name, { max: 5n, value: 4n, window }));
  const [before] = await store.get(["a"]);
  known = false;
  expect(await apply(store, increment("a"))).toMatchObject({ value: 5n });
  clock.advance(DAY);
  expect(await store.get(["a"])).toMatchObject([
    { value: 5n, timing: { windowEnd: before!.timing!.windowEnd } },
  ]);
  const refused = { code: "ZONE_UNKNOWN", zone: "Europe/Berlin" };
  for (const op of [increment("a"), reset("a"), update("a", { max: 9n })]) {
    expect(await apply(store, op)).toEqual(refused);
  }
  while (await store.maintain());
  expect(await apply(store, create("d", { window }))).toMatchObject({
    code: "INVALID_FIELD",
    field: "window.time_zone",
  });
  expect(await apply(store, update("a", { window }))).toMatchObject({ code: "INVALID_FIELD" });
  expect(await apply(store, remove("c"))).toMatchObject({ value: 4n });
  expect(await apply(store, update("b", { window: { everyMs: 60_000, anchorMs: 0 } }))).toMatchObject({
    value: 4n,
  });
  expect(await apply(store, increment("b"))).toMatchObject({ value: 5n });
  known = true;
  expect(await apply(store, increment("a"))).toMatchObject({ value: 1n, previous: 0n });
});
