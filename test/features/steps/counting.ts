/** Changing one counter, and what the answer says. */
import { expect } from "vitest";
import { step } from "../steps.ts";
import { RPC } from "../world.ts";

step("I increment {string}", async (world, name) => {
  await world.attempt(RPC.increment, { name });
});

step("I increment {string} by {number}", async (world, name, amount) => {
  await world.attempt(RPC.increment, { name, amount });
});

step("I increment {string} only if it exists", async (world, name) => {
  await world.attempt(RPC.increment, { name, mustExist: true });
});

step("I decrement {string}", async (world, name) => {
  await world.attempt(RPC.decrement, { name });
});

step("I decrement {string} by {number}", async (world, name, amount) => {
  await world.attempt(RPC.decrement, { name, amount });
});

step("I set {string} to {number}", async (world, name, value) => {
  await world.attempt(RPC.set, { name, value });
});

step("I set {string} to {number} only if it exists", async (world, name, value) => {
  await world.attempt(RPC.set, { name, value, mustExist: true });
});

step("I set {string} to {number} if nobody changed it since", async (world, name, value) => {
  await world.attempt(RPC.set, { name, value, etag: world.etags.get(name)! });
});

step("I reset {string}", async (world, name) => {
  await world.attempt(RPC.reset, { name });
});

step("I reset {string} if nobody changed it since", async (world, name) => {
  await world.attempt(RPC.reset, { name, etag: world.etags.get(name)! });
});

step("the answer says it went from {number} to {number}", (world, previous, value) => {
  const { outcome } = world;
  expect([outcome.previous, outcome.value]).toEqual([previous, value]);
});

step("the answer says there is room for {number} up and {number} down", (world, up, down) => {
  const { headroomUp, headroomDown } = world.outcome;
  expect([headroomUp, headroomDown]).toEqual([up, down]);
});

step("the answer leaves the room unsaid", (world) => {
  const { headroomUp, headroomDown } = world.outcome;
  expect([headroomUp, headroomDown]).toEqual([undefined, undefined]);
});

step("the answer is change number {number}", (world, revision) => {
  expect(world.outcome.revision).toBe(revision);
});
