/** Request ids: the same request more than once. */
import { expect } from "vitest";
import { step } from "../steps.ts";
import { RPC } from "../world.ts";

step(
  "I increment {string} by {number} under the request id {string}",
  async (world, name, amount, requestId) => {
    await world.attempt(RPC.increment, { name, amount, requestId });
  },
);

step(
  "I decrement {string} by {number} under the request id {string}",
  async (world, name, amount, requestId) => {
    await world.attempt(RPC.decrement, { name, amount, requestId });
  },
);

step("I set {string} to {number} under the request id {string}", async (world, name, value, requestId) => {
  await world.attempt(RPC.set, { name, value, requestId });
});

step("I send the same request again", async (world) => {
  await world.again();
});

step("the answer is the first one, marked as a repeat", (world) => {
  const { value, previous, revision, etag, time, replayed } = world.outcome;
  const first = world.firstOutcome;
  expect({ value, previous, revision, etag, time }).toEqual({
    value: first.value,
    previous: first.previous,
    revision: first.revision,
    etag: first.etag,
    time: first.time,
  });
  expect([first.replayed, replayed]).toEqual([false, true]);
});

step("the creation is marked as a repeat", (world) => {
  expect(world.answerTo(RPC.createCounter).replayed).toBe(true);
});
