/** What time it is, and what a counter says of it. */
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { expect } from "vitest";
import { step } from "../steps.ts";
import { RPC, type World } from "../world.ts";
import { msIn } from "./counters.ts";

step("it is {string}", (world, time) => world.itIs(Date.parse(time)));

step("{string} pass(es)", (world, length) => world.passes(msIn(length)));

step("the clock is set back to {string}", (world, time) => world.itIs(Date.parse(time)));

step("there will be room in {string}", (world, length) => {
  expect(world.refusal.retryMs).toBe(msIn(length));
});

step("it is not said when there will be room", (world) => {
  expect(world.refusal.retryMs).toBeUndefined();
});

step("the window of {string} is from {string} to {string}", async (world, name, start, end) => {
  const { windowStart, windowEnd } = await read(world, name);
  expect([instantOf(windowStart), instantOf(windowEnd)]).toEqual([Date.parse(start), Date.parse(end)]);
});

step("{string} is back at its initial value at {string}", async (world, name, time) => {
  expect(instantOf((await read(world, name)).fullTime)).toBe(Date.parse(time));
});

step("{string} is gone at {string}, unless it changes", async (world, name, time) => {
  expect(instantOf((await read(world, name)).expireTime)).toBe(Date.parse(time));
});

async function read(world: World, name: string) {
  return (await world.call(RPC.getCounter, { name })).counter!;
}

function instantOf(time: Timestamp | undefined): number | undefined {
  return time && timestampDate(time).getTime();
}
