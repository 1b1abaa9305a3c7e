/** Changing the settings of a counter, and deleting it. */
import { expect } from "vitest";
import type { Table } from "../gherkin/steps.ts";
import { step } from "../steps.ts";
import { RPC } from "../world.ts";
import { settingsIn } from "./counters.ts";

step("I change the settings of {string}", async (world, name, table) => {
  await world.attempt(RPC.updateCounter, { name, ...settingsIn(table) });
});

step("I change the settings of {string} if nobody changed them since", async (world, name, table) => {
  const settingsEtag = world.settingsEtags.get(name)!;
  await world.attempt(RPC.updateCounter, { name, settingsEtag, ...settingsIn(table) });
});

step(
  "I change the settings of {string} under the request id {string}",
  async (world, name, requestId, table) => {
    await world.attempt(RPC.updateCounter, { name, requestId, ...settingsIn(table) });
  },
);

step("I change no settings of {string}", async (world, name) => {
  await world.attempt(RPC.updateCounter, { name });
});

step("I take away the {string} of {string}", async (world, setting, name) => {
  await world.attempt(RPC.updateCounter, { name, updateMask: { paths: [setting] } });
});

step("somebody else changes the settings of {string}", async (world, name, table) => {
  await (await world.newCaller()).call(RPC.updateCounter, { name, ...settingsIn(table) });
});

step("the answer has the counter with", (world, table: Table) => {
  expect(world.answerTo(RPC.updateCounter).counter).toMatchObject(settingsIn(table));
});

step("the change of settings is marked as a repeat", (world) => {
  expect(world.answerTo(RPC.updateCounter).replayed).toBe(true);
});

step("I delete {string}", async (world, name) => {
  await world.attempt(RPC.deleteCounter, { name });
});

step("I delete {string} if nobody changed it since", async (world, name) => {
  await world.attempt(RPC.deleteCounter, { name, etag: world.etags.get(name)! });
});

step("I delete {string} under the request id {string}", async (world, name, requestId) => {
  await world.attempt(RPC.deleteCounter, { name, requestId });
});

step("somebody else deletes {string}", async (world, name) => {
  await (await world.newCaller()).call(RPC.deleteCounter, { name });
});

step("the answer says it ended at {number}", (world, value) => {
  expect(world.answerTo(RPC.deleteCounter).value).toBe(value);
});

step("the deletion is marked as a repeat", (world) => {
  expect(world.answerTo(RPC.deleteCounter).replayed).toBe(true);
});
