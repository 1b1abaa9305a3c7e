/** Many changes in one call. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect } from "vitest";
import type { OperationSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Table } from "../gherkin/steps.ts";
import { step } from "../steps.ts";
import { RPC, type World } from "../world.ts";

step("I send a batch", async (world, table) => {
  await world.attempt(RPC.batchApply, { operations: operationsIn(table) });
});

step("I send a batch, all or nothing", async (world, table) => {
  await world.attempt(RPC.batchApply, { operations: operationsIn(table), allOrNothing: true });
});

step("I send a batch under the request id {string}", async (world, requestId, table) => {
  await world.attempt(RPC.batchApply, { operations: operationsIn(table), requestId });
});

step("the batch's outcomes are", (world, table) => {
  expect(outcomesOf(world)).toEqual(expectedIn(table));
  expect(world.answerTo(RPC.batchApply).replayed).toBe(false);
});

step("the batch is marked as a repeat, and its outcomes are", (world, table) => {
  expect(outcomesOf(world)).toEqual(expectedIn(table));
  expect(world.answerTo(RPC.batchApply).replayed).toBe(true);
});

/** @param ifMissing  what the counters are to be that they make */
export function operationsIn(
  [head, ...rows]: Table,
  ifMissing?: object,
): MessageInitShape<typeof OperationSchema>[] {
  expect(head).toEqual(["change", "counter", "number"]);
  return rows.map(([change, name, number]) => {
    if (change === "reset") return { name: name!, action: { case: "reset", value: true } };
    return {
      name: name!,
      action: { case: change as "increment" | "decrement" | "set", value: BigInt(number!) },
      ...(ifMissing && { ifMissing }),
    };
  });
}

function expectedIn([head, ...rows]: Table) {
  expect(head).toEqual(["counter", "from", "to", "refused"]);
  return rows.map(([counter, from, to, refused]) => ({ counter, from, to, refused }));
}

function outcomesOf(world: World) {
  return world.answerTo(RPC.batchApply).outcomes.map(({ name, previous, value, refusal }) => ({
    counter: name,
    from: refusal === undefined ? `${previous}` : "",
    to: refusal === undefined ? `${value}` : "",
    refused: refusal?.reason ?? "",
  }));
}
