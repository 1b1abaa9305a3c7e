import { Steps } from "./gherkin/steps.ts";
import type { World } from "./world.ts";

/** Every step of the features; the files of steps/ define them. */
export const STEPS: Steps<World> = new Steps();

/** Say what a step does: see Steps.define. */
export const step: Steps<World>["define"] = (expression, run) => STEPS.define(expression, run);
