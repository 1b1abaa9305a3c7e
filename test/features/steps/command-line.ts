/** The `tally` command, as a person runs it in a shell. */
import { expect } from "vitest";
import { shell } from "../../cli/cli.ts";
import { step } from "../steps.ts";
import type { World } from "../world.ts";

step("I type {string}", async (world, line) => {
  world.typed = await shell(line, { env: { TALLY_SERVER: await world.address() } });
});

step("it prints {string}", (world, text) => {
  expect(typedIn(world).stdout.trimEnd().split("\n").join(", ")).toBe(text);
});

step("it prints nothing", (world) => {
  expect(typedIn(world).stdout).toBe("");
});

step("it says {string}", (world, text) => {
  expect(typedIn(world).stderr).toContain(text);
});

step("it ends with exit code {int}", (world, code) => {
  const { code: ended, stderr } = typedIn(world);
  expect([ended, ended === code ? "" : stderr]).toEqual([code, ""]);
});

function typedIn({ typed }: World) {
  if (typed === undefined) throw new Error("nothing was typed");
  return typed;
}
