/** Lists, rankings, sums, and reads of several counters. */
import { expect } from "vitest";
import type { Counter } from "../../../gen/tally/v1/counter_pb.ts";
import { type ListCountersResponse, TopOrder } from "../../../gen/tally/v1/counter_service_pb.ts";
import { step } from "../steps.ts";
import { RPC, type World } from "../world.ts";
import { labelsIn } from "./counters.ts";

step("I read {string}, {string} and {string} together", async (world, first, second, third) => {
  await world.attempt(RPC.batchGetCounters, { names: [first, second, third] });
});

step("the results are", (world, [head, ...rows]) => {
  expect(head).toEqual(["counter", "value", "refused"]);
  const { results } = world.answerTo(RPC.batchGetCounters);
  const shown = results.map(({ name, result }) =>
    result.case === "counter"
      ? [name, `${result.value.value}`, ""]
      : [name, "", result.value?.reason ?? "nothing"],
  );
  expect(shown).toEqual(rows);
});

step("I list the counters", (world) => world.attempt(RPC.listCounters, {}));

step("I list the counters that begin with {string}", (world, prefix) =>
  world.attempt(RPC.listCounters, { prefix }),
);

step("I list the counters with the labels {string}", (world, labels) =>
  world.attempt(RPC.listCounters, { labels: labelsIn(labels) }),
);

step("I list the counters, {int} a page", async (world, pageSize) => {
  await world.attempt(RPC.listCounters, { pageSize });
  world.pageToken = world.answerTo(RPC.listCounters).nextPageToken;
});

step("I list the next page", async (world) => {
  await world.attempt(RPC.listCounters, { pageSize: 2, pageToken: world.pageToken });
  world.pageToken = world.answerTo(RPC.listCounters).nextPageToken;
});

step("I list the next page of those that begin with {string}", (world, prefix) =>
  world.attempt(RPC.listCounters, { prefix, pageToken: world.pageToken }),
);

step("there are more", (world) => {
  expect(world.answerTo(RPC.listCounters).nextPageToken).not.toBe("");
});

step("there are no more", (world) => {
  expect(world.answerTo(RPC.listCounters).nextPageToken).toBe("");
});

step("I ask for the {int} highest counters", (world, n) => world.attempt(RPC.topCounters, { n }));

step("I ask for the {int} lowest counters", (world, n) =>
  world.attempt(RPC.topCounters, { n, order: TopOrder.LOWEST }),
);

step("I ask for the {int} highest counters that begin with {string}", (world, n, prefix) =>
  world.attempt(RPC.topCounters, { n, prefix }),
);

step("the counters given are", (world, [head, ...rows]) => {
  expect(head).toEqual(["counter", "value"]);
  expect(given(world).map(({ name, value }) => [name, `${value}`])).toEqual(rows);
});

step("I sum the counters", (world) => world.attempt(RPC.sumCounters, {}));

step("I sum the counters that begin with {string}", (world, prefix) =>
  world.attempt(RPC.sumCounters, { prefix }),
);

step("the sum of {number} counters is {number}, from {number} to {number}", (world, count, sum, from, to) => {
  const answer = world.answerTo(RPC.sumCounters);
  expect([answer.count, BigInt(answer.sum), answer.lowest, answer.highest]).toEqual([count, sum, from, to]);
});

step("the sum is that of no counters", (world) => {
  const { count, sum, lowest, highest } = world.answerTo(RPC.sumCounters);
  expect([count, sum, lowest, highest]).toEqual([0n, "0", undefined, undefined]);
});

/** What the last list or ranking gave. */
function given(world: World): readonly Counter[] {
  return (world.answer as ListCountersResponse).counters;
}
