/** Changes that say what their counter is to be, if they make it. */
import { step } from "../steps.ts";
import { RPC } from "../world.ts";
import { operationsIn } from "./batches.ts";
import { settingsIn } from "./counters.ts";

step("I increment {string} by {number}, which may be missing, with", async (world, name, amount, table) => {
  await world.attempt(RPC.increment, { name, amount, ifMissing: settingsIn(table) as object });
});

step(
  "I increment {string} by {number} under the request id {string}, which may be missing, with",
  async (world, name, amount, requestId, table) => {
    await world.attempt(RPC.increment, { name, amount, requestId, ifMissing: settingsIn(table) as object });
  },
);

step("I set {string} to {number}, which may be missing, with", async (world, name, value, table) => {
  await world.attempt(RPC.set, { name, value, ifMissing: settingsIn(table) as object });
});

step(
  "I send a batch, of counters that may be missing with {string} {number}",
  async (world, setting, value, table) => {
    const ifMissing = settingsIn([[setting, `${value}`]]) as object;
    await world.attempt(RPC.batchApply, {
      operations: operationsIn(table, ifMissing),
    });
  },
);

step(
  "I send a batch, all or nothing, of counters that may be missing with {string} {number} and {string} {number}",
  async (world, a, first, b, second, table) => {
    const ifMissing = settingsIn([
      [a, `${first}`],
      [b, `${second}`],
    ]) as object;
    await world.attempt(RPC.batchApply, {
      operations: operationsIn(table, ifMissing),
      allOrNothing: true,
    });
  },
);
