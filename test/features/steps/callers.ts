/** More callers than one: one after another, and all at once. */
import { expect } from "vitest";
import { type Caller, Refused } from "../client.ts";
import { step } from "../steps.ts";
import { RPC, type World } from "../world.ts";

step("somebody else increments {string}", async (world, name) => {
  await (await world.newCaller()).call(RPC.increment, { name });
});

step("somebody else decrements {string}", async (world, name) => {
  await (await world.newCaller()).call(RPC.decrement, { name });
});

step("somebody else sets {string} to {number}", async (world, name, value) => {
  await (await world.newCaller()).call(RPC.set, { name, value });
});

step("{int} callers at once each increment {string} {int} times", async (world, callers, name, times) => {
  await atOnce(world, callers, times, (caller) => caller.call(RPC.increment, { name }));
});

step("{int} callers at once each decrement {string}", async (world, callers, name) => {
  await atOnce(world, callers, 1, (caller) => caller.call(RPC.decrement, { name }));
});

step("{int} callers at once each delete {string}", async (world, callers, name) => {
  await atOnce(world, callers, 1, (caller) => caller.call(RPC.deleteCounter, { name }));
});

step(
  "{int} callers at once increment {string} by {number} under the request id {string}",
  async (world, callers, name, amount, requestId) => {
    await atOnce(world, callers, 1, (caller) => caller.call(RPC.increment, { name, amount, requestId }));
  },
);

step("each value from {int} to {int} was answered exactly once", (world, first, last) => {
  const values = world.crowd.map((result) => (result instanceof Refused ? result.reason : result.value));
  const expected = Array.from({ length: last - first + 1 }, (_, i) => BigInt(first + i));
  expect(values.sort((a, b) => Number(a) - Number(b))).toEqual(expected);
});

step("{int} of them are answered and {int} are refused with {reason}", (world, answered, refused, reason) => {
  const reasons = world.crowd.flatMap((result) => (result instanceof Refused ? [result.reason] : []));
  expect(world.crowd.length - reasons.length).toBe(answered);
  expect(reasons).toEqual(Array(refused).fill(reason));
});

step("exactly {int} of them is not marked as a repeat", (world, expected) => {
  const first = world.crowd.filter((result) => result instanceof Refused || !result.replayed);
  expect(first).toHaveLength(expected);
});

type Change = typeof RPC.increment | typeof RPC.decrement | typeof RPC.deleteCounter;
type Answer = Awaited<ReturnType<typeof Caller.prototype.call<Change>>>;

/** Have each of some callers, on connections of their own, make some calls, all at the same time. */
async function atOnce(
  world: World,
  callers: number,
  times: number,
  call: (caller: Caller) => Promise<Answer>,
): Promise<void> {
  const crowd = await Promise.all(Array.from({ length: callers }, () => world.newCaller()));
  const calls = crowd.flatMap((caller) => Array.from({ length: times }, () => settle(call(caller))));
  world.crowd = await Promise.all(calls);
}

async function settle(answer: Promise<Answer>) {
  try {
    const answered = await answer;
    if (answered.$typeName === "tally.v1.DeleteCounterResponse") return answered;
    const { outcome } = answered;
    if (outcome === undefined) throw new Error("the answer has no outcome");
    return outcome;
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}
