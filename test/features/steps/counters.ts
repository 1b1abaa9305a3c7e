/** Making counters and looking at them. */
import { expect } from "vitest";
import { OnBound } from "../../../gen/tally/v1/counter_pb.ts";
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

/** "team=core, env=prod" */
export function labelsIn(text: string): Record<string, string> {
  return Object.fromEntries(text.split(", ").map((pair) => pair.split("=") as [string, string]));
}

function toNumber(text: string): bigint {
  return BigInt(text.replaceAll(",", ""));
}
