/** Making counters and looking at them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { expect } from "vitest";
import {
  CalendarUnit,
  OnBound,
  type RefillSchema,
  type WindowSchema,
} from "../../../gen/tally/v1/counter_pb.ts";
import type { Table } from "../gherkin/steps.ts";
import { step } from "../steps.ts";
import { RPC, type World } from "../world.ts";

step("a counter {string} at {number}", async (world, name, value) => {
  await world.call(RPC.createCounter, { name, value });
});

step("a counter {string} with", async (world, name, table) => {
  await world.call(RPC.createCounter, { name, ...settingsIn(table) });
});

step("I create a counter {string} with", async (world, name, table) => {
  await world.attempt(RPC.createCounter, { name, ...settingsIn(table) });
});

step("I create a counter {string} under the request id {string}", async (world, name, requestId) => {
  await world.attempt(RPC.createCounter, { name, requestId });
});

step("I read {string}", async (world, name) => {
  await world.attempt(RPC.getCounter, { name });
});

step("I have read {string}", async (world, name) => {
  const { etag, settingsEtag } = await read(world, name);
  world.etags.set(name, etag);
  world.settingsEtags.set(name, settingsEtag);
});

step("{string} is( still) {number}", async (world, name, value) => {
  expect((await read(world, name)).value).toBe(value);
});

step("somebody else reads that {string} is {number}", async (world, name, value) => {
  const somebody = await world.newCaller();
  expect((await somebody.call(RPC.getCounter, { name })).counter?.value).toBe(value);
});

step("{string} has", async (world, name, table) => {
  expect(await read(world, name)).toMatchObject(settingsIn(table));
});

step("there is no counter {string}", async (world, name) => {
  await expect(world.call(RPC.getCounter, { name })).rejects.toMatchObject({ reason: "COUNTER_NOT_FOUND" });
});

async function read(world: World, name: string) {
  const { counter } = await world.call(RPC.getCounter, { name });
  if (counter === undefined) throw new Error("the answer has no counter");
  return counter;
}

/** What people call a counter's settings, as the fields of the API. */
const SETTINGS = {
  value: (text: string) => ({ value: toNumber(text) }),
  initial: (text: string) => ({ initial: toNumber(text) }),
  minimum: (text: string) => ({ min: toNumber(text) }),
  maximum: (text: string) => ({ max: toNumber(text) }),
  "at a bound": (text: string) => ({ onBound: { stop: OnBound.CLAMP, refuse: OnBound.REJECT }[text]! }),
  "never goes down": (text: string) => ({ monotonic: text === "yes" }),
  description: (text: string) => ({ description: text }),
  labels: (text: string) => ({ labels: labelsIn(text) }),
  window: (text: string) => ({ window: windowIn(text) }),
  "goes back by": (text: string) => ({ refill: refillIn(text) }),
  "gone when idle for": (text: string) => ({ idleTtl: durationFromMs(msIn(text)) }),
};

export function settingsIn(table: Table) {
  return Object.assign(
    {},
    ...table.map(([setting, text]) => {
      if (setting === undefined || !(setting in SETTINGS)) {
        throw new Error(`expected one of ${Object.keys(SETTINGS).join(", ")}, got ${setting}`);
      }
      return SETTINGS[setting as keyof typeof SETTINGS](text!);
    }),
  ) as Partial<ReturnType<(typeof SETTINGS)[keyof typeof SETTINGS]>>;
}

/** "day in Europe/Berlin", "month in UTC from day 31", "10 seconds" */
function windowIn(text: string): MessageInitShape<typeof WindowSchema> {
  const [, unit, timeZone, day] = /^([a-z]+) in (\S+)(?: from day (\d+))?$/.exec(text) ?? [];
  if (unit === undefined) return { span: { case: "every", value: durationFromMs(msIn(text)) } };
  const value = CalendarUnit[unit.toUpperCase() as keyof typeof CalendarUnit];
  return { span: { case: "calendar", value }, timeZone: timeZone!, ...(day && { day: Number(day) }) };
}

/** "3 in 1 second" */
function refillIn(text: string): MessageInitShape<typeof RefillSchema> {
  const [amount, every] = text.split(" in ");
  return { amount: toNumber(amount!), every: durationFromMs(msIn(every!)) };
}

/** "90 minutes" in milliseconds. */
export function msIn(text: string): number {
  const [, count, unit] = /^(\d+) ([a-z]+?)s?$/.exec(text) ?? [];
  const ms = { millisecond: 1, second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }[unit ?? ""];
  if (ms === undefined) throw new Error(`expected a time such as "90 minutes", got "${text}"`);
  return Number(count) * ms;
}

/** "team=core, env=prod" */
export function labelsIn(text: string): Record<string, string> {
  return Object.fromEntries(text.split(", ").map((pair) => pair.split("=") as [string, string]));
}

function toNumber(text: string): bigint {
  return BigInt(text.replaceAll(",", ""));
}
