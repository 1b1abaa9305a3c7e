import { describe, it } from "vitest";
import type { Scenario } from "./gherkin/plugin.ts";
import { STEPS } from "./steps.ts";
import "./steps/batches.ts";
import "./steps/callers.ts";
import "./steps/command-line.ts";
import "./steps/counters.ts";
import "./steps/counting.ts";
import "./steps/history.ts";
import "./steps/if-missing.ts";
import "./steps/limits.ts";
import "./steps/many-counters.ts";
import "./steps/counting-lines.ts";
import "./steps/policies.ts";
import "./steps/refusals.ts";
import "./steps/requests.ts";
import "./steps/server.ts";
import "./steps/settings.ts";
import "./steps/time.ts";
import "./steps/watching.ts";
import { World } from "./world.ts";

/** Run a feature as a suite of Vitest: one test a scenario, each in a world of its own. */
export function runFeature(name: string, scenarios: readonly Scenario[]): void {
  describe(name, () => {
    for (const scenario of scenarios) it(scenario.name, () => runScenario(scenario));
  });
}

async function runScenario({ steps }: Scenario): Promise<void> {
  const found = steps.map((step) => ({ step, run: STEPS.find(step).run })); // All of them, before any is run.
  const world = new World();
  try {
    for (const { step, run } of found) await at(`${step.at}: ${step.text}`, () => run(world));
    await at("at the end", () => world.expectNothingUnseen());
  } finally {
    await world.close();
  }
}

/** Run, and have a failure say where in the feature it happened. */
async function at(where: string, run: () => unknown): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Error) error.message = `${where}\n${error.message}`;
    throw error;
  }
}
