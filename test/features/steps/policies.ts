/** Settings for all counters of a prefix. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect, vi } from "vitest";
import type { CounterSettingsSchema } from "../../../gen/tally/v1/counter_pb.ts";
import { Enforcement, PolicyService } from "../../../gen/tally/v1/policy_service_pb.ts";
import type { Table } from "../gherkin/steps.ts";
import { step } from "../steps.ts";
import { RPC, type World } from "../world.ts";
import { settingsIn } from "./counters.ts";

const POLICY = PolicyService.method;

async function setPolicy(
  world: World,
  prefix: string,
  table: Table,
  enforcement: Enforcement = Enforcement.ENFORCE,
): Promise<void> {
  const settings = settingsIn(table) as MessageInitShape<typeof CounterSettingsSchema>;
  await world.call(POLICY.setPolicy, { prefix, settings, enforcement });
}

step("a policy for {string} with", setPolicy);
step("the policy for {string} is set to", setPolicy);

step("a policy for {string} that is only tried out, with", (world, prefix, table) =>
  setPolicy(world, prefix, table, Enforcement.SHADOW),
);

step("the policy for {string} is deleted", async (world, prefix) => {
  await world.call(POLICY.deletePolicy, { prefix });
});

step("{string} follows {string}", async (world, name, prefix) => {
  expect((await world.call(RPC.getCounter, { name })).counter?.policy).toBe(prefix);
});

step("{string} follows no policy", async (world, name) => {
  expect((await world.call(RPC.getCounter, { name })).counter?.policy).toBeUndefined();
});

step("{string} is told to follow its policy", async (world, name) => {
  await world.attempt(RPC.updateCounter, { name, followPolicy: true });
});

step("{string} has soon", async (world, name, table) => {
  await vi.waitFor(
    async () => expect((await world.call(RPC.getCounter, { name })).counter).toMatchObject(settingsIn(table)),
    { interval: 50 },
  );
});

step(
  "the policy for {string} has come to {number} counter(s), and has none to come to",
  async (world, prefix, applied) => {
    expect(await world.call(POLICY.getPolicy, { prefix })).toMatchObject({ applied, remaining: 0n });
  },
);
